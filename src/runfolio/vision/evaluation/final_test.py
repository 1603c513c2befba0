"""Final test of a run, and the record of its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from runfolio.vision.data import listing
from runfolio.vision.evaluation import class_report
from runfolio.vision.evaluation.recorded_pictures import record_predictions
from runfolio.vision.loop.epochs import evaluate
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import Preparation
from runfolio.vision.repeated_run import repeated_run
from runfolio.vision.settings import TrackingConfig

if TYPE_CHECKING:
    from runfolio import Run

TEST_METRIC = "test/acc"
"""Summary metric that every tested run has."""


def is_tested_at_end(settings: TrackingConfig, series: Mapping[str, Any] | None) -> bool:
    """Return whether a run is tested when it ends. If `test_at` is `chosen`, the best run of a series is tested later
    instead.

    A run that repeats an earlier run is tested if the earlier run was tested.
    """
    if settings.test_at != "chosen" or series is None:
        return True
    repeated = repeated_run()
    return repeated is not None and TEST_METRIC in repeated.flat_summary


def record_test(run: Run, state: TrainState, inputs: InputPipeline, preparation: Preparation, epoch: int) -> None:
    """Test the network or its weight average. Record metrics, a confusion matrix, a class table, and the prediction for
    each image.

    Args:
        run: Run to record in.
        state: State with the weights to test.
        inputs: Input pipeline with the test images.
        preparation: Preparation of the run.
        epoch: Epoch after which the weights were saved.
    """
    logits: list[torch.Tensor] = []
    with inputs.connect(state) as batches:
        tested = evaluate(state, batches.test, logits.append)
    metrics = tested.result.metrics("test")
    run.summary.update(metrics)
    if preparation.settings.test_at != "epoch":  # otherwise, each epoch has logged its test
        run.log({**metrics, "epoch": epoch}, step=epoch)
    classes = preparation.source.classes
    matrix = class_report.confusion_matrix(tested.predicted, tested.labels, len(classes))
    title = f"{run.name}: {tested.result.accuracy:.1%} of {tested.result.images:,} test images"
    figure = class_report.confusion_figure(matrix, classes, title)
    # Without a layout engine, drawing takes a third less time. Logged figures are cropped anyway.
    figure.set_layout_engine("none")
    run.log_figure("confusion", figure, step=epoch)
    rows = class_report.class_metrics(tested.predicted, tested.labels, classes)
    run.log_text("classes", class_report.class_table(rows), step=epoch)
    run.summary["confusion"] = matrix.tolist()
    all_logits = torch.cat(logits)
    record_predictions(run, preparation, "test", tested, all_logits, epoch)
    images, chosen = preparation.source.test, preparation.test.tolist()
    names = listing.names(images, chosen)
    run.log_answers(
        "test",
        names,
        tested.labels,
        all_logits,
        classes=classes,
        digests=lambda: listing.digests(images, chosen),
    )

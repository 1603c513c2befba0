"""The test images: when they are looked at, and what a run records of its answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import runfolio
from runfolio.tracking.process import reproduction
from runfolio.vision.evaluation import class_report
from runfolio.vision.loop.engine import Training
from runfolio.vision.prepare import Preparation
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from runfolio import Run

TEST = "test/acc"
"""A run that reports it was tested."""


def tests_itself(settings: TrainSettings, series: Mapping[str, Any] | None) -> bool:
    """Whether a run is tested at its end: of a series the run that validation chose is, when all of them are done.

    One that repeats another is tested where that one was.
    """
    if settings.test_at != "chosen" or series is None:
        return True
    repeated = reproduction.asked_for()
    return repeated is not None and TEST in runfolio.open(repeated.store).run(repeated.run).results


def record_test(run: Run, training: Training, preparation: Preparation, epoch: int) -> None:
    """Test the network that predicts, whose weights are those of `epoch`; figures, confusion matrix, class table."""
    tested = training.evaluate(training.test_batches)
    figures = {"test/loss": tested.figures.loss, TEST: tested.figures.accuracy}
    run.summary.update(figures)
    if preparation.settings.test_at != "epoch":  # else the curve has this epoch's point already
        run.log({**figures, "epoch": epoch}, step=epoch)
    classes = preparation.source.classes
    matrix = class_report.confusion_matrix(tested.predicted, tested.labels, len(classes))
    title = f"{run.name}: {tested.figures.accuracy:.1%} of {tested.figures.images:,} test images"
    figure = class_report.confusion_figure(matrix, classes, title)
    figure.set_layout_engine("none")  # takes a third of the drawing, and what is logged is cropped to its content
    run.log_figure("confusion", figure, step=epoch)
    rows = class_report.class_figures(tested.predicted, tested.labels, classes)
    run.log_text("classes", class_report.class_table(rows), step=epoch)
    run.summary["confusion"] = matrix.tolist()

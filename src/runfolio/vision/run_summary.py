"""Records of a training run in addition to its metrics. They describe the network and the data at the start, and the
results at the end."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.checkpoints.manifests import BEST
from runfolio.vision.captioned_grid import CaptionedImage, captioned_grid
from runfolio.vision.drawing.training_batch import first_images
from runfolio.vision.evaluation.final_test import record_test
from runfolio.vision.evaluation.recorded_pictures import record_validation
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.latency import predict_ms
from runfolio.vision.loop.notices import Notices
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models.summary import Architecture, architecture
from runfolio.vision.prepare import Preparation

if TYPE_CHECKING:
    from runfolio import Run

_EPOCH_METRICS = ("train/*", "val/*", "test/*", "lr", "lr/*", "epoch_seconds", "images_per_second")
"""Metrics that are logged once per epoch and plotted against the epoch."""


def record_network(
    run: Run, state: TrainState, inputs: InputPipeline, preparation: Preparation, notices: Notices
) -> None:
    """Record the architecture and the graph of the network, and report problems with the images."""
    run.log_text("architecture", record_sizes(run, state, preparation).as_text())
    run.log_graph(state.model, inputs.example())
    record_input_batch(run, preparation)
    notices.all(preparation.source.notices)
    if bad := preparation.source.bad_images if preparation.settings.skip_bad_images else []:
        run.log_text("bad images", "\n".join(bad))
        notices.once("bad images", f"left out {len(bad):,} image{'s' * (len(bad) > 1)} that cannot be read: {bad[0]}")
    if preparation.chosen_by == "train/acc":
        notices.once("choice", "val-fraction is 0, so the best epoch is chosen by train/acc, which is optimistic")


def record_input_batch(run: Run, preparation: Preparation) -> None:
    """Record training images with their classes."""
    cells = [CaptionedImage(image, name) for name, image in first_images(preparation)]
    run.log_image("train/inputs", captioned_grid(cells, preparation.transform.value_range), step=0)


def record_sizes(run: Run, state: TrainState, preparation: Preparation) -> Architecture:
    """Record the sizes of the network and of the data, and return the architecture."""
    network = architecture(state.model, preparation.spec.image_shape)
    run.summary.update(
        {
            "parameters": network.parameters,
            "trainable_parameters": network.trainable_parameters,
            "size_mb": network.size_mb,
            "train/images": len(preparation.train),
            "val/images": len(preparation.val),
            "test/images": len(preparation.test),
        }
    )
    if preparation.settings.skip_bad_images:
        run.summary["bad_images"] = len(preparation.source.bad_images)
    return network


def record_inputs(run: Run, preparation: Preparation) -> None:
    """Record the data, and make `epoch` the x axis of epoch metrics."""
    for part, source in preparation.parts.items():
        run.log_data(part, partial(preparation.listing, part), source=source)
    for metric in _EPOCH_METRICS:
        run.define_metric(metric, x="epoch")


def record_results(
    run: Run, state: TrainState, inputs: InputPipeline, preparation: Preparation, notices: Notices, *, tests: bool
) -> None:
    """Record the results of the best epoch, and test its weights if `tests` is true."""
    best_epoch, values = _restore_best(run, state, notices)
    run.summary.update(
        {
            "best/epoch": best_epoch,
            "chosen_by": preparation.chosen_by,
            **{name: value for name, value in values.items() if name.startswith(("train/", "val/"))},
            "epoch_seconds": statistics.median(state.epoch_seconds),
            "predict_ms": predict_ms(state, preparation.spec, inputs.example()),
        }
    )
    record_validation(run, state, inputs, preparation, best_epoch)
    if tests:
        record_test(run, state, inputs, preparation, best_epoch)


def _restore_best(run: Run, state: TrainState, notices: Notices) -> tuple[int, dict[str, float]]:
    """Load the best weights, and return the number and the metrics of the best epoch.

    If the best checkpoint cannot be read, the last epoch is used. The results are then not lost after a failed save.
    """
    try:
        best = run.restore(BEST, model=state.predicting)
    except (DamagedFile, NotFound, StoreError):
        notices.once(
            "unsaved", "the checkpoint of the best epoch cannot be read, so the results are those of the last epoch"
        )
        return state.epoch, state.epoch_values
    counters = best.state["training"]
    return counters["epoch"], counters["figures"]

"""Test the runs of a series that were chosen by their validation results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import runfolio
from runfolio.query.selection.seed_groups import best_group
from runfolio.record.checkpoints.manifests import BEST, read_intact
from runfolio.settings import build
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.vision.continuing.same_data_check import match_recorded_images
from runfolio.vision.evaluation.final_test import TEST_METRIC, record_test
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models.description import describe
from runfolio.vision.prepare import prepare
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import RecordedRun


def conclude(
    runs: Mapping[Path, TrainSettings], *, store: Path | str | None, progress: Progress | None = None
) -> list[Path]:
    """Test the chosen runs that have not been tested yet, and return their folders.

    Args:
        runs: Current settings of each run of a series, keyed by the run's folder. The current `test_at` also applies to
            runs that an earlier call trained.

    Raises:
        NotFound: The checkpoint of the run's best epoch does not exist.
        DamagedFile: The checkpoint of a best epoch cannot be read.
        ConfigError: The images have changed.
        StoreError: Another process is writing one of the runs.
    """
    recorded = dict(zip(runs, runfolio.open(store).runs_in(runs), strict=True))
    best = {run.folder for run in best_group(list(recorded.values()))}
    due = [run for folder, run in recorded.items() if runs[folder].test_at != "chosen" or run.folder in best]
    untested = [run for run in due if TEST_METRIC not in run.flat_summary]
    for run in untested:
        _test(run, store, progress)
    return [run.folder for run in untested]


def _test(recorded: RecordedRun, store: Path | str | None, progress: Progress | None) -> None:
    """Resume a finished run, and test the weights of its best epoch."""
    settings = build(TrainSettings, recorded.config)
    description = describe(read_intact(recorded.folder, BEST, lambda reason: None))
    preparation, _ = match_recorded_images(
        prepare(settings, store=store, description=description, progress=progress),
        recorded,
        classes=description.classes,
        changed_data=False,
    )
    runfolio.seed_everything(settings.seed)  # the run keeps its recorded seed
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.resume(
            recorded.folder,
            checkpoint=None,
            purpose="test",
            store=store,
            recording=runfolio.RecordingConfig(console=False, announce=False),
        ) as run,
    ):
        state = TrainState(preparation)
        inputs = InputPipeline(preparation)
        state.epoch = run.restore(BEST, model=state.predicting).state["training"]["epoch"]
        # If the backbone was still frozen at the end of the run, cached features are used.
        state.model.load_state_dict(state.predicting.state_dict())
        inputs.open_cache(state, progress, {"test"})
        record_test(run, state, inputs, preparation, state.epoch)
        run.finish(reason=recorded.document.status.reason)
    if progress is not None:
        message = f"tested {run.name} ({run.id}): {TEST_METRIC} {run.summary[TEST_METRIC]:.4f}"
        progress.console.print(message, markup=False, soft_wrap=True)

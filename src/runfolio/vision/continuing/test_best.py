"""The end of a series: the runs that validation chose are tested, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import runfolio
from runfolio.query.selection.seed_groups import chosen
from runfolio.record.checkpoints.manifests import BEST, whole
from runfolio.settings import build
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.vision.continuing.same_data_check import on_the_same_images
from runfolio.vision.evaluation.final_test import TEST, record_test
from runfolio.vision.loop.engine import Training
from runfolio.vision.models.description import describe
from runfolio.vision.prepare import prepare
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import RecordedRun


def conclude(
    runs: Mapping[Path, TrainSettings], *, store: Path | str | None, progress: Progress | None = None
) -> list[Path]:
    """Test the finished runs that are to be and have not been; their folders.

    Args:
        runs: All of a series, by folder, with what is asked of them now: what `test_at` says goes for runs of an
            earlier call too.
    Raises:
        NotFound: The checkpoint of a best epoch is gone.
        DamagedFile: It cannot be read.
        ConfigError: The images changed since.
        StoreError: Another process is writing such a run.
    """
    recorded = dict(zip(runs, runfolio.open(store).runs_in(runs), strict=True))
    best = {run.folder for run in chosen(list(recorded.values()))}
    wanted = [run for folder, run in recorded.items() if runs[folder].test_at != "chosen" or run.folder in best]
    untested = [run for run in wanted if TEST not in run.results]
    for run in untested:
        _test(run, store, progress)
    return [run.folder for run in untested]


def _test(recorded: RecordedRun, store: Path | str | None, progress: Progress | None) -> None:
    """Test a finished run's best epoch, in a further attempt of the run, as it would have been tested at its end."""
    settings = build(TrainSettings, recorded.config)
    begun = describe(whole(recorded.folder, BEST, lambda told: None))
    preparation, _ = on_the_same_images(
        prepare(settings, store=store, begun=begun, progress=progress),
        recorded,
        classes=begun.classes,
        changed_data=False,
    )
    runfolio.seed_everything(settings.seed)  # recorded as at its start
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.init(resume=recorded.folder, checkpoint=None, store=store, console=False) as run,
    ):
        training = Training(preparation)
        epoch = run.restore(BEST, model=training.predicting).state["training"]["epoch"]
        # As the run ended: features that are kept serve where the backbone was frozen until then.
        training.model.load_state_dict(training.predicting.state_dict())
        training.epoch = epoch
        training.open_cache(progress, {"test"})
        record_test(run, training, preparation, epoch)
        run.finish(reason=recorded.status.reason)
    if progress is not None:
        said = f"tested {run.name} ({run.id}): {TEST} {run.summary[TEST]:.4f}"
        progress.console.print(said, markup=False, soft_wrap=True)

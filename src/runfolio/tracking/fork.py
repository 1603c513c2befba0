"""Function `fork`, which starts a new run from a checkpoint of an existing run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Unpack, cast

from runfolio.record.checkpoints.manifests import LAST
from runfolio.tracking.checkpointing.fork_folder import make_fork_folder
from runfolio.tracking.opening import NewRun, Opened, OpenRequest, RunOptions, open_fork, open_run
from runfolio.tracking.run import Run
from runfolio.tracking.run_lookup import RunReference


def fork(
    run: RunReference,
    *,
    checkpoint: str | None = LAST,
    step: int | None = None,
    name: str | None = None,
    experiment: str | None = None,
    tags: Iterable[str] = (),
    notes: str = "",
    **options: Unpack[RunOptions],
) -> Run:
    """Start a new run from a checkpoint of an existing run. The existing run is not changed, and it may be running.

    The new run contains all points (logged values) up to the checkpoint. `run.restore("last", ...)` restores the state
    of the checkpoint.

    Args:
        run: Run to fork: its id, a prefix of its id, its name, its folder, or a `Run` or `RecordedRun`.
        checkpoint: Name of the checkpoint to start from.
        step: Start from the checkpoint that was saved at exactly this step, instead of from a named checkpoint.
        name: Name of the new run. Default: the name of the forked run with `-fork` appended.
        experiment: Experiment of the new run. Default: the experiment of the forked run.
        options: `config` (overrides individual settings), `store`, `tensorboard`, `checkpoints`, `strict`,
            `recording` and `keep_others`, as in `init`.
    Raises:
        NotFound: The run or the checkpoint does not exist.
        DamagedFile: The checkpoint cannot be read.
        StoreError: The store cannot be written.
        Ambiguous: Several runs match `run`.
        ConfigError: An argument is invalid.
    """
    new = NewRun.of(name, experiment, tags, notes)

    def find(request: OpenRequest) -> Opened:
        parent = cast("Path", request.named)

        def make(run_id: str) -> Path:
            return make_fork_folder(
                request.store, parent, checkpoint, step, new.name, new.experiment, request.config, run_id
            )

        return new.describe(open_fork(request, make))

    return open_run(find, reference=run, **options)

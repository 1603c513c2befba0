"""`init`: start of a new run, or continuation of an earlier one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.tracking.environment.hydra_job import job_name
from runfolio.tracking.keyword_hints import hint_at
from runfolio.tracking.opening import (
    NewRun,
    Opened,
    OpenRequest,
    is_reproduction,
    open_earlier,
    open_new,
    open_run,
    refuse_in_reproduction,
)
from runfolio.tracking.recording_config import RecordingConfig
from runfolio.tracking.resume import find_unfinished_run
from runfolio.tracking.run import Run
from runfolio.tracking.run_lookup import RunReference, spelling_of

_EXPERIMENT = "default"
_AUTO = "auto"


@hint_at({"project": "experiment=...", "fork": "runfolio.fork(run)", "dir": "store=..."})
def init(
    name: str | None = None,
    *,
    experiment: str | None = None,
    config: Any = None,
    tags: Iterable[str] = (),
    notes: str = "",
    store: str | os.PathLike[str] | None = None,
    series: Mapping[str, Any] | None = None,
    resume: RunReference | None = None,
    tensorboard: bool = False,
    checkpoints: CheckpointPolicy | None = None,
    strict: bool = False,
    recording: RecordingConfig | None = None,
    keep_others: bool = False,
) -> Run:
    """Open a run and start recording.

    With `RUNFOLIO_RUN_ID`, it opens the run of that id. It creates the run if it is new, and joins it if another
    process writes it. Otherwise it continues the run from its last checkpoint, if there is one. Rank 0 continues it,
    and the other ranks join. A finished run is continued only with `resume="auto"`; otherwise an error is raised.

    Args:
        name: Readable name; the folder's name also contains the id. Default: in a job of Hydra, its overrides, such
            as `lr=0.1`; with `RUNFOLIO_RUN_ID`, that id; else the name of the script (or module, program or
            notebook) and the next free number, such as `train-3`.
        experiment: Experiment of the run, and name of its parent folder. Default: `default`.
        config: Hyperparameters: a dict, argparse.Namespace, dataclass or OmegaConf config. A resumed run keeps
            earlier settings that are not given.
        store: Folder of all runs. Default: `$RUNFOLIO_STORE`, else `./runs`.
        series: Name and fingerprint of the series that the run is part of.
        resume: Run to continue from its `last` checkpoint instead of a new one: its id, the start of its id, its name,
            its folder, or a `Run` or `RecordedRun`. It keeps its name, experiment, tags and notes. `"auto"`, for
            scripts that a cluster restarts, continues the newest matching run; without one, it opens a new run.
            Experiment, name (if given), script and arguments must match. The run must have a checkpoint, must not have
            finished, and must not be open in another process. `run.resumed` reports which of the two happened.
            `runfolio.resume` continues from another checkpoint or step.
        tensorboard: Also write TensorBoard's event file; always on for a resumed run that has one.
        checkpoints: Policy of when `run.checkpoint` saves, and which checkpoints are kept. Default: each call saves;
            the last, the previous and the best one are kept.
        strict: Raise ConfigError from `log` if a value cannot be stored, instead of omitting it with a warning and a
            count. Each call then waits for values on a GPU.
        recording: Settings that few runs change: console, code, durability, and write intervals.
        keep_others: Keep the other open runs of this thread or asyncio task open. By default they end here, with the
            time of their last call, unless they are in a `with` block.
    Returns:
        The run. `runfolio.log` of this thread or task writes to it until it ends.
    Raises:
        StoreError: The store cannot be written; or another process writes the run, or it has finished.
        TypeError: An argument has another name here, such as `project`.
        ConfigError: `config` has another type, a name or tag exceeds its limits (`docs/limits.md`), or `resume` names
            a run in a process that `runfolio reproduce` started.
        Ambiguous: Several runs match `resume`.
        NotFound: The run `resume` does not exist, or has no checkpoint.
    """
    if resume is not None and resume != _AUTO:
        refuse_in_reproduction(f"init(resume={spelling_of(resume)!r})")
    new = NewRun.of(job_name() if name is None else name, experiment, tags, notes, series)

    def find(request: OpenRequest) -> Opened:
        folder = request.named
        if resume == _AUTO and request.wanted_id is None and not is_reproduction():
            folder = find_unfinished_run(request.store, new.experiment or _EXPERIMENT, new.name)
        if folder is not None:
            return open_earlier(request, folder)
        experiment = new.experiment or _EXPERIMENT
        return new.describe(open_new(request, new.name, experiment, continues_finished=resume == _AUTO))

    return open_run(
        find,
        reference=None if resume == _AUTO else resume,
        config=config,
        store=store,
        tensorboard=tensorboard,
        checkpoints=checkpoints,
        strict=strict,
        recording=recording,
        keep_others=keep_others,
    )

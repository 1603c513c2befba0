"""Function `init`, which starts a new run or continues an earlier run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.tracking.environment.hydra_job import job_name
from runfolio.tracking.name_hints import hint_at
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

    If the environment variable `RUNFOLIO_RUN_ID` is set, the run with that id is opened. The run is created if it does
    not exist, and joined if another process writes to it. If no process writes to it, rank 0 continues the run, and the
    other ranks join. The run continues from its last checkpoint. A run without a checkpoint continues after its last
    log call. A finished run is continued only with `resume="auto"`. Otherwise an error is raised.

    Args:
        name: Readable name. The name of the folder also contains the id. In a Hydra job, the default is the overrides,
            such as `lr=0.1`. If `RUNFOLIO_RUN_ID` is set, the default is the id. Otherwise, it is the name of the
            script (or module, program or notebook) with the next free number, such as `train-3`.
        experiment: Experiment of the run, and name of its parent folder. Default: `default`.
        config: Hyperparameters: a dict, argparse.Namespace, dataclass or OmegaConf config. A resumed run keeps earlier
            settings that are not passed again.
        store: Folder of all runs. Default: `$RUNFOLIO_STORE` if it is set, or else `./runs`.
        series: Name and fingerprint of the series (a planned set of runs) that the run belongs to.
        resume: Run to continue from its `last` checkpoint: its id, a prefix of its id, its name, its folder, or a `Run`
            or `RecordedRun`. The run keeps its name, experiment, tags and notes. `"auto"` is for scripts that a cluster
            restarts. It continues the newest matching run, or opens a new run if none matches. A run matches if its
            experiment, name (if given), script and arguments are the same. The run must also have a checkpoint and must
            not have finished. No other process may be writing to the run. `run.resumed` reports whether a run was
            continued. `runfolio.resume` continues from a different checkpoint or step.
        tensorboard: Also write a TensorBoard event file. A resumed run that has an event file always continues to write
            event files.
        checkpoints: Policy that determines when `run.checkpoint` saves, and which checkpoints are kept. By default,
            each call saves, and the last, the previous and the best checkpoint are kept.
        strict: Make `log` raise ConfigError if a value cannot be stored. By default, the value is omitted and a warning
            is logged. If True, each call of `log` waits for values on a GPU.
        recording: Settings for console output, code, durability and write intervals, which rarely need to be changed.
        keep_others: Keep other open runs of this thread or asyncio task open. By default, runs that are not in a `with`
            block end now. The time of their last call is recorded as their end.
    Returns:
        The run. `runfolio.log` of this thread or task writes to it until it ends.
    Raises:
        StoreError: The store cannot be written, another process writes to the run, or the run has finished.
        TypeError: An argument has a different name in runfolio, such as `project`.
        ConfigError: `config` has an unsupported type, or a name or tag exceeds its limits (`docs/limits.md`). The error
            is also raised if `resume` is used in a process that `runfolio reproduce` started.
        Ambiguous: Several runs match `resume`.
        NotFound: The run to resume does not exist, or has no checkpoint.
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

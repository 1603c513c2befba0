"""`init`: opening a new run, or an earlier one again."""

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
from runfolio.tracking.run_lookup import RunReference, spelled

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

    With `RUNFOLIO_RUN_ID`, it is the run of that id: a new one, or one that another process writes and this one joins,
    or one whose processes are gone and that continues, from its last checkpoint if there is one. Rank 0 continues it
    and the other ranks join. A finished run is continued with `resume="auto"` only, and refused otherwise.

    Args:
        name: Readable name; the id is added to it in the folder. Default: the name of the script (or module, program
            or notebook) and the next number that is free in the store, such as `train-3`; with `RUNFOLIO_RUN_ID`, that
            id; in a job of Hydra, its overrides, such as `lr=0.1`.
        experiment: The experiment that the run belongs to, and the folder of its folder. Default: `default`.
        config: Hyperparameters: a dict, argparse.Namespace, dataclass or OmegaConf config. A resumed run keeps the
            settings that are not given again.
        store: Folder of all runs. Default: `$RUNFOLIO_STORE`, else `./runs`.
        series: Name and fingerprint of the series that the run is part of.
        resume: The run to continue from its `last` checkpoint instead of opening a new one: its id, the beginning of
            its id, its name, its folder, or a `Run` or `RecordedRun`. Name, experiment, tags and notes are then those
            of that run. With `"auto"`, which suits a script that a
            cluster starts again, it is the newest run of this experiment (and name, if one is given) that the same
            script began with the same arguments, that has a checkpoint, did not finish and is not being written; if
            there is none, a new run is opened. `run.resumed` says which. `runfolio.resume` continues a run from
            another checkpoint or step.
        tensorboard: Write TensorBoard's event file in addition to the record; a resumed run that has one keeps it.
        checkpoints: When `run.checkpoint` saves, and which checkpoints are kept. Default: each call saves; the last,
            the one before and the best are kept.
        strict: `log` raises ConfigError at once if something cannot be stored, instead of leaving it out with a
            warning and a count. Values on a GPU are then waited for.
        recording: Settings that few runs change: console, code, durability, and the intervals of the writing.
        keep_others: Keep the open runs of this thread or asyncio task open. By default they end here, at the time of
            their last call, unless they are in a `with` block.
    Returns:
        The run. `runfolio.log` of this thread or task speaks to it until it ends.
    Raises:
        StoreError: The store cannot be written; the run is being written by another process, or has finished.
        TypeError: An argument has another name here, as `project`.
        ConfigError: `config` is none of the kinds above, a name or tag is past its limits (`docs/limits.md`), or
            `resume` names a run in what `runfolio reproduce` started.
        Ambiguous: Several runs fit `resume`.
        NotFound: There is no run `resume`, or it has no checkpoint.
    """
    if resume is not None and resume != _AUTO:
        refuse_in_reproduction(f"init(resume={spelled(resume)!r})")
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

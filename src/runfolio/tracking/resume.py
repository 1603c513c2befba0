"""Function `resume`, which continues an earlier run, and the function that finds the run for `init(resume="auto")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Unpack, cast

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.base.layout import runs_of_experiment
from runfolio.record.base.run_document import TEST, RunDocument
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import LAST
from runfolio.record.liveness import claims
from runfolio.tracking.environment import program
from runfolio.tracking.opening import RunOptions, open_earlier, open_run, refuse_in_reproduction
from runfolio.tracking.process import distributed
from runfolio.tracking.run import Run
from runfolio.tracking.run_lookup import RunReference, spelling_of


def resume(
    run: RunReference,
    *,
    checkpoint: str | None = LAST,
    step: int | None = None,
    force: bool = False,
    purpose: Literal["test"] | None = None,
    **options: Unpack[RunOptions],
) -> Run:
    """Continue a run with a new attempt (one more execution of its script). The run's name, experiment, tags and notes
    stay unchanged.

    Args:
        run: Run to continue: its id, the start of its id, its name, its folder, or a `Run` or `RecordedRun`.
        checkpoint: Name of the checkpoint to continue from. Points that were logged after the checkpoint was saved stay
            stored, but no longer belong to the run's curves. If `last` is damaged, the newest intact checkpoint is used
            instead. If None, the run keeps every point and continues after the last point.
        step: Continue after this step instead of from a checkpoint. The value -1 continues from the beginning.
        force: Take over the run from a process that still writes to it. That process stops recording.
        purpose: Pass "test" if this attempt does not train. Such an attempt does not count as a continuation of
            training.
        options: `config` (overrides individual settings), `store`, `tensorboard`, `checkpoints`, `strict`,
            `recording` and `keep_others`, as in `init`.
    Returns:
        The run. `run.restore("last", ...)` restores the training state.
    Raises:
        NotFound: The run or checkpoint does not exist.
        StoreError: The store cannot be written, or another process writes to the run.
        Ambiguous: Several runs match `run`.
        ConfigError: An argument is invalid, or `runfolio reproduce` started this process.
    """
    if purpose not in (None, TEST):
        raise ConfigError(f"purpose is {purpose!r}; it must be {TEST!r} or None")
    refuse_in_reproduction(f"runfolio.resume({spelling_of(run)!r})")
    return open_run(
        lambda request: open_earlier(
            request, cast("Path", request.named), checkpoint, step, force=force, purpose=purpose
        ),
        reference=run,
        **options,
    )


def find_unfinished_run(store: Path, experiment: str, name: str | None) -> Path | None:
    """Return the folder of the run that `init(resume="auto")` continues, or None if that call opens a new run.

    The result is the newest run of the experiment that
    - has the given name, if a name is given,
    - was last written by the same program (script or module) with the same arguments,
    - did not finish, because it crashed, failed, was interrupted or was preempted,
    - has a checkpoint, and
    - is not being written by another process.
    """
    command = _program(program.command())
    runs: list[tuple[RunDocument, Path]] = []
    for folder in runs_of_experiment(store, experiment):
        try:
            document = RunDocument.read(folder)
        except (OSError, RunfolioError):
            continue
        if document.experiment == experiment and name in (None, document.name):
            runs.append((document, folder))
    for document, folder in sorted(runs, key=lambda run: run[0].created, reverse=True):
        is_same_program = command is not None and _program(document.code) == command
        if is_same_program and _is_unfinished(folder, document) and not _is_written(folder):
            return folder
    return None


def _program(code: StartedCode) -> tuple[Any, ...] | None:
    """Return the script, module and arguments in the section `code` of a run document. Return None if the code has no
    file."""
    command = code.get("command") or [""]
    script = code.get("script") or command[0]
    return None if script in ("", "-", "-c") else (script, code.get("module"), *command[1:])


def _is_unfinished(folder: Path, document: RunDocument) -> bool:
    return document.status.state != "finished" and bool(manifests.names(folder))


def _is_written(folder: Path) -> bool:
    claimed = claims.newest_attempt(folder)
    return distributed.find_writer(folder, RunDocument.read(folder), claimed) is not None

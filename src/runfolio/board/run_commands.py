"""Commands that the page of a run shows for copying: resume, fork, reproduce, predict, and lines of Python that load
the run and its model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from runfolio.errors import RunfolioError
from runfolio.query.explain.repeatable import first_start, refusal_reasons
from runfolio.query.run import RecordedRun
from runfolio.record.base.layout import store_folder
from runfolio.record.base.run_document import RUNNING
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.continue_command import continue_command

_TRAINED = "vision"
"""Name of the loader for checkpoints that `runfolio train` saved."""


class RunCommand(TypedDict):
    """Command that applies to a run."""

    name: str
    line: str
    """Shell command, or Python code if the user's own script created the run."""
    does: str


def run_commands(run: RecordedRun, store: Path) -> list[RunCommand]:
    """Return the commands that are possible in the current state of a run."""
    newest = next(reversed(run.checkpoints), None)
    is_default = store_folder().resolve() == store
    flag = "" if is_default else f" --store {shlex.quote(str(store))}"
    argument = "" if is_default else f", store={str(store)!r}"
    store_argument = "" if is_default else repr(str(store))
    possible = [
        newest and _resume(run, newest, flag, argument),
        newest and _fork(run, newest, flag, argument),
        _reproduce(run, flag),
        RunCommand(name="load", line=f"run = {_opened(run, store_argument)}", does="Read this run in Python"),
        *(_best(run, flag, store_argument) if newest else ()),
    ]
    return [command for command in possible if command is not None]


def _resume(run: RecordedRun, newest: Checkpoint, flag: str, argument: str) -> RunCommand | None:
    if run.state in (RUNNING, "finished") or run.is_reproduction:
        return None
    does = "Continue this run" + ("" if newest.step is None else f" after step {newest.step}")
    if newest.loader == _TRAINED:
        return RunCommand(name="resume", line=f"runfolio resume {run.id}{flag}", does=does)
    if (command := continue_command(run.folder, run.document)) is not None:
        return RunCommand(
            name="resume", line=command, does=f"{does}; its script must load the checkpoint with run.restore"
        )
    return RunCommand(name="resume", line=f"runfolio.init(resume={run.id!r}{argument})", does=f"{does}, in its script")


def _fork(run: RecordedRun, newest: Checkpoint, flag: str, argument: str) -> RunCommand:
    does = "Start a new run from a checkpoint of this run"
    if newest.loader != _TRAINED:
        return RunCommand(name="fork", line=f"runfolio.fork({run.id!r}{argument})", does=f"{does}, in a script")
    epochs = run.config.get("epochs")
    more = f" --epochs {2 * epochs}" if run.state == "finished" and isinstance(epochs, int) else ""
    return RunCommand(name="fork", line=f"runfolio fork {run.id}{more}{flag}", does=does)


def _reproduce(run: RecordedRun, flag: str) -> RunCommand | None:
    try:
        if any(refusal_reasons(run, first_start(run))):
            return None
    except RunfolioError:
        return None
    does = "Repeat this run with its code and compare the results"
    return RunCommand(name="reproduce", line=f"runfolio reproduce {run.id}{flag}", does=does)


def _best(run: RecordedRun, flag: str, store: str) -> Iterator[RunCommand]:
    """Yield the commands that use the best checkpoint."""
    try:
        checkpoint = run.checkpoint()
    except (RunfolioError, OSError):
        return
    is_trained = checkpoint.loader == _TRAINED
    of = f"the checkpoint {checkpoint.name}" + ("" if checkpoint.step is None else f" of step {checkpoint.step}")
    if is_trained or "classifier" in checkpoint.meta:
        options = "--sample 24" if is_trained else "IMAGES --module MODULE:CLASS"
        line = f"runfolio predict {run.id} {options}{flag}"
        yield RunCommand(name="predict", line=line, does=f"Classify images with {of}")
    if "model" in checkpoint.parts:
        line = f"model = {_opened(run, store)}.load_model({'' if is_trained else 'MODULE'})"
        yield RunCommand(name="model", line=line, does=f"Load the model of {of} in Python")


def _opened(run: RecordedRun, store: str) -> str:
    return f"runfolio.open({store}).run({run.id!r})"

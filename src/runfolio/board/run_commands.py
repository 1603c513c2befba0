"""Commands that the page of a run shows for copying: resume, fork, reproduce and predict."""

from __future__ import annotations

import shlex
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
    possible = [
        newest and _resume(run, newest, flag, argument),
        newest and _fork(run, newest, flag, argument),
        _reproduce(run, flag),
        newest and _predict(run, flag),
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


def _predict(run: RecordedRun, flag: str) -> RunCommand | None:
    try:
        checkpoint = run.checkpoint()
    except (RunfolioError, OSError):
        return None
    step = "" if checkpoint.step is None else f" of step {checkpoint.step}"
    does = f"Classify images with the checkpoint {checkpoint.name}{step}"
    if checkpoint.loader == _TRAINED:
        return RunCommand(name="predict", line=f"runfolio predict {run.id} --sample 24{flag}", does=does)
    if "classifier" in checkpoint.meta:
        line = f"runfolio predict {run.id} IMAGES --module MODULE:CLASS{flag}"
        return RunCommand(name="predict", line=line, does=does)
    return None

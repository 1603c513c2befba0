"""What a series runs: anything of this shape, named `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Protocol, TypedDict

from rich.progress import Progress

from runfolio.errors import ConfigError, did_you_mean
from runfolio.settings import Settings


class Membership(TypedDict):
    """What a run notes of its series, as `run.json` holds it."""

    name: str
    fingerprint: str
    varied: dict[str, Any]
    """Settings that differ between the runs of the series, by key."""


class Target(Protocol):
    """Runs one experiment: `settings` is its class of settings, `run` makes a tracked run and returns the folder.

    `resume` is the folder of a run with a `last` checkpoint to go on from; `progress` is the display of the whole
    series, to which the target may add a task of its own.

    A target may also have `check(settings, *, store)`, which raises a RunfolioError for what it could not run (a name
    it does not know, a device that is not there): it is asked about every run of a series before the first one begins.

    And it may have `conclude(runs, *, store, progress)`, which is called once all runs of a series are settled, none of
    them interrupted or in another process's hands, with the folders of those that finished and the settings asked for
    (`Mapping[Path, settings]`): the place to do what only the best run deserves, such as a test.
    """

    @property
    def settings(self) -> type[Settings]: ...

    def run(
        self,
        settings: Any,
        *,
        store: Path | None,
        experiment: str,
        series: Membership,
        resume: str | None,
        progress: Progress,
    ) -> Path: ...


def load_target(name: str) -> Target:
    """The target named `module:attribute`; modules of the current folder are found too, after installed ones.

    Raises:
        ConfigError: There is none of that name, or it is not a target.
    """
    target = import_attribute(name, "target")
    if not (hasattr(target, "settings") and callable(getattr(target, "run", None))):
        raise ConfigError(f"target {name!r} is not one: it needs `settings` (a class of settings) and `run(...)`")
    return target


def import_attribute(name: str, what: str) -> Any:
    """Return the object named `module:attribute`; modules of the current folder count after installed ones.

    Args:
        what: Word for the object in errors.

    Raises:
        ConfigError: There is none of that name.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ConfigError(f"{what} is {name!r}; it must be module:attribute, such as my_project.training:{what}")
    working_folder = str(Path.cwd())
    if working_folder not in sys.path:
        sys.path.append(working_folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"cannot import {module_name!r} of {what} {name!r}: {error}") from error
    value = getattr(module, attribute, None)
    if value is None:
        public = [entry for entry in vars(module) if not entry.startswith("_")]
        raise ConfigError(f"{what} {name!r}: {module_name} has no {attribute!r}; {did_you_mean(attribute, public)}")
    return value

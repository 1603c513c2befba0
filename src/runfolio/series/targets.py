"""Targets of a series: objects that train one run and that users name as `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Protocol, TypedDict

from rich.progress import Progress

from runfolio.errors import ConfigError, did_you_mean
from runfolio.settings import Settings


class Membership(TypedDict):
    """Series that a run belongs to, in the form stored in `run.json`."""

    name: str
    fingerprint: str
    varied: dict[str, Any]
    """Settings that differ between the runs of the series, by key."""


class Target(Protocol):
    """Protocol of an object that trains one run.

    A target may also have a method `check(settings, *, store)`. This method is called for each run before the first run
    starts. It raises a RunfolioError if the run is impossible, for example because a device is missing.

    A target may also have a method `conclude(runs, *, store, progress)` for work that only the best run needs, such as
    a test. This method is called once after all runs have ended. It is not called if the series was interrupted or
    another process trains one of the runs. `runs` maps the folders of the finished runs to their settings.
    """

    @property
    def settings(self) -> type[Settings]:
        """Class of the settings."""
        ...

    def run(
        self,
        settings: Any,
        *,
        store: Path | None,
        experiment: str,
        series: Membership,
        resume: str | None,
        progress: Progress,
    ) -> Path:
        """Train a tracked run and return its folder.

        Args:
            settings: Settings of the run.
            store: Folder of the store.
            experiment: Name of the experiment.
            series: Series that the run belongs to.
            resume: Folder of a run to continue from its `last` checkpoint, or None for a new run.
            progress: Progress display for the series, to which the target may add a task.
        """
        ...


def load_target(name: str) -> Target:
    """Import the target named `module:attribute`. Installed modules take precedence over those in the working folder.

    Raises:
        ConfigError: The module or attribute does not exist, or the object is not a target.
    """
    target = import_attribute(name, "target")
    if not (hasattr(target, "settings") and callable(getattr(target, "run", None))):
        raise ConfigError(f"{name!r} is not a target: it must have `settings` (a class of settings) and `run(...)`")
    return target


def import_attribute(name: str, what: str) -> Any:
    """Import the object named `module:attribute`. Installed modules take precedence over those in the working folder.

    Args:
        what: Noun that error messages use for the object.

    Raises:
        ConfigError: The module or attribute does not exist.
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
        raise ConfigError(f"cannot import {module_name!r} for {what} {name!r}: {error}") from error
    value = getattr(module, attribute, None)
    if value is None:
        public = [entry for entry in vars(module) if not entry.startswith("_")]
        raise ConfigError(f"{what} {name!r}: {module_name} has no {attribute!r}; {did_you_mean(attribute, public)}")
    return value

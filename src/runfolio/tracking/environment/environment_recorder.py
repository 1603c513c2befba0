"""Recording of a run's environment in the run document (`run.json`). Facts that can be read quickly are recorded at
once. Other facts are recorded later, and again if they change."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from runfolio.errors import ConfigError
from runfolio.record.base.redaction import redact_text
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.run_parts import Environment, StartedCode

# These modules are imported before the thread starts. If Ctrl-C arrives while a thread defines a class, Python loses
# the interrupt and exits with status 1.
from runfolio.tracking.environment import git, libraries, machine, packages, program, seeds, variables
from runfolio.tracking.environment.sources import Sources

_OFF, _ON = ("0", "false", "no", "off"), ("", "1", "true", "yes", "on")


def keep_code(code: bool | None) -> bool:
    """Return whether the contents of code files are recorded. The argument `code` takes precedence over
    `RUNFOLIO_CODE`. The default is True.

    Raises:
        ConfigError: `RUNFOLIO_CODE` is neither on nor off.
    """
    if code is not None:
        return code
    setting = os.environ.get("RUNFOLIO_CODE", "").lower()
    if setting not in (*_OFF, *_ON):
        raise ConfigError(f"RUNFOLIO_CODE is {setting!r}; it must be on or off")
    return setting in _ON


class EnvironmentRecorder:
    """Recorder that fills the sections `code`, `environment` and `seeds` of the run document, and the folder `code/`.

    The training thread calls `begin`, a separate thread calls `collect` once, and the store thread calls `refresh`.
    """

    def __init__(self, folder: Path, document: RunDocument, changed: Callable[[], None], *, contents: bool) -> None:
        """Create a recorder.

        Args:
            changed: Function that is called when the run document must be saved.
            contents: If True, also record the contents of code files.
        """
        self._folder = folder
        self._document = document
        self._changed = changed
        self._contents = contents
        self._repository: git.Repository | None = None
        self._sources: Sources | None = None
        """Recorded code, or None until code is collected for the first time."""
        self._is_collected = False
        self._threads: int | None = None
        """Number of threads that PyTorch uses in the training thread."""

    def begin(self) -> None:
        """Record facts that can be read quickly and must be read before training continues."""
        earlier = self._document.code
        code: StartedCode = {**program.command(), "remote": None, "commit": None, "branch": None, "dirty": None}
        self._document.code = {**code, "earlier": [*earlier.pop("earlier", ()), earlier]} if earlier else code
        self._document.seeds = seeds.seeds()
        self.note_threads()

    def note_threads(self) -> None:
        """Read the number of PyTorch threads. Only the training thread can read this number. This method is called at
        the start and at the end of a run."""
        self._threads = libraries.threads()

    def collect(self) -> None:
        """Record facts that take longer: git, machine, packages, and the contents of code files."""
        try:
            self._repository = self._find_repository()
            self._document.environment = self._environment()
            self._changed()
            with suppress(OSError):  # the store thread tries again later, and logs an error if that fails
                self._keep_code()
        finally:
            self._is_collected = True

    def refresh(self) -> None:
        """Record facts that may have changed: torch and its settings, the GPU in use, and imported modules.

        Raises:
            OSError: The code cannot be written to the store.
        """
        if not self._is_collected:
            return
        self._keep_code()
        now = {"torch": libraries.torch_info(self._threads), "device": libraries.device()}
        # Near its end, a run may no longer use the GPU that it used before. The earlier value is then kept.
        changes = {name: value for name, value in now.items() if value not in (None, "cpu")}
        environment = self._document.environment
        if environment and any(environment.get(name) != value for name, value in changes.items()):
            environment.update(cast("Environment", changes))
            self._changed()

    def _keep_code(self) -> None:
        if self._sources is not None:
            self._sources.update()
        elif self._contents and (root := self._root(self._repository)) is not None:
            sources = Sources(self._folder, self._document.attempts[-1].writer, root, self._repository)
            sources.begin(self._document.code.get("script"))
            self._sources = sources

    def _find_repository(self) -> git.Repository | None:
        """Find the repository that contains the script. If there is none, find the repository that contains the folder
        in which the program was started."""
        code = self._document.code
        for folder in (_parent(code.get("script")), code.get("folder")):
            if folder is not None and (repository := git.repository(folder)) is not None:
                remote = None if repository.remote is None else redact_text(repository.remote)
                code.update(remote=remote, commit=repository.commit, branch=repository.branch, dirty=repository.dirty)
                if repository.problem is not None:
                    code["git_problem"] = repository.problem
                self._changed()
                return repository
        return None

    def _root(self, repository: git.Repository | None) -> Path | None:
        """Return the base folder for the paths of code files, or None if it is unknown."""
        if repository is not None:
            return repository.root
        folder = _parent(self._document.code.get("script")) or self._document.code.get("folder")
        return None if folder is None else Path(folder)

    def _environment(self) -> Environment:
        versions, origins = packages.packages()
        environment = {
            "python": platform.python_version(),
            "executable": sys.executable,
            **machine.machine(self._folder),
            "device": libraries.device(),
            "torch": libraries.torch_info(self._threads),
            "variables": variables.variables(),
            "packages": versions,
            "installed_from": origins,
        }
        return cast("Environment", environment)


def _parent(script: str | None) -> str | None:
    return None if script is None else os.fspath(Path(script).parent)

"""What surrounds a run, written into its document: at once what is quick, later what takes a while or changes."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.base.redaction import redact_text
from runfolio.record.base.run_document import RunDocument

# Imported before the thread begins that uses them: code that defines a class there while a Ctrl-C ends the process
# (a dataclass is made by `exec`) has Python forget that it was one, and exit with status 1.
from runfolio.tracking.environment import git, libraries, machine, packages, program, seeds, variables
from runfolio.tracking.environment.sources import Sources

_OFF, _ON = ("0", "false", "no", "off"), ("", "1", "true", "yes", "on")


def keep_code(code: bool | None) -> bool:
    """Whether contents of code are kept: as asked, else as `RUNFOLIO_CODE` says, else yes.

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
    """Fills `code`, `environment` and `seeds` of a document, and the run's `code/`.

    `begin` is called by the training thread, `find_out` once by a thread of its own, `look_again` by the writer thread.
    """

    def __init__(self, folder: Path, document: RunDocument, changed: Callable[[], None], *, contents: bool) -> None:
        """Args:
        changed: Called when the document is to be saved.
        contents: Whether contents of code are kept too.
        """
        self._folder = folder
        self._document = document
        self._changed = changed
        self._contents = contents
        self._repository: git.Repository | None = None
        self._sources: Sources | None = None
        """What is kept of the code, once that has begun."""
        self._found_out = False
        self._threads: int | None = None
        """PyTorch's for the training thread."""

    def begin(self) -> None:
        """What is quick to find out and must be asked before the training goes on."""
        earlier = self._document.code
        code = {**program.command(), "remote": None, "commit": None, "branch": None, "dirty": None}
        self._document.code = {**code, "earlier": [*earlier.pop("earlier", ()), earlier]} if earlier else code
        self._document.seeds = seeds.seeds()
        self.note_threads()

    def note_threads(self) -> None:
        """Ask what the training thread alone can tell; it calls this at the end too."""
        self._threads = libraries.threads()

    def find_out(self) -> None:
        """What takes a while: git, machine, packages, and the contents of code."""
        try:
            self._repository = self._find_repository()
            self._document.environment = self._environment()
            self._changed()
            with suppress(OSError):  # the writer thread tries again, and tells of it
                self._keep_code()
        finally:
            self._found_out = True

    def look_again(self) -> None:
        """What may have changed: torch imported, its switches, the GPU in use, more modules.

        Raises:
            OSError: The store does not take the code.
        """
        if not self._found_out:
            return
        self._keep_code()
        now = {"torch": libraries.torch_info(self._threads), "device": libraries.device()}
        # A run may outlive its use of the GPU.
        changes = {name: value for name, value in now.items() if value not in (None, "cpu")}
        environment = self._document.environment
        if environment and any(environment.get(name) != value for name, value in changes.items()):
            environment.update(changes)
            self._changed()

    def _keep_code(self) -> None:
        if self._sources is not None:
            self._sources.go_on()
        elif self._contents and (root := self._root(self._repository)) is not None:
            sources = Sources(self._folder, self._document.attempts[-1].writer, root, self._repository)
            sources.begin(self._document.code["script"])
            self._sources = sources

    def _find_repository(self) -> git.Repository | None:
        """The script's repository, else that of the current folder."""
        code = self._document.code
        for folder in (_parent(code["script"]), code["folder"]):
            if folder is not None and (repository := git.repository(folder)) is not None:
                remote = None if repository.remote is None else redact_text(repository.remote)
                code.update(remote=remote, commit=repository.commit, branch=repository.branch, dirty=repository.dirty)
                if repository.problem is not None:
                    code["git_problem"] = repository.problem
                self._changed()
                return repository
        return None

    def _root(self, repository: git.Repository | None) -> Path | None:
        """What the paths of code are relative to; None where nothing is known of it."""
        if repository is not None:
            return repository.root
        folder = _parent(self._document.code["script"]) or self._document.code["folder"]
        return None if folder is None else Path(folder)

    def _environment(self) -> dict[str, Any]:
        versions, origins = packages.packages()
        return {
            "python": platform.python_version(),
            "executable": sys.executable,
            **machine.machine(self._folder),
            "device": libraries.device(),
            "torch": libraries.torch_info(self._threads),
            "variables": variables.variables(),
            "packages": versions,
            "installed_from": origins,
        }


def _parent(script: str | None) -> str | None:
    return None if script is None else os.fspath(Path(script).parent)

"""The code that a run was started from, as its record holds it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from runfolio.errors import NotFound, RunfolioError, did_you_mean
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.base.schema import shorten_damage
from runfolio.record.content import code
from runfolio.record.content.code import Code, SourceFile


class RecordedCode:
    """The command, the commit and the captured files of one run. Files are read when asked for."""

    def __init__(self, run_id: str, folder: Path, info: StartedCode, writers: Sequence[str]) -> None:
        self.info = info
        """`command`, `module`, `script`, `folder`; git's `remote`, `commit`, `branch`, `dirty`."""
        self._run_id = run_id
        self._folder = folder
        self._writers = writers

    @cached_property
    def capture(self) -> Code | None:
        """List of the captured files and of those left out; None if no code was captured.

        Raises:
            DamagedFile: The list cannot be read.
        """
        return code.read(self._folder, self._writers)

    @property
    def readable_capture(self) -> Code | None:
        """As `capture`; None also if the list cannot be read, which `problem` says."""
        try:
            return self.capture
        except RunfolioError:
            return None

    @property
    def problem(self) -> str | None:
        """One line that says why the list of captured files, or a part of it, cannot be read; None if all was read."""
        try:
            damage = [] if self.capture is None else self.capture.damage
        except RunfolioError as error:
            return str(error)
        return f"code: {shorten_damage(damage)}; left out" if damage else None

    @property
    def files(self) -> list[SourceFile]:
        """Captured files: the script, modules of the user, files that git does not know."""
        return self.capture.files if self.capture is not None else []

    def read(self, path: str) -> str:
        """Return the text of a captured file without secrets; `path` as in `files`.

        Raises:
            NotFound: No such file was captured; the message names the nearest.
            DamagedFile: The stored text does not match its checksum.
        """
        for file in self.files:
            if file.path == path:
                return code.read_text(self._folder, file.sha256)
        nearest = did_you_mean(path, [file.path for file in self.files])
        raise NotFound(f"run {self._run_id} kept no file {path!r}; {nearest}")

    @property
    def diff(self) -> str:
        """Uncommitted changes as `git diff` prints them, without secrets; "" if there were none.

        Raises:
            DamagedFile, NotFound: The stored text does not match its checksum, or is missing.
        """
        capture = self.capture
        return "" if capture is None or capture.diff is None else code.read_text(self._folder, capture.diff)

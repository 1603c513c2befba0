"""Recorded code of a run: command, git commit and captured files."""

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
    """Command, commit and captured files of one run. Files are read on access."""

    def __init__(self, run_id: str, folder: Path, info: StartedCode, writers: Sequence[str]) -> None:
        self.info = info
        """Mapping with `command`, `module`, `script`, `folder`, and git's `remote`, `commit`, `branch`, `dirty`."""
        self._run_id = run_id
        self._folder = folder
        self._writers = writers

    @cached_property
    def capture(self) -> Code | None:
        """List of captured and omitted files, or None if no code was captured.

        Raises:
            DamagedFile: The list cannot be read.
        """
        return code.read(self._folder, self._writers)

    @property
    def readable_capture(self) -> Code | None:
        """Same list as `capture`, or None if the list cannot be read. In that case, `problem` contains the reason."""
        try:
            return self.capture
        except RunfolioError:
            return None

    @property
    def problem(self) -> str | None:
        """Reason why captured files cannot be read, in one line, or None if there is no problem."""
        try:
            damage = [] if self.capture is None else self.capture.damage
        except RunfolioError as error:
            return str(error)
        return f"code: {shorten_damage(damage)}; left out" if damage else None

    @property
    def files(self) -> list[SourceFile]:
        """Captured files: the script, the user's modules, and files that git does not track."""
        return self.capture.files if self.capture is not None else []

    def read(self, path: str) -> str:
        """Return the text of a captured file, with secrets removed.

        Args:
            path: Path of one of the `files`.

        Raises:
            NotFound: The file was not captured. The message lists the most similar names.
            DamagedFile: The stored text does not match its checksum.
        """
        for file in self.files:
            if file.path == path:
                return code.read_text(self._folder, file.sha256)
        nearest = did_you_mean(path, [file.path for file in self.files])
        raise NotFound(f"run {self._run_id} has no captured file {path!r}; {nearest}")

    @property
    def diff(self) -> str:
        """Uncommitted changes in the format of `git diff`, with secrets removed, or "" if there were none.

        Raises:
            DamagedFile: The stored text does not match its checksum.
            NotFound: The stored text is missing.
        """
        capture = self.capture
        return "" if capture is None or capture.diff is None else code.read_text(self._folder, capture.diff)

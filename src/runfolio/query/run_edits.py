"""Edits of a recorded run: name, tags, notes, archiving, and the verdict, which is the result of a reproduction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.run_parts import VerdictEntry
from runfolio.record.content import run_edits
from runfolio.record.content.run_edits import EditedValues


class RunEdits:
    """Current values of one run's editable fields, and methods that change these values.

    Each method raises StoreError if the store cannot be written or the run no longer exists.
    """

    def __init__(self, folder: Path, document: RunDocument, values: EditedValues) -> None:
        self._folder = folder
        self._document = document
        self._values = values

    @property
    def current_name(self) -> str:
        """Current name, which the script or `rename` set."""
        return self._values.get("name", self._document.name)

    @property
    def current_tags(self) -> list[str]:
        return list(self._values.get("tags", self._document.tags))

    @property
    def current_notes(self) -> str:
        return self._values.get("notes", self._document.notes)

    @property
    def archived(self) -> bool:
        """True if the run is excluded from tables, selections and plots."""
        return self._values.get("archived", False)

    @property
    def verdict(self) -> VerdictEntry | None:
        """Result of a reproduction, with entries such as `word`, `sentence` and `causes` (`docs/format.md`,
        Lineage)."""
        return self._values.get("verdict")

    def rename(self, name: str) -> None:
        """Rename the run. Its folder and id stay the same.

        Raises:
            ConfigError: The name is empty, longer than 500 characters, or has several lines.
        """
        self._write(name=name)

    def tag(self, *add: str, remove: Iterable[str] = ()) -> None:
        """Add and remove tags. Adding an existing tag or removing a missing tag has no effect.

        Raises:
            ConfigError: A new tag is empty, longer than 100 characters, or contains a comma or a line break.
        """
        for tag in add:
            run_edits.check_tag(tag)
        removed = set(remove)
        self._write(tags=[tag for tag in dict.fromkeys([*self.current_tags, *add]) if tag not in removed])

    def note(self, text: str) -> None:
        """Replace the notes."""
        self._write(notes=text)

    def archive(self, archived: bool = True) -> None:
        """Exclude the run from tables, selections and plots. `False` includes the run again."""
        self._write(archived=archived)

    def set_verdict(self, verdict: VerdictEntry) -> None:
        """Set the result of a reproduction."""
        self._write(verdict=verdict)

    def _write(self, **values: Any) -> None:
        run_edits.add(self._folder, self._document, values)
        self._values = EditedValues(**{**self._values, **values})

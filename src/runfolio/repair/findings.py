"""Findings of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runfolio.errors import RunfolioError
from runfolio.record.base.record_path import UnusableFile


class Severity(StrEnum):
    """Severity of a finding; a run is intact if it has only `LEFTOVER` findings."""

    LOST = "lost"
    """No readable file contains something that was recorded."""
    DAMAGED = "damaged"
    """A file is invalid, but its content is also elsewhere, or is not needed."""
    UNCHECKED = "unchecked"
    """The file cannot be judged: it has a newer format, or cannot be opened."""
    LEFTOVER = "leftover"
    """Remains of a process that ended early; nothing is missing."""


@dataclass(frozen=True)
class Finding:
    """One problem of a run."""

    file: str
    """Path relative to the run's folder, with `/`; a folder if it concerns several files."""
    severity: Severity
    message: str
    """Sentence for people, without subject and period."""


def describe_error(error: Exception, path: object) -> str:
    """Return an error's text without the path, which is printed next to it."""
    if isinstance(error, UnusableFile):
        return error.problem
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    text = str(error)
    return text.replace(f"{path} ", "", 1) if isinstance(error, RunfolioError) else f"cannot be read ({text})"

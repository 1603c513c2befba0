"""Findings of a check: the problems of a run's files, and how severe they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runfolio.errors import RunfolioError
from runfolio.record.base.record_path import UnusableFile


class Severity(StrEnum):
    """Severity of a finding. A run is intact if all its findings are `LEFTOVER`."""

    LOST = "lost"
    """Recorded data is not in any readable file."""
    DAMAGED = "damaged"
    """A file is invalid, but its content is also in another file, or is not needed."""
    UNCHECKED = "unchecked"
    """A file could not be checked because it has a newer format or cannot be opened."""
    LEFTOVER = "leftover"
    """A process that ended early left a file behind. No data is missing."""


@dataclass(frozen=True)
class Finding:
    """One problem with a file or folder of a run."""

    file: str
    """Path relative to the run's folder, with `/` as separator. It names a folder if several files are affected."""
    severity: Severity
    message: str
    """Predicate of a sentence about the file, without a period, such as `is missing`."""


def describe_error(error: Exception, path: object) -> str:
    """Return the message of an error without the path, which is printed next to the message."""
    if isinstance(error, UnusableFile):
        return error.problem
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    text = str(error)
    return text.replace(f"{path} ", "", 1) if isinstance(error, RunfolioError) else f"cannot be read ({text})"

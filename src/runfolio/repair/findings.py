"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runfolio.errors import RunfolioError
from runfolio.record.base.record_path import UnusableFile


class Severity(StrEnum):
    """How bad a finding is; all but `LEFTOVER` make a run one that is not whole."""

    LOST = "lost"
    """Something that was recorded is in no file that can be read."""
    DAMAGED = "damaged"
    """A file cannot be read as what it should be; what it held stands elsewhere, or is not needed."""
    UNCHECKED = "unchecked"
    """It cannot be judged: of a newer format, or not readable."""
    LEFTOVER = "leftover"
    """What a process that ended early left behind; nothing is missing."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    file: str
    """Below the run's folder, with `/`; a folder where it is about several files."""
    severity: Severity
    message: str
    """A sentence without its end, for people."""


def describe_error(error: Exception, path: object) -> str:
    """What an error says of a file, without the file's whole path, which stands beside it."""
    if isinstance(error, UnusableFile):
        return error.problem
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    text = str(error)
    return text.replace(f"{path} ", "", 1) if isinstance(error, RunfolioError) else f"cannot be read ({text})"

"""Errors that runfolio raises. Each message names the object, the allowed values and the remedy.

RunfolioError
├── ConfigError        a setting, flag or YAML key is wrong
│   └── FilterError    a run filter is invalid, or names an unknown column
├── NotFound           a run, metric, checkpoint, model or data set does not exist
├── Ambiguous          a name or prefix matches several runs
├── DamagedFile        a record file, a checkpoint or an image is damaged
├── NewerFormat        a record was written by a newer version of runfolio
├── DownloadFailed     data could not be downloaded, or has the wrong content
├── MissingExtra       an optional package is not installed
└── StoreError         the store cannot be written or read
"""

from __future__ import annotations

from collections.abc import Iterable

_CARET_CONTEXT = 60
"""Number of characters shown on each side of an error in a filter."""


class RunfolioError(Exception):
    """Base class of all errors. The command line prints the message and exits with status 2."""


class ConfigError(RunfolioError):
    """Invalid setting, flag, argument or YAML key."""


class FilterError(ConfigError):
    """Filter that cannot be used. The message has three lines: the problem, the filter, and a caret below the error."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        self.problem = problem
        self.position = position
        """Position of the error in the filter, as the index of a character."""
        start = max(0, position - _CARET_CONTEXT)
        line = "".join(char if char.isprintable() else " " for char in text[start : position + _CARET_CONTEXT])
        super().__init__(f"{problem}\n  {line}\n  {' ' * (position - start)}^")


class NotFound(RunfolioError):  # noqa: N818 - the name reads better in `except NotFound`
    """Missing run, metric, checkpoint, model or data set."""


class Ambiguous(RunfolioError):  # noqa: N818
    """Name or prefix that matches several runs."""


class DamagedFile(RunfolioError):  # noqa: N818
    """Damaged record file, checkpoint or image."""


class NewerFormat(RunfolioError):  # noqa: N818
    """Record that a newer version of runfolio wrote."""


class DownloadFailed(RunfolioError):  # noqa: N818
    """Failed download, or downloaded data with the wrong content."""


class MissingExtra(RunfolioError):  # noqa: N818
    """Optional package that is not installed. The message names the extra that installs the package."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}; install it with `pip install 'runfolio[{extra}]'`")


class StoreError(RunfolioError):
    """Store that cannot be written or read."""


def nearest(name: str, candidates: Iterable[str], *, limit: int = 3) -> list[str]:
    """Return at most `limit` candidates that resemble `name`, the most similar first."""
    import difflib  # only needed if a name is wrong

    candidates = list(candidates)
    lowered = {candidate.lower(): candidate for candidate in candidates}
    similar = difflib.get_close_matches(name.lower(), list(lowered), n=limit, cutoff=0.5)
    containing = [candidate for candidate in candidates if name and (name.lower() in candidate.lower())]
    return list(dict.fromkeys([*(lowered[candidate] for candidate in similar), *containing]))[:limit]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the end of an error message for an unknown name: similar candidates, or all candidates if none is
    similar."""
    candidates = sorted(candidates)
    if similar := nearest(name, candidates):
        return f"did you mean {' or '.join(similar)}?"
    return f"known: {', '.join(candidates)}" if candidates else "known: none"

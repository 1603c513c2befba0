"""The errors runfolio raises on purpose. Each message names the thing, what is allowed, and the remedy.

RunfolioError
├── ConfigError        a setting, flag or YAML key is wrong
│   └── FilterError    a filter of runs cannot be read, or names an unknown column
├── NotFound           no run, metric, checkpoint, model or data set of that name
├── Ambiguous          a name or prefix fits several runs
├── DamagedFile        a file of a record, a checkpoint or an image cannot be read as what it should be
├── NewerFormat        a record written by a newer runfolio
├── DownloadFailed     data could not be fetched, or is not what it should be
├── MissingExtra       an optional package is not installed
└── StoreError         the store cannot be written or read
"""

from __future__ import annotations

from collections.abc import Iterable

_CARET_CONTEXT = 60
"""Characters shown on both sides of the place of an error in a filter."""


class RunfolioError(Exception):
    """Base of all errors above; the command line prints it as one line and exits with status 2."""


class ConfigError(RunfolioError):
    pass


class FilterError(ConfigError):
    """A filter that cannot be used. The message has three lines: the problem, the filter, and a caret at the place."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        start = max(0, position - _CARET_CONTEXT)
        line = "".join(char if char.isprintable() else " " for char in text[start : position + _CARET_CONTEXT])
        super().__init__(f"{problem}\n  {line}\n  {' ' * (position - start)}^")


class NotFound(RunfolioError):  # noqa: N818 - reads better where it is caught
    pass


class Ambiguous(RunfolioError):  # noqa: N818
    pass


class DamagedFile(RunfolioError):  # noqa: N818
    pass


class NewerFormat(RunfolioError):  # noqa: N818
    pass


class DownloadFailed(RunfolioError):  # noqa: N818
    pass


class MissingExtra(RunfolioError):  # noqa: N818
    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}; install it with `pip install 'runfolio[{extra}]'`")


class StoreError(RunfolioError):
    pass


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The known names most like `name`, best first; at most `limit`."""
    import difflib  # only where a name is wrong

    known = list(known)
    lowered = {entry.lower(): entry for entry in known}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=limit, cutoff=0.5)
    inside = [entry for entry in known if name and (name.lower() in entry.lower())]
    return list(dict.fromkeys([*(lowered[entry] for entry in found), *inside]))[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The half sentence that ends a "no such name" message: nearest names, else all names there are."""
    known = sorted(known)
    if near := nearest(name, known):
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(known)}" if known else "there is none"

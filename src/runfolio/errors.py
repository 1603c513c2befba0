"""The errors runfolio raises on purpose. Each message names the thing, what is allowed, and the remedy.

RunfolioError
├── ConfigError        a setting, flag or YAML key is wrong
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


class RunfolioError(Exception):
    """Base of all errors that runfolio raises on purpose; the command line prints one line and exits with 2."""


class ConfigError(RunfolioError):
    """A setting, flag, argument or YAML key is wrong."""


class NotFound(RunfolioError):  # noqa: N818 - reads better where it is caught
    """There is no run, metric, checkpoint, model or data set of that name."""


class Ambiguous(RunfolioError):  # noqa: N818
    """A name, or the beginning of an id, fits several runs."""


class DamagedFile(RunfolioError):  # noqa: N818
    """A file of a record, a checkpoint or an image cannot be read as what it should be."""


class NewerFormat(RunfolioError):  # noqa: N818
    """A newer version of runfolio wrote the record."""


class DownloadFailed(RunfolioError):  # noqa: N818
    """Data could not be downloaded, or is not what was expected."""


class MissingExtra(RunfolioError):  # noqa: N818
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}; install it with `pip install 'runfolio[{extra}]'`")


class StoreError(RunfolioError):
    """The store cannot be written or read."""


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

"""Lookup of the run that a user refers to by its id, a prefix of its id, its name, or its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from runfolio.errors import Ambiguous
from runfolio.record.base.visible_text import visible_line

LAST = "last"
"""Word that refers to the newest run, unless a run has this name."""
_MOST_LISTED = 5


class Named(Protocol):
    """Interface of an object with the id, the name and the path of a run."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def run_path(self) -> str: ...


Item = TypeVar("Item", bound=Named)


def find_by_name(
    name: str, runs: Sequence[Item], run_paths: Iterable[str], describe: Callable[[Sequence[Item]], Iterable[str]]
) -> Item | None:
    """Return the run that `name` refers to. A full id, name or folder takes precedence over a prefix of an id.

    Args:
        runs: Runs, newest first.
        run_paths: Folders that `name` could refer to, relative to the store. The most likely folder comes first.
        describe: Function that returns a string for each run, to distinguish runs with the same name.
    Raises:
        Ambiguous: Several runs match. The message lists the newest of them, one per line.
    """
    for matches in (
        *([run for run in runs if run.run_path == run_path] for run_path in run_paths),
        [run for run in runs if name in (run.id, run.name)],
        [run for run in runs if name and run.id.startswith(name)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = matches[:_MOST_LISTED]
            lines = [f"{run.id}  {run.run_path}  ({text})" for run, text in zip(shown, describe(shown), strict=True)]
            lines += [f"and {len(matches) - len(shown)} older ones"] if len(matches) > len(shown) else []
            listed = "".join(f"\n  {visible_line(line)}" for line in lines)
            raise Ambiguous(f"{name!r} matches {len(matches)} runs; give more of the id, or the folder:{listed}")
    return None

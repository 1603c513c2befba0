"""How people name a run: by its id, the start of it, its name, or its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from runfolio.errors import Ambiguous


class Named(Protocol):
    """Whatever has the names of a run."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def place(self) -> str: ...


Item = TypeVar("Item", bound=Named)


def pick(wanted: str, runs: Sequence[Item], places: Iterable[str], about: Callable[[Item], str]) -> Item | None:
    """The one run that `wanted` names; what fits whole goes before what is only the start of an id.

    Args:
        places: The folders below the store that `wanted` could mean, the likeliest first.
        about: What tells runs of one name apart, for people.
    Raises:
        Ambiguous: Several runs fit; the message lists their folders.
    """
    for fits in (
        *([run for run in runs if run.place == place] for place in places),
        [run for run in runs if wanted in (run.id, run.name)],
        [run for run in runs if wanted and run.id.startswith(wanted)],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            listed = "".join(f"\n  {run.id}  {run.place}  ({about(run)})" for run in fits)
            raise Ambiguous(f"{wanted!r} fits {len(fits)} runs; say more of the id, or the folder:{listed}")
    return None

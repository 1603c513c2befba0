"""Captions: sentences that explain a table of runs or the selection of the best run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MOST_SHORT = 2


@dataclass(frozen=True)
class Caption:
    """Sentences about a table of runs or the selection of the best run."""

    short: tuple[str, ...] = ()
    """Short sentences for every reader. There are at most two, and the most important one comes first."""
    details: tuple[str, ...] = ()
    """All other sentences, such as methods, counts, and the number of runs that were left out."""

    @classmethod
    def of(cls, short: Iterable[str], details: Iterable[str] = ()) -> Caption:
        """Return a caption with the first two of the short sentences. The other sentences become details.

        Empty and repeated sentences are omitted.
        """
        first = list(dict.fromkeys(filter(None, short)))
        others = dict.fromkeys(filter(None, (*first[_MOST_SHORT:], *details)))
        kept = tuple(first[:_MOST_SHORT])
        return cls(kept, tuple(sentence for sentence in others if sentence not in kept))

    def with_details(self, *sentences: str) -> Caption:
        """Return the caption with additional details."""
        return Caption.of(self.short, (*self.details, *sentences))

    def __str__(self) -> str:
        return " ".join((*self.short, *self.details))

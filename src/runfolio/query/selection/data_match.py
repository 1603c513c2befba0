"""Whether figures of two runs were measured on the same data, and if not, how it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from runfolio.errors import RunfolioError
from runfolio.query.recorded_data import DataFacts
from runfolio.query.run_view import RunView
from runfolio.query.selection.metric_names import split_of
from runfolio.record.content.data_listings import Listing, ListingDifference, compare_listings

Relation = Literal["same", "unsaid", "unknown", "divided", "share", "other"]
"""How the data of one run stand to those of another: `unsaid` where neither run recorded them, `unknown` where one did
not; `divided` where training and validation data together are the same (another seed); `share` where only how many
there are differs, and every item they have in common is the same; `other` where an item changed."""

MARKS: Mapping[str, str] = {"other": "!", "divided": "~", "share": "~", "unknown": "?"}
"""How tables mark a figure that is no equal of the first row's."""

_NAMED = 10
"""Of two shares that differ in more items, only how many is told: which ones is for `runfolio diff`."""


@dataclass(frozen=True)
class DataMatch:
    """How the data of a run stand to those of the run it is compared with."""

    relation: Relation
    difference: str = ""
    """Of `share` and `other`, what differs: counts and the first names; empty where that cannot be said."""

    @property
    def mark(self) -> str:
        return MARKS.get(self.relation, "")

    @property
    def are_equals(self) -> bool:
        """As far as is known."""
        return self.relation in ("same", "unsaid", "unknown")


SAME = DataMatch("same")


def data_of(run: RunView, metric: str) -> DataFacts | None:
    """What a metric was measured on, by its name: data `val` of `val/acc`; None where that is not known."""
    named = metric.partition("/")[0]
    split = split_of(metric)
    fitting = [run.data[named]] if named in run.data else []
    if split != "unknown":
        fitting += [facts for name, facts in run.data.items() if split_of(name) == split]
    return next((facts for facts in fitting if facts.fingerprint is not None), None)


def match_data(first: RunView, run: RunView, metric: str) -> DataMatch:
    """How the data that a metric of `run` was measured on stand to those of `first`."""
    ours, theirs = data_of(first, metric), data_of(run, metric)
    if ours is None or theirs is None:
        return DataMatch("unsaid" if ours is theirs else "unknown")
    if ours.fingerprint == theirs.fingerprint:
        return SAME
    return _between(_whole(first, ours), _whole(run, theirs))


def _whole(run: RunView, facts: DataFacts) -> tuple[DataFacts, ...]:
    """All that was there to be divided: of a test set it alone, else training and validation data."""
    if split_of(facts.name) not in ("train", "validation"):
        return (facts,)
    return tuple(other for name, other in run.data.items() if split_of(name) in ("train", "validation"))


@lru_cache(maxsize=256)  # a run has many metrics of the same data
def _between(before: tuple[DataFacts, ...], after: tuple[DataFacts, ...]) -> DataMatch:
    """How two wholes stand to one another that do not have all their parts in common."""
    try:
        ours, theirs = (Listing.union(part.listing() for part in parts) for parts in (before, after))
    except RunfolioError:
        return DataMatch("other")
    if ours == theirs:
        return DataMatch("divided")
    difference = compare_listings(ours, theirs)
    changed = difference.changed or difference.relabelled or difference.renamed or len(difference.removed) == len(ours)
    if changed or len(difference.added) + len(difference.removed) <= _NAMED:
        return DataMatch("other" if changed else "share", difference.sentence)
    return DataMatch("share", f"{len(difference.added):,} added, {len(difference.removed):,} removed")


def describe_matches(
    matches: Iterable[DataMatch], metric: str, *, marked: bool = False, brief: bool = False
) -> list[str]:
    """Sentences on the runs whose figures of a metric (or a kind of data) are no equals of the first's.

    Args:
        marked: Whether the marks stand beside the figures.
        brief: Return only the first warning, without names of items; data divided otherwise are no warning.
    """
    if brief:
        unnamed = [DataMatch(match.relation) for match in matches if match.relation != "divided"]
        return describe_matches(unnamed, metric, marked=marked)[:1]
    matches = list(matches)
    counts = Counter(match.relation for match in matches)
    texts = {
        "other": f"data that changed{_first(matches, 'other')}: not to be ranked with the first",
        "divided": "the same data divided otherwise, as another seed or fold does",
        "share": f"more, fewer or other items of the data{_first(matches, 'share')}",
        "unknown": "perhaps other data: not all of the runs recorded them",
    }
    return [
        f"{metric}: {'1 run' if counts[relation] == 1 else f'{counts[relation]} runs'}"
        f"{f' (marked {MARKS[relation]})' if marked else ''} had {text}."
        for relation, text in texts.items()
        if counts[relation]
    ]


def _first(matches: Sequence[DataMatch], relation: Relation) -> str:
    difference = next((match.difference for match in matches if match.relation == relation and match.difference), "")
    return f" ({difference})" if difference else ""


def fingerprints(run: RunView) -> dict[str, str]:
    """Of what a run was given, by name, where it is known."""
    return {name: facts.fingerprint for name, facts in run.data.items() if facts.fingerprint is not None}


def changes(first: RunView, second: RunView) -> dict[str, ListingDifference | None]:
    """How the data of two runs differ, by name, where both recorded some of it; None where which items is not known."""
    differences: dict[str, ListingDifference | None] = {}
    for name in sorted(first.data.keys() & second.data.keys()):
        before, after = first.data[name], second.data[name]
        if before.fingerprint is None or after.fingerprint is None or before.fingerprint == after.fingerprint:
            continue
        try:
            differences[name] = compare_listings(before.listing(), after.listing())
        except RunfolioError:
            differences[name] = None
    return differences

"""Comparison of the data on which the metrics of two runs were measured."""

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
"""Relation between the data of two runs.

- `same`: the data are the same.
- `unsaid`: neither run recorded its data.
- `unknown`: only one run recorded its data.
- `divided`: the images for training and validation are the same, but they were split differently, for example with a
  different seed.
- `share`: items were added or removed, but no item changed.
- `other`: an item changed.
"""

MARKS: Mapping[str, str] = {"other": "!", "divided": "~", "share": "~", "unknown": "?"}
"""Marks in tables for values that are not comparable with the value in the first row."""

_MAX_NAMED = 10
"""Maximum number of added and removed items that are listed by name. `runfolio diff` lists all items."""


@dataclass(frozen=True)
class DataMatch:
    """Relation between the data of two runs, with the differing items."""

    relation: Relation
    difference: str = ""
    """Number and first names of the differing items, for `share` and `other`. The string is empty if the items are
    unknown."""

    @property
    def mark(self) -> str:
        return MARKS.get(self.relation, "")

    @property
    def are_equals(self) -> bool:
        """True if no difference between the data is known."""
        return self.relation in ("same", "unsaid", "unknown")


SAME, UNSAID = DataMatch("same"), DataMatch("unsaid")


def data_of(run: RunView, metric: str) -> DataFacts | None:
    """Return the data that a metric was measured on, such as `val` for `val/acc`. Return None if the data are
    unknown."""
    if not run.data:
        return None
    prefix = metric.partition("/")[0]
    split = split_of(metric)
    candidates = [run.data[prefix]] if prefix in run.data else []
    if split != "unknown":
        candidates += [facts for name, facts in run.data.items() if split_of(name) == split]
    return next((facts for facts in candidates if facts.fingerprint is not None), None)


def match_data(first: RunView, run: RunView, metric: str) -> DataMatch:
    """Compare the data that two runs used to measure a metric."""
    return match_all(first, [run], metric)[0]


def match_all(first: RunView, runs: Iterable[RunView], metric: str) -> list[DataMatch]:
    """Compare the data of the first run with the data of each other run. Only data that a metric was measured on are
    compared."""
    before = data_of(first, metric)
    return [_match(first, before, run, data_of(run, metric)) for run in runs]


def _match(first: RunView, before: DataFacts | None, run: RunView, after: DataFacts | None) -> DataMatch:
    if before is None or after is None:
        return UNSAID if before is after else DataMatch("unknown")
    if before.fingerprint == after.fingerprint:
        return SAME
    return _compare(_with_split_parts(first, before), _with_split_parts(run, after))


def _with_split_parts(run: RunView, facts: DataFacts) -> tuple[DataFacts, ...]:
    """Return the data to compare. Training and validation data are compared together, since a different seed moves
    items between them. Other data are compared alone."""
    if split_of(facts.name) not in ("train", "validation"):
        return (facts,)
    return tuple(other for name, other in run.data.items() if split_of(name) in ("train", "validation"))


@lru_cache(maxsize=256)  # many metrics of a run were measured on the same data
def _compare(before: tuple[DataFacts, ...], after: tuple[DataFacts, ...]) -> DataMatch:
    """Compare the items of data that have different fingerprints. Each argument contains the data of one run."""
    try:
        old, new = (Listing.union(part.listing() for part in parts) for parts in (before, after))
    except RunfolioError:
        return DataMatch("other")
    if old == new:
        return DataMatch("divided")
    difference = compare_listings(old, new)
    changed = difference.changed or difference.relabelled or difference.renamed or len(difference.removed) == len(old)
    if changed or len(difference.added) + len(difference.removed) <= _MAX_NAMED:
        return DataMatch("other" if changed else "share", difference.sentence)
    return DataMatch("share", f"{len(difference.added):,} added, {len(difference.removed):,} removed")


def describe_matches(
    matches: Iterable[DataMatch], metric: str, *, marked: bool = False, brief: bool = False
) -> list[str]:
    """Return sentences about the runs whose values are not comparable with the value of the first run.

    Args:
        matches: Comparisons with the first run.
        metric: Name of the metric or of the data.
        marked: True if the table shows the marks.
        brief: Return only the first warning, without names of items. A different split causes no warning.
    """
    matches = list(matches)
    counts = Counter([match.relation for match in matches])
    if brief:
        counts["divided"] = 0
    named = [] if brief else matches
    texts = {
        "other": f"changed data{_first_difference(named, 'other')} and cannot be compared with the first run",
        "divided": "the same data in a different split, as with a different seed or fold",
        "share": f"more, fewer or different items{_first_difference(named, 'share')}",
        "unknown": "possibly different data, since not all runs recorded their data",
    }
    sentences = [
        f"{metric}: {'1 run' if counts[relation] == 1 else f'{counts[relation]} runs'}"
        f"{f' (marked {MARKS[relation]})' if marked else ''} had {text}."
        for relation, text in texts.items()
        if counts[relation]
    ]
    return sentences[:1] if brief else sentences


def _first_difference(matches: Sequence[DataMatch], relation: Relation) -> str:
    difference = next((match.difference for match in matches if match.relation == relation and match.difference), "")
    return f" ({difference})" if difference else ""


def fingerprints(run: RunView) -> dict[str, str]:
    """Return the known fingerprints of a run's data, keyed by the name of the data."""
    return {name: facts.fingerprint for name, facts in run.data.items() if facts.fingerprint is not None}


def changes(first: RunView, second: RunView) -> dict[str, ListingDifference | None]:
    """Compare the items of two runs' data. The result is keyed by the name of the data. None means that the items are
    unknown."""
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

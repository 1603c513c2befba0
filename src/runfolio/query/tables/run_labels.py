"""Short names for the runs of one table or picture, no two of them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runfolio.query.run_view import RunView
from runfolio.record.base.flat_names import identity, short_texts

_SETTINGS_AT_MOST = 2


def unique_labels(runs: Sequence[RunView]) -> list[str]:
    """Each run's name; where several share it, with the settings that set them apart (`net lr=0.1`).

    With the id where no one or two settings do; where a copied folder shares that too, its folder.
    """
    alike: dict[str, list[RunView]] = {}
    for run in runs:
        alike.setdefault(run.name, []).append(run)
    named = [run.name if len(alike[run.name]) == 1 else _distinct_label(run, alike[run.name]) for run in runs]
    counts = Counter(named)
    return [label if counts[label] == 1 else run.run_path for label, run in zip(named, runs, strict=True)]


def _distinct_label(run: RunView, alike: Sequence[RunView]) -> str:
    """One of several runs of the same name, by what differs in their settings, else by its id."""
    shared = set(alike[0].flat_config).intersection(*(other.flat_config for other in alike))
    differing = [key for key in alike[0].flat_config if key in shared and len(_texts(alike, key)) > 1]
    values = {tuple(identity(other.flat_config[key]) for key in differing) for other in alike}
    if not 1 <= len(differing) <= _SETTINGS_AT_MOST or len(values) < len(alike):
        return f"{run.name} ({run.id})"
    texts = (f"{key}={_texts(alike, key)[identity(run.flat_config[key])]}" for key in differing)
    return " ".join([run.name, *texts])


def _texts(runs: Sequence[RunView], key: str) -> dict[str, str]:
    return short_texts(run.flat_config[key] for run in runs)

"""Short names for the runs of one table or picture, no two of them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from runfolio.query.run_view import RunView

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
    differing = [key for key in alike[0].flat_config if key in shared and len(_values(alike, key)) > 1]
    values = {tuple(_shown(other.flat_config[key]) for key in differing) for other in alike}
    if not 1 <= len(differing) <= _SETTINGS_AT_MOST or len(values) < len(alike):
        return f"{run.name} ({run.id})"
    return " ".join([run.name, *(f"{key}={_shown(run.flat_config[key])}" for key in differing)])


def _values(runs: Sequence[RunView], key: str) -> set[str]:
    return {_shown(run.flat_config[key]) for run in runs}


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

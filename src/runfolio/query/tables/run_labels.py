"""Short names for the runs of one table or picture, no two of them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runfolio.query.run_view import RunView
from runfolio.query.selection.grouping import differing_settings, naming_settings
from runfolio.record.base.flat_names import identity, short_texts

_SETTINGS_AT_MOST = 4


def unique_labels(runs: Sequence[RunView]) -> list[str]:
    """Each run's name; where several share it, with the settings that set them apart (`net lr=0.1`).

    Settings that only name a run, such as an output folder, are no use in a label. Runs that no four other settings
    tell apart have the id; where a copied folder shares that too, the folder.
    """
    alike: dict[str, list[RunView]] = {}
    for run in runs:
        alike.setdefault(run.name, []).append(run)
    labels: dict[int, str] = {}
    for name, members in alike.items():
        texts = [name] if len(members) == 1 else _settings_labels(name, members)
        labels.update({id(run): text for run, text in zip(members, texts, strict=True)})
    return _with_folders([labels[id(run)] for run in runs], runs)


def name_labels(runs: Sequence[RunView]) -> list[str]:
    """Each run's name, with its id where several share it: for tables that have the settings in columns."""
    counts = Counter(run.name for run in runs)
    return _with_folders([run.name if counts[run.name] == 1 else f"{run.name} ({run.id})" for run in runs], runs)


def _settings_labels(name: str, alike: Sequence[RunView]) -> list[str]:
    """Labels of the runs of one name, by what differs in their settings; those that nothing tells apart by id."""
    naming = naming_settings(alike)
    differing = [key for key in differing_settings(alike) if key not in naming]
    if not 1 <= len(differing) <= _SETTINGS_AT_MOST:
        return [f"{name} ({run.id})" for run in alike]
    texts = {key: short_texts(run.flat_config.get(key) for run in alike) for key in differing}
    labels = [
        " ".join(
            [
                name,
                *(f"{key}={texts[key][identity(run.flat_config[key])]}" for key in differing if key in run.flat_config),
            ]
        )
        for run in alike
    ]
    counts = Counter(labels)
    return [label if counts[label] == 1 else f"{label} ({run.id})" for label, run in zip(labels, alike, strict=True)]


def _with_folders(labels: Sequence[str], runs: Sequence[RunView]) -> list[str]:
    counts = Counter(labels)
    return [label if counts[label] == 1 else run.run_path for label, run in zip(labels, runs, strict=True)]

"""Short, unique labels of runs for tables and plots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from runfolio.query.run_view import RunView
from runfolio.query.selection.grouping import differing_settings, naming_settings
from runfolio.record.base.flat_names import identity, short_texts

_MAX_SETTINGS = 4
_NUMBERED = re.compile(r"(?P<stem>.+)-\d+")
"""Pattern of a name with a number at its end, such as a default name (`run_names.claim_name`)."""


def unique_labels(runs: Sequence[RunView]) -> list[str]:
    """Return the name of each run. If several runs share a name, the differing settings are added (`net lr=0.1`).

    Settings that only name a run, such as an output folder, are not used. If no setting or more than four settings
    differ, the id is added instead. If a copy of a run has the same id, the label is the folder.
    """
    by_name: dict[str, list[RunView]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    labels: dict[int, str] = {}
    for name, members in by_name.items():
        texts = [name] if len(members) == 1 else _settings_labels(name, members)
        labels.update({id(run): text for run, text in zip(members, texts, strict=True)})
    return _with_folders([labels[id(run)] for run in runs], runs)


def name_labels(runs: Sequence[RunView]) -> list[str]:
    """Return the name of each run, for tables that show settings in columns. If runs share a name, the id is added."""
    counts = Counter(run.name for run in runs)
    return _with_folders([run.name if counts[run.name] == 1 else f"{run.name} ({run.id})" for run in runs], runs)


def legend_labels(runs: Sequence[RunView]) -> list[str]:
    """Return labels for the legend of a plot. Unlike in `unique_labels`, the differing settings are added to names that
    end with a number.

    The numbers of default names, such as `train-1` and `train-2`, say nothing about the runs.
    """
    labels = dict(zip(map(id, runs), unique_labels(runs), strict=True))
    by_stem: dict[str, list[RunView]] = {}
    for run in runs:
        if labels[id(run)] == run.name and (match := _NUMBERED.fullmatch(run.name)):
            by_stem.setdefault(match["stem"], []).append(run)
    for members in by_stem.values():
        if len(members) > 1:
            texts = zip(members, _settings_texts(members), strict=True)
            labels.update({id(run): f"{run.name} {text}".rstrip() for run, text in texts})
    return [labels[id(run)] for run in runs]


def _settings_labels(name: str, runs: Sequence[RunView]) -> list[str]:
    """Return labels for runs that have the same name. If the settings do not make a label unique, the id is added."""
    texts = _settings_texts(runs)
    if not any(texts):
        return [f"{name} ({run.id})" for run in runs]
    labels = [f"{name} {text}".rstrip() for text in texts]
    counts = Counter(labels)
    return [label if counts[label] == 1 else f"{label} ({run.id})" for label, run in zip(labels, runs, strict=True)]


def _settings_texts(runs: Sequence[RunView]) -> list[str]:
    """Return the differing settings of each run as text, such as `lr=0.1`. The texts are empty if no settings or too
    many settings differ."""
    naming = naming_settings(runs)
    differing = [key for key in differing_settings(runs) if key not in naming]
    if not 1 <= len(differing) <= _MAX_SETTINGS:
        return [""] * len(runs)
    texts = {key: short_texts(run.flat_config.get(key) for run in runs) for key in differing}
    return [
        " ".join(f"{key}={texts[key][identity(run.flat_config[key])]}" for key in differing if key in run.flat_config)
        for run in runs
    ]


def _with_folders(labels: Sequence[str], runs: Sequence[RunView]) -> list[str]:
    counts = Counter(labels)
    return [label if counts[label] == 1 else run.run_path for label, run in zip(labels, runs, strict=True)]

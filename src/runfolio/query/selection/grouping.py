"""Groups of runs that have the same settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from runfolio.errors import ConfigError
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.columns import RunsColumn, choice_note, every_column, find_columns
from runfolio.record.base.flat_names import identity, short_texts

REPEATING = ("seed", "fold", "test_at")
"""Settings that may differ between repetitions of a run: the seed, the validation fold, and the time of the test."""
_OUTPUT_WORDS = """
    out output outputs outdir log logs logdir logfile save saved savedir result results workdir run runs id uuid guid
    job jobid slurm pid port exp experiment expname trial time timestamp date started hydra wandb tensorboard
    """
"""Words in the names of settings that only identify a run or its output. Such settings do not affect the result."""
_NEUTRAL_WORDS = "dir directory folder path file name work checkpoint checkpoints ckpt ckpts"
"""Additional words that may occur in the name of an output setting. A name with only these words may refer to an
input."""


@dataclass(frozen=True)
class Grouping(Generic[RunT]):
    """Groups of runs that have the same values in some columns."""

    members: dict[str, list[RunT]]
    """Runs of each group, keyed by the group's label, such as `model=mlp lr=0.1`."""
    notes: list[str]
    """Sentences about how the groups were formed."""
    columns: list[RunsColumn] = field(default_factory=list)
    """Columns with the same value in all runs of a group."""


def group_runs(runs: Sequence[RunT], group_by: str | Sequence[str]) -> Grouping[RunT]:
    """Group runs by columns.

    Args:
        runs: Runs to group.
        group_by: Names of columns, as a list or separated by commas. If all names start with `-`, runs are grouped by
            all differing settings except the named settings. Settings that only name a run, such as an output folder,
            are then ignored too, and a note lists them.

    Raises:
        ConfigError: Some names start with `-` and others do not.
        NotFound: A column does not exist. The message lists the most similar names.
    """
    parts = group_by.split(",") if isinstance(group_by, str) else group_by
    names = [name for part in parts if (name := part.strip())]
    excluded = [name.startswith("-") for name in names]
    if any(excluded) and not all(excluded):
        raise ConfigError(f"group by {','.join(names)}: either all names or no name must start with -")
    columns = find_columns([name.removeprefix("-") for name in names], runs)
    notes = [note] if (note := choice_note(columns)) else []
    if all(excluded):
        left_out = [column.full_name for column in columns]
        settings = [name for name in differing_settings(runs) if f"params.{name}" not in left_out]
        naming = naming_settings(runs, [column.name for column in columns])
        columns = find_columns([f"params.{name}" for name in settings if name not in naming], runs)
        notes += _ignored(naming, names)
    texts = {column.full_name: short_texts(column.value(run) for run in runs) for column in columns}
    members: dict[str, list[RunT]] = {}
    for run in runs:
        settings = (f"{column.name}={texts[column.full_name][identity(column.value(run))]}" for column in columns)
        members.setdefault(" ".join(settings) or "all runs", []).append(run)
    if names and all(excluded) and 1 < len(runs) == len(members):
        notes += _single_runs(runs, [column.name for column in columns], names)
    return Grouping(members, notes, columns)


def repeated_settings(runs: Sequence[RunView]) -> list[str]:
    """Return a value for `group_by` that excludes the settings that differ between repetitions, such as the seed."""
    settings = {name for run in runs for name in run.flat_config}
    return [f"-{name}" for name in REPEATING if name in settings]


def is_repeated(run: RunView, runs: Sequence[RunView]) -> bool:
    """Return whether another run has the same settings. The seed, the fold, the time of the test and the names of
    outputs may differ.

    A run without settings is not repeated, since its settings are unknown.
    """
    others = [other for other in runs if other is not run] if run.flat_config else []
    for name in (name for name in run.flat_config if name not in REPEATING):
        value = identity(run.flat_config.get(name))
        equal = [other for other in others if identity(other.flat_config.get(name)) == value]
        if not equal and not _only_names(runs, name, REPEATING):
            return False
        others = equal or others
    return bool(others)


def differing_settings(runs: Sequence[RunView]) -> list[str]:
    """Return the settings that differ between the runs or are missing from some runs."""
    settings = [name.removeprefix("params.") for name in every_column(runs) if name.startswith("params.")]
    return [name for name in settings if len(_values(runs, name)) > 1]


def naming_settings(runs: Sequence[RunView], repeating: Sequence[str] = ("seed", "fold")) -> list[str]:
    """Return the settings that only name a run, such as an output folder. Their values differ in each run.

    As an exception, runs with the same settings in `repeating`, such as the same seed, may share a value.

    Args:
        runs: Runs to compare.
        repeating: Settings that distinguish repetitions of the same training, such as the seed.
    """
    names = [name for name in differing_settings(runs) if name not in repeating]
    return [
        name for name in names if _only_names(runs, name, repeating) and _differs_in_every_run(runs, name, repeating)
    ]


def _differs_in_every_run(runs: Sequence[RunView], name: str, repeating: Sequence[str]) -> bool:
    if len(_values(runs, name)) == len(runs):
        return True
    seeds_of: dict[str, set[tuple[str, ...]]] = {}
    for run in runs:
        seeds = tuple(identity(run.flat_config.get(other)) for other in repeating)
        seeds_of.setdefault(identity(run.flat_config.get(name)), set()).add(seeds)
    several = len(set().union(*seeds_of.values())) > 1
    return several and all(len(seeds) == 1 for seeds in seeds_of.values())


def _only_names(runs: Sequence[RunView], name: str, repeating: Sequence[str]) -> bool:
    """Return whether a setting only names a run or its output, judging by the setting's name and values."""
    words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    output = set(_OUTPUT_WORDS.split())
    if words & output and words <= output.union(_NEUTRAL_WORDS.split()):
        return True
    return all(isinstance(run.flat_config.get(name), str) for run in runs) and _contains_seed(runs, name, repeating)


def _contains_seed(runs: Sequence[RunView], name: str, repeating: Sequence[str]) -> bool:
    """Return whether the value of a setting contains the seed in each run. For example, `lr0.1-s3` contains the seed
    3."""
    present = [other for other in repeating if len(_values(runs, other)) > 1]
    return bool(present) and all(
        str(run.flat_config.get(other)) in re.findall(r"[0-9]+|[^0-9]+", str(run.flat_config.get(name)))
        for run in runs
        for other in present
    )


def _ignored(naming: Sequence[str], names: Sequence[str]) -> list[str]:
    if not naming:
        return []
    subject = f"{', '.join(naming)} {'differs' if len(naming) == 1 else 'differ'}"
    option = ",".join([*names, *(f"-{name}" for name in naming)])
    was = "was" if len(naming) == 1 else "were"
    return [f"{subject} in each run and {was} ignored, as with --group-by {option}."]


def _single_runs(runs: Sequence[RunView], columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a sentence that explains why each group has one run. The sentence also names the option that produces
    larger groups."""
    repeated = any(len(_values(runs, name.removeprefix("-"))) > 1 for name in names)
    unique = [name for name in columns if repeated and len(_values(runs, name)) == len(runs)]
    if not unique:
        return ["Each group has one run."]
    subject = f"{' and '.join(unique)} {'differs' if len(unique) == 1 else 'differ'}"
    remedy = ",".join([*names, *(f"-{name}" for name in unique)])
    return [f"Each group has one run, since {subject} in each run; give --group-by {remedy}."]


def _values(runs: Sequence[RunView], name: str) -> set[str]:
    return {identity(run.flat_config.get(name)) for run in runs}

"""Groups of runs with equal settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from runfolio.errors import ConfigError
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.columns import choice_note, every_column, find_columns
from runfolio.record.base.flat_names import identity, short_texts

_OUTPUT_WORDS = """
    out output outputs outdir log logs logdir logfile save saved savedir result results workdir run runs id uuid guid
    job jobid slurm pid port exp experiment expname trial time timestamp date started hydra wandb tensorboard
    """
"""A setting named by such words says where a run writes or what it is called, rather than what is tried."""
_NEUTRAL_WORDS = "dir directory folder path file name work checkpoint checkpoints ckpt ckpts"
"""Words that may be added to those; alone they may as well say what is read."""


@dataclass(frozen=True)
class Grouping(Generic[RunT]):
    """Runs by what they have in common."""

    members: dict[str, list[RunT]]
    """The runs of each group by its label, such as `model=mlp lr=0.1`."""
    notes: list[str]
    """Facts that a reader of the groups must know, one sentence each."""


def group_runs(runs: Sequence[RunT], group_by: str | Sequence[str]) -> Grouping[RunT]:
    """Group runs by some of their columns.

    Args:
        group_by: Columns as a table of runs names them; text is split at its commas. With `-` before every one: by all
            settings in which the runs differ, but those. Then settings that differ in every run and only say where
            it writes or what it is called, such as an output folder, are left out too, and a note names them.
    Raises:
        ConfigError: Some have a `-` and some not.
        NotFound: There is no such column; the message names the nearest.
    """
    texts = group_by.split(",") if isinstance(group_by, str) else group_by
    names = [name for text in texts if (name := text.strip())]
    excluded = [name.startswith("-") for name in names]
    if any(excluded) and not all(excluded):
        raise ConfigError(f"group by {','.join(names)}: either all names have a - before them, or none")
    columns = find_columns([name.removeprefix("-") for name in names], runs)
    notes = [note] if (note := choice_note(columns)) else []
    if all(excluded):
        left_out = [column.full_name for column in columns]
        settings = [name for name in differing_settings(runs) if f"params.{name}" not in left_out]
        naming = naming_settings(runs, [column.name for column in columns])
        columns = find_columns([f"params.{name}" for name in settings if name not in naming], runs)
        notes += _ignored(naming, names)
    shown = {column.full_name: short_texts(column.value(run) for run in runs) for column in columns}
    members: dict[str, list[RunT]] = {}
    for run in runs:
        settings = (f"{column.name}={shown[column.full_name][identity(column.value(run))]}" for column in columns)
        members.setdefault(" ".join(settings) or "all runs", []).append(run)
    if names and all(excluded) and 1 < len(runs) == len(members):
        notes += _single_runs(runs, [column.name for column in columns], names)
    return Grouping(members, notes)


def differing_settings(runs: Sequence[RunView]) -> list[str]:
    """Return the settings in which the runs differ, or which some of them lack."""
    settings = [name.removeprefix("params.") for name in every_column(runs) if name.startswith("params.")]
    return [name for name in settings if len(_values(runs, name)) > 1]


def naming_settings(runs: Sequence[RunView], repeating: Sequence[str] = ("seed", "fold")) -> list[str]:
    """Return the settings that only name a run: no two runs share a value, and it is a folder, a name or the like.

    Two runs of one value that agree in `repeating` too are the same training run twice, which may share a folder.

    Args:
        repeating: Settings that make a run the repetition of another, such as the seed.
    """
    names = [name for name in differing_settings(runs) if name not in repeating]
    return [
        name for name in names if _differs_in_every_run(runs, name, repeating) and _is_naming(runs, name, repeating)
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


def _is_naming(runs: Sequence[RunView], name: str, repeating: Sequence[str]) -> bool:
    """Return whether a setting says where a run writes or what it is called, by its name or by its values."""
    words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    output = set(_OUTPUT_WORDS.split())
    if words & output and words <= output.union(_NEUTRAL_WORDS.split()):
        return True
    return all(isinstance(run.flat_config.get(name), str) for run in runs) and _carries(runs, name, repeating)


def _carries(runs: Sequence[RunView], name: str, repeating: Sequence[str]) -> bool:
    """Return whether the text of a setting holds the seed of each run, as `lr0.1-s3` does."""
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
    return [
        f"{subject} in every run and was ignored, as by --group-by {','.join([*names, *(f'-{n}' for n in naming)])}."
    ]


def _single_runs(runs: Sequence[RunView], columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the sentence on groups that all hold one run, and what would make larger ones."""
    repeated = any(len(_values(runs, name.removeprefix("-"))) > 1 for name in names)
    unique = [name for name in columns if repeated and len(_values(runs, name)) == len(runs)]
    if not unique:
        return ["Each group holds one run."]
    subject = f"{' and '.join(unique)} {'differs' if len(unique) == 1 else 'differ'}"
    remedy = ",".join([*names, *(f"-{name}" for name in unique)])
    return [f"Each group holds one run, since {subject} in every run; --group-by {remedy} leaves that out."]


def _values(runs: Sequence[RunView], name: str) -> set[str]:
    return {identity(run.flat_config.get(name)) for run in runs}

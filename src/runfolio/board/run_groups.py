"""Groups in the table of runs. A group shows the mean, spread and interval of a metric over runs with the same
settings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runfolio.board.many_groups import TableGroup, count_groups
from runfolio.board.query_args import key_text
from runfolio.board.run_ranking import MAX_RANKED, Ranking
from runfolio.board.run_selection import SelectedRuns, plain
from runfolio.board.sentence import GroupLead, Words, describe_groups
from runfolio.errors import NotFound
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import figure_of
from runfolio.query.selection.grouping import Grouping, group_runs
from runfolio.query.selection.ranking import BROKEN
from runfolio.query.selection.seed_groups import SeedGroup, group_by_seed

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

_MAX_KEYS = 100
"""Maximum number of runs that a group lists."""
_COMMAND = re.compile(r"[,;] (?:as with|give) --group-by \S+(?=\.$)")
"""Pattern of the part of a note that names an option of the command line."""


def group_page(selected: SelectedRuns, ranking: Ranking, group_by: str, offset: int, limit: int) -> dict[str, Any]:
    """Return one page of groups, best first. Groups without a result come last.

    Raises:
        ConfigError: Some names in `group_by` start with `-` and others do not.
        NotFound: A column does not exist.
    """
    groups, notes, sentence = selected.once(
        ("groups", ranking.metric, ranking.mode, group_by), lambda: _described_groups(selected, ranking, group_by)
    )
    numbers = [number for group in groups for number in (group.low, group.mean, group.high) if number is not None]
    first = groups[0] if groups else None
    return {
        "total": len(groups),
        "notes": notes,
        "sentence": sentence,
        "band": [first.low, first.high] if first and first.low is not None else None,
        "axis": [min(numbers), max(numbers)] if numbers else None,
        "groups": [_entry(group, selected.selection.where) for group in groups[offset : offset + limit]],
    }


def _described_groups(
    selected: SelectedRuns, ranking: Ranking, group_by: str
) -> tuple[list[TableGroup], list[str], Words]:
    groups, notes = _groups(selected, ranking, group_by)
    return groups, notes, describe_groups(_lead(groups, ranking), selected.states())


def _groups(selected: SelectedRuns, ranking: Ranking, group_by: str) -> tuple[list[TableGroup], list[str]]:
    if ranking.metric is None:
        return [], []
    if selected.total > MAX_RANKED:
        groups = count_groups(selected, group_by, ranking.metric, ranking.mode)
        is_marked = any(group.tied for group in groups)
        return groups, ["The mark = is based on Welch's t test, with Holm's procedure."] if is_marked else []
    runs = distinct_runs(selected.runs()).runs
    sound = [run for run in runs if run.state not in BROKEN]
    grouping = group_runs(runs, group_by)
    names = [column.full_name for column in grouping.columns] or group_by
    notes = [_COMMAND.sub("", note) for note in grouping.notes]
    rows: list[SeedGroup] = []
    try:
        statistics = group_by_seed(sound, ranking.metric, ranking.mode, group_by=names)
    except NotFound:  # no run has a value
        pass
    else:
        rows = [row for row in statistics.rows if row.metric == ranking.metric]
        notes += [*statistics.caption.short, *statistics.caption.details]
    # A label may be longer if the broken runs are included, since it must distinguish more values.
    labels = {run.row.key: label for label, members in grouping.members.items() for run in members}
    measured = group_runs(sound, names).members if rows else {}
    rows_of = {labels[measured[row.group][0].row.key]: row for row in rows}
    ordered = [*rows_of, *(label for label in grouping.members if label not in rows_of)]
    return [_group(label, rows_of.get(label), grouping, ranking) for label in ordered], list(dict.fromkeys(notes))


def _group(label: str, row: SeedGroup | None, grouping: Grouping[RecordedRun], ranking: Ranking) -> TableGroup:
    members, metric, mode = grouping.members[label], ranking.metric or "", ranking.mode
    group = TableGroup(
        label=label,
        read_values=lambda: {column.full_name: column.value(members[0]) for column in grouping.columns},
        members=[(run.row.key, run.id) for run in members],
        states=Counter(run.state for run in members if run.state in BROKEN or not figure_of(run, metric, mode)),
    )
    if row is None:
        return group
    return replace(
        group,
        n=row.runs,
        mean=row.mean,
        std=row.std,
        low=row.low,
        high=row.high,
        lowest=row.lowest,
        highest=row.highest,
        tied=row.tied,
    )


def _lead(groups: list[TableGroup], ranking: Ranking) -> GroupLead | None:
    """Return the best group and a comparison with the others, or None if no group has a value."""
    if not groups or ranking.metric is None or groups[0].mean is None:
        return None
    best, *others = groups
    return GroupLead(
        name=_label(best, _plain_values(best)),
        metric=ranking.metric,
        mean=groups[0].mean,
        half=None if best.low is None or best.high is None else (best.high - best.low) / 2,
        runs=best.n,
        others=sum(group.n > 0 for group in others),
        compared=sum(group.n > 1 for group in others) if best.n > 1 else 0,
        tied=sum(group.tied for group in others),
        empty=sum(group.n == 0 for group in others),
    )


def _entry(group: TableGroup, where: str | None) -> dict[str, Any]:
    """Return a group as it is sent to the page."""
    values = group.read_values()
    conditions = [_condition(name, value) for name, value in values.items()]
    if None in conditions:
        ids = ", ".join(_quoted(run_id) for _, run_id in group.members)
        conditions = [f"id IN ({ids})" if len(group.members) <= _MAX_KEYS else None]
    shown = _plain_values(group)
    return {
        "label": _label(group, shown),
        "values": shown,
        "where": _joined(conditions, where) if None not in conditions else None,
        "n": group.n,
        "mean": group.mean,
        "low": group.low,
        "high": group.high,
        "std": group.std,
        "lowest": group.lowest,
        "highest": group.highest,
        "mark": "=" if group.tied else "",
        "ended_text": ", ".join(f"{count} {state}" for state, count in sorted(group.states.items())),
        "keys": [key_text(key) for key, _ in group.members[:_MAX_KEYS]],
    }


def _plain_values(group: TableGroup) -> Mapping[str, Any]:
    return {name.removeprefix("params."): plain(value) for name, value in group.read_values().items()}


def _label(group: TableGroup, values: Mapping[str, Any]) -> str:
    return group.label or " ".join(f"{name}={value}" for name, value in values.items()) or "all runs"


def _joined(conditions: Iterable[str | None], where: str | None) -> str:
    return " AND ".join([*([f"({where})"] if where else []), *filter(None, conditions)])


def _condition(column: str, value: Any) -> str | None:
    """Return a filter for runs with the given value in a column, or None if a filter cannot express this condition."""
    kind, dot, name = column.partition(".")
    quoted = f'{kind}{dot}"{name.replace(chr(34), chr(34) * 2)}"' if dot else kind
    if value is None:
        return f"{quoted} IS NULL"
    if isinstance(value, bool):
        return f"{quoted} = {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f"{quoted} = {value!r}" if value - value == 0 else None
    return f"{quoted} = {_quoted(value)}" if isinstance(value, str) else None


def _quoted(text: str) -> str:
    return f"'{text.replace(chr(39), chr(39) * 2)}'"

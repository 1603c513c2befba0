"""Groups in the table of runs. A group shows the mean, spread and interval of a metric over runs with the same
settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runfolio.board.default_columns import varying_settings
from runfolio.board.query_args import key_text
from runfolio.board.run_ranking import MAX_RANKED, Ranking
from runfolio.board.run_selection import SelectedRuns, plain
from runfolio.errors import NotFound
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import Grouping, group_runs
from runfolio.query.selection.ranking import BROKEN
from runfolio.query.selection.seed_groups import SeedGroup, group_by_seed

if TYPE_CHECKING:
    from runfolio.query.filter.groups import RunGroup
    from runfolio.query.run import RecordedRun
    from runfolio.query.selection.columns import RunsColumn

_NO_RESULT = "No run has a result to group by. Runs that failed or crashed are not counted."
_MAX_KEYS = 100
"""Maximum number of runs that a group lists."""


def group_page(selected: SelectedRuns, ranking: Ranking, group_by: str, offset: int, limit: int) -> dict[str, Any]:
    """Return one page of groups, best first.

    Raises:
        ConfigError: Some names in `group_by` start with `-` and others do not.
        NotFound: A column does not exist.
    """
    groups, notes = selected.once(
        ("groups", ranking.metric, ranking.mode, group_by), lambda: _groups(selected, ranking, group_by)
    )
    numbers = [
        number for group in groups for number in (group["low"], group["mean"], group["high"]) if number is not None
    ]
    first = groups[0] if groups else None
    return {
        "total": len(groups),
        "notes": notes,
        "band": [first["low"], first["high"]] if first and first["low"] is not None else None,
        "axis": [min(numbers), max(numbers)] if numbers else None,
        "groups": groups[offset : offset + limit],
    }


def _groups(selected: SelectedRuns, ranking: Ranking, group_by: str) -> tuple[list[dict[str, Any]], list[str]]:
    if ranking.metric is None:
        return [], [_NO_RESULT]
    if selected.total > MAX_RANKED:
        return _many_groups(selected, ranking, ranking.metric, group_by)
    sound = [run for run in distinct_runs(selected.runs()).runs if run.state not in BROKEN]
    if not sound:
        return [], [_NO_RESULT]
    grouping = group_runs(sound, group_by)
    try:
        statistics = group_by_seed(sound, ranking.metric, ranking.mode, group_by=group_by)
    except NotFound as error:
        return [], [str(error)]
    rows = [row for row in statistics.rows if row.metric == ranking.metric]
    groups = [_group(row, grouping, selected.selection.where) for row in rows]
    return groups, [*statistics.caption.short, *statistics.caption.details]


def _many_groups(
    selected: SelectedRuns, ranking: Ranking, metric: str, group_by: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compute the groups of many runs with SQL. These groups are not compared with each other, and they list no
    runs."""
    names = [name.strip() for name in group_by.split(",")]
    if all(name.startswith("-") for name in names):
        excluded = {name.removeprefix("-").removeprefix("params.") for name in names}
        varying = selected.once("all varying", lambda: varying_settings(selected))
        names = [f"params.{name}" for name in varying if name not in excluded]
    groups = selected.board.folio.groups(
        names,
        metric,
        ranking.mode,
        experiment=selected.selection.experiment,
        where=selected.selection.where,
    )
    note = f"Groups are compared with each other only if at most {MAX_RANKED:,} runs are selected."
    return [_counted_group(group, selected.selection.where) for group in groups], [note]


def _counted_group(group: RunGroup, where: str | None) -> dict[str, Any]:
    shown = {name.removeprefix("params."): plain(value) for name, value in group.values.items()}
    conditions = [_condition(name, value) for name, value in group.values.items()]
    return {
        "label": " ".join(f"{name}={value}" for name, value in shown.items()) or "all runs",
        "values": shown,
        "where": _joined(conditions, where) if None not in conditions else None,
        "n": group.runs,
        "mean": group.mean,
        "low": group.low,
        "high": group.high,
        "std": group.std,
        "lowest": group.lowest,
        "highest": group.highest,
        "mark": "",
        "keys": [],
    }


def _group(row: SeedGroup, grouping: Grouping[RecordedRun], where: str | None) -> dict[str, Any]:
    members = grouping.members[row.group]
    return {
        "label": row.group,
        "values": {column.name: plain(column.value(members[0])) for column in grouping.columns},
        "where": _where(members, grouping.columns, where),
        "n": row.runs,
        "mean": row.mean,
        "low": row.low,
        "high": row.high,
        "std": row.std,
        "lowest": row.lowest,
        "highest": row.highest,
        "mark": "=" if row.tied else "",
        "keys": [key_text(run.row.key) for run in members[:_MAX_KEYS]],
    }


def _where(members: list[RecordedRun], columns: list[RunsColumn], where: str | None) -> str:
    """Return a filter that selects the runs of a group."""
    conditions = [_condition(column.full_name, column.value(members[0])) for column in columns]
    if None in conditions:
        conditions = [f"id IN ({', '.join(_quoted(run.id) for run in members)})"]
    return _joined(conditions, where)


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

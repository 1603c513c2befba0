"""Slow reference of filters and orders in plain Python, with the truth values true, false and unknown (None)."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from runfolio.errors import FilterError, NotFound
from runfolio.query.filter import tree
from runfolio.query.filter.parser import parse
from runfolio.query.filter.tree import Condition, Name, Now, Operand
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.columns import RunsColumn, find_column
from runfolio.record.points.metric_summary import MetricSummary

Truth = bool | None
Read = Callable[[RunView], Any]
"""Constant of a run; None if it is missing or NaN."""
Test = Callable[[RunView], Truth]

_ALIASES = {"started": "created", "duration": "duration_s"}
_AGGREGATES: dict[str, Callable[[MetricSummary], float]] = {
    "last": lambda summary: summary.last,
    "min": lambda summary: summary.min,
    "max": lambda summary: summary.max,
    "mean": lambda summary: summary.mean,
    "count": lambda summary: summary.count,
    "step": lambda summary: summary.last_step,
}
_MEASURED = ("summary", "metrics", "best", "figure")
_WILDCARDS = {"%": ".*", "_": "."}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def select(where: str, runs: Sequence[RunT], now: datetime) -> list[RunT]:
    """Return the runs for which a filter is true, in their order.

    Raises:
        FilterError: The text is not a filter, or names a column that none of the runs has.
    """
    test = _Binder(where, runs, now).test(parse(where))
    return [run for run in runs if test(run)]


def ordered(sort: str, runs: Sequence[RunT]) -> list[RunT]:
    """Return the runs in the order of a column, in descending order with the prefix `-`; without a value last."""
    newest_first = sorted(runs, key=lambda run: (run.created, run.run_path), reverse=True)
    column = lookup(sort.removeprefix("-"), runs)
    values = {run.run_path: _plain(column.value(run)) for run in runs}
    present = [run for run in newest_first if values[run.run_path] is not None]
    missing = [run for run in newest_first if values[run.run_path] is None]
    by_value = sorted(present, key=lambda run: _order(values[run.run_path]), reverse=sort.startswith("-"))
    return by_value + missing


def lookup(name: str, runs: Sequence[RunView]) -> RunsColumn:
    """Return the column that a name means; of results and metrics with one name, the figure."""
    column = find_column(name, runs)
    is_both = all(any(name in names for names in maps) for maps in _results_and_metrics(runs))
    return RunsColumn("figure", name) if column.name == name and column.kind in _MEASURED and is_both else column


def _results_and_metrics(runs: Sequence[RunView]) -> tuple[list[Any], list[Any]]:
    return [run.flat_summary for run in runs], [run.metrics for run in runs]


def _order(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, datetime) else (2, value)


class _Binder:
    """Turns the conditions of a filter into tests of a run."""

    def __init__(self, text: str, runs: Sequence[RunView], now: datetime) -> None:
        self._text = text
        self._runs = runs
        self._now = now

    def test(self, condition: Condition) -> Test:
        match condition:
            case tree.Or(conditions):
                tests = [self.test(inner) for inner in conditions]
                return lambda run: _any(test(run) for test in tests)
            case tree.And(conditions):
                tests = [self.test(inner) for inner in conditions]
                return lambda run: _not(_any(_not(test(run)) for test in tests))
            case tree.Not(inner):
                negated = self.test(inner)
                return lambda run: _not(negated(run))
            case tree.Compare(left, sign, right):
                return self._comparison(left, sign, right)
            case tree.IsNull(operand):
                read = self._read(operand)
                return lambda run: read(run) is None
            case tree.In(operand, values):
                tests = [self._comparison(operand, "=", value) for value in values]
                return lambda run: _any(test(run) for test in tests)
            case tree.Like(operand, pattern, ignores_case):
                return _like(self._read(operand), pattern, ignores_case)
            case tree.IsTrue(operand):
                flag = self._read(operand)
                return lambda run: value if isinstance(value := flag(run), bool) else None

    def _comparison(self, left: Operand, sign: str, right: Operand) -> Test:
        read_left, read_right, compare = self._read(left), self._read(right), _COMPARE[sign]

        def test(run: RunView) -> Truth:
            a, b = read_left(run), read_right(run)
            if isinstance(a, datetime) != isinstance(b, datetime):
                a, b = _as_time(a), _as_time(b)
            return compare(a, b) if _is_comparable(a, b) else None

        return test

    def _read(self, operand: Operand) -> Read:
        match operand:
            case Name():
                return self._column(operand)
            case Now(offset_s):
                moment = self._now + timedelta(seconds=offset_s)
                return lambda run: moment
            case tree.Constant(value):
                number = _as_stored(value)
                return lambda run: number

    def _column(self, name: Name) -> Read:
        if len(name.parts) == 1:
            column = self._find(name, [_ALIASES.get(name.parts[0], name.parts[0])])
            return lambda run: _plain(column(run))
        kind, *rest = name.parts
        if kind == "tags":
            tag = ".".join(rest)
            return lambda run: _tag(run, tag)
        aggregate = rest[-1] if kind == "metrics" and len(rest) > 1 and not name.is_quoted[-1] else ""
        if aggregate in _AGGREGATES and (name.is_quoted[-2] or not self._has_metric(rest)):
            metric, value = self._metric(name, rest[:-1]), _AGGREGATES[aggregate]
            return lambda run: _plain(value(run.metrics[metric])) if metric in run.metrics else None
        spellings = [".".join(name.parts), "/".join(name.parts), f"{kind}.{'/'.join(rest)}"]
        column = self._find(name, spellings)
        return lambda run: _plain(column(run))

    def _find(self, name: Name, spellings: Iterable[str]) -> Read:
        problem = ""
        for spelling in dict.fromkeys(spellings):
            try:
                return lookup(spelling, self._runs).value
            except NotFound as error:
                problem = problem or str(error)
        raise FilterError(self._text, name.position, problem)

    def _has_metric(self, parts: Sequence[str]) -> bool:
        return any(name in run.metrics for name in _spellings(parts) for run in self._runs)

    def _metric(self, name: Name, parts: Sequence[str]) -> str:
        for spelling in _spellings(parts):
            if any(spelling in run.metrics for run in self._runs):
                return spelling
        raise FilterError(self._text, name.position, f"no metric {'.'.join(parts)!r}")


def _spellings(parts: Sequence[str]) -> Iterator[str]:
    """Return the names that dotted parts may mean: nested names are flattened with `/`."""
    yield ".".join(parts)
    yield "/".join(parts)


def _any(truths: Iterable[Truth]) -> Truth:
    unknown: Truth = False
    for truth in truths:
        if truth:
            return True
        if truth is None:
            unknown = None
    return unknown


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, dict)):
        return orjson.dumps(value).decode()
    return None if isinstance(value, float) and math.isnan(value) else _as_stored(value)


def _as_stored(value: Any) -> Any:
    """Return an integer beyond 64 bits as the nearest float, like the index."""
    return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else float(value)


def _is_comparable(a: Any, b: Any) -> bool:
    return any(isinstance(a, kind) and isinstance(b, kind) for kind in (bool, str, datetime)) or (
        _is_number(a) and _is_number(b)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_time(value: Any) -> datetime | None:
    """Return a time; of a text, the time that it writes in ISO 8601, in UTC unless it says otherwise."""
    return _parse_time(value) if isinstance(value, str) else value if isinstance(value, datetime) else None


@cache
def _parse_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _tag(run: RunView, name: str) -> str | bool | None:
    """Return the value of a tag such as `team=vision` or `team:vision`, True for a tag without one."""
    for tag in run.tags:
        if tag == name:
            return True
        if tag.startswith((f"{name}=", f"{name}:")):
            return tag[len(name) + 1 :]
    return None


def _like(read: Read, pattern: str, ignores_case: bool) -> Test:
    parts = (
        re.escape(part[-1]) if part.startswith("\\") else _WILDCARDS.get(part) or re.escape(part)
        for part in re.findall(r"\\.|.", pattern, re.DOTALL)
    )
    expression = re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignores_case else 0))

    def test(run: RunView) -> Truth:
        value = read(run)
        return expression.fullmatch(value) is not None if isinstance(value, str) else None

    return test

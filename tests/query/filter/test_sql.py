"""Filters as SQL: equal to a slow reference, and free of texts of the user."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runfolio.errors import FilterError
from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.parser import DEEPEST, LONGEST
from runfolio.query.filter.sql import compile_filter
from runfolio.query.filter.sql_groups import compile_groups
from runfolio.query.filter.sql_order import NEWEST_FIRST, compile_order
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.index.entries import ScannedRun
from runfolio.query.selection.figures import figure_of
from runfolio.record.base.flat_names import identity
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

from . import reference
from .index_database import IndexInMemory
from .stores import NOW, column_names, filters, scanned, stores

HOSTILE = """x"]) OR 1=1; DROP TABLE runs;--'{}"""
HOSTILE_TEXT = "'" + HOSTILE.replace("'", "''") + "'"


def _selected(where: str, index: IndexInMemory) -> set[str] | None:
    try:
        return set(index.folders(compile_filter(where, index.catalog, SQLITE, now=NOW), NEWEST_FIRST))
    except FilterError:
        return None


def _expected(where: str, index: IndexInMemory) -> set[str] | None:
    try:
        return {run.run_path for run in reference.select(where, index.runs, NOW)}
    except FilterError:
        return None


@settings(max_examples=100, deadline=None)
@given(runs=stores, data=st.data())
def test_sql_selects_the_runs_of_the_reference(runs: list[ScannedRun], data: st.DataObject):
    where, index = data.draw(filters(runs)), IndexInMemory(runs)
    assert _selected(where, index) == _expected(where, index)


@settings(max_examples=30, deadline=None)
@given(runs=stores, data=st.data())
def test_sql_sorts_like_the_reference(runs: list[ScannedRun], data: st.DataObject):
    index = IndexInMemory(runs)
    sort = data.draw(st.sampled_from(["", "-"])) + data.draw(column_names(runs))
    order = compile_order(sort, index.catalog, SQLITE, now=NOW)
    assert index.folders(sql("1"), order) == [run.run_path for run in reference.ordered(sort, index.runs)]


@settings(max_examples=20, deadline=None)
@given(runs=stores, data=st.data())
def test_sql_groups_runs_like_python(runs: list[ScannedRun], data: st.DataObject):
    index = IndexInMemory(runs)
    setting = data.draw(st.sampled_from([*sorted(index.catalog.params), ""]))
    metric = data.draw(st.sampled_from(sorted({*index.catalog.metrics, *index.catalog.results, "x"})))
    group_by = [f"params.{setting}"] if setting in index.catalog.params else []
    assume(metric in index.catalog.results or (metric in index.catalog.metrics and not is_system_metric(metric)))
    query = compile_groups(group_by, metric, "max", index.catalog, SQLITE, where=sql("1"), now=NOW)
    rows = index.rows(query)
    groups: dict[str, list[float]] = {}
    for run in index.runs:
        if figure := figure_of(run, metric, "max"):
            value = run.flat_config.get(setting) if group_by else None
            groups.setdefault(identity(value), []).append(figure.value)
    found = sorted((count, low, high) for *_, count, _, _, low, high in rows)
    expected = [(len(values), min(values), max(values)) for values in groups.values()]
    assert found == sorted(expected)


def test_spread_of_a_group_is_exact_for_close_figures():
    values = [1e9 + 0.001 * number for number in range(3)]
    runs = [scanned(str(value), RunDocument("id", "a", "b", NOW, summary={"loss": value})) for value in values]
    index = IndexInMemory(runs)
    query = compile_groups([], "loss", "min", index.catalog, SQLITE, where=sql("1"), now=NOW)
    ((count, mean, squares, lowest, highest),) = index.rows(query)
    assert (count, mean, lowest, highest) == (3, pytest.approx(values[1]), values[0], values[2])
    assert squares == pytest.approx(2e-6, rel=1e-3)


@pytest.fixture
def index() -> IndexInMemory:
    """Index of one run whose names and values are hostile."""
    config = {HOSTILE: HOSTILE, "lr": 0.1}
    document = RunDocument("id", HOSTILE, HOSTILE, NOW, config=config, summary={HOSTILE: 1.0}, tags=[HOSTILE])
    metrics = {HOSTILE: MetricSummary(1, 0, 0, 0.5, 0.5, 0, 0.5, 0, 0.5, 0)}
    return IndexInMemory([scanned("a", document, metrics)])


@pytest.mark.parametrize(
    "where",
    [
        f"params[{HOSTILE_TEXT}] = {HOSTILE_TEXT}",
        f"summary[{HOSTILE_TEXT}] > metrics[{HOSTILE_TEXT}].max",
        f"name IN ({HOSTILE_TEXT}, 'x') AND experiment LIKE {HOSTILE_TEXT}",
        f"tags[{HOSTILE_TEXT}]",
        f"params[{HOSTILE_TEXT}] BETWEEN {HOSTILE_TEXT} AND {HOSTILE_TEXT}",
    ],
)
def test_no_text_of_a_user_is_in_the_sql(index: IndexInMemory, where: str):
    condition = compile_filter(where, index.catalog, SQLITE, now=NOW)
    assert "DROP" not in condition.text
    assert set(condition.text) <= set(string.ascii_letters + string.digits + """ _.,?()"'<>=-+/|""")
    assert index.folders(condition, NEWEST_FIRST) == ["a"]


def test_every_filter_that_can_be_parsed_fits_into_sqlite(index: IndexInMemory):
    for where in (
        " OR ".join(["lr=2"] * 1_200) + " OR lr",
        " AND ".join(["lr"] * 1_400),
        "lr IN (" + ",".join(["1"] * 4_900) + ")",
        " OR ".join(["lr=lr"] * 1_100),
        "(lr OR lr AND " * DEEPEST + "lr" + ")" * DEEPEST,
        "(" * DEEPEST + "lr" + " AND lr) OR lr" * DEEPEST,
        "NOT (lr AND " * (DEEPEST // 2) + " OR ".join(["lr=1"] * 1_000) + ")" * (DEEPEST // 2),
        "NOT " * DEEPEST + "lr IS NULL",
    ):
        assert len(where) <= LONGEST
        index.folders(compile_filter(where, index.catalog, SQLITE, now=NOW), NEWEST_FIRST)


def test_names_are_those_of_the_catalog_and_not_of_the_remaining_runs(index: IndexInMemory):
    catalog = replace(index.catalog, params={**index.catalog.params, "momentum": 99})
    condition = compile_filter("momentum IS NULL", catalog, SQLITE, now=NOW)
    assert index.folders(condition, NEWEST_FIRST) == ["a"]


def test_time_out_of_range_is_one_clean_error(index: IndexInMemory):
    for interval in ("9999999 weeks", "1e999 d"):
        with pytest.raises(FilterError, match="before the year 1"):
            compile_filter(f"created > now() - interval '{interval}'", index.catalog, SQLITE, now=NOW)


def test_pattern_of_many_wildcards_takes_little_time(index: IndexInMemory):
    (matches,) = index.rows(Sql("SELECT runfolio_like(?, ?, 0)", ("a" * 10_000, "%a" * 200 + "%b")))[0]
    assert matches == 0

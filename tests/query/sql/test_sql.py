"""SQL on runs: what the tables hold, and that points are those of the readers."""

from __future__ import annotations

import sys

import pytest

import runfolio
from runfolio.errors import ConfigError, MissingExtra
from runfolio.query.store import Folio, open_folio


def rows(folio: Folio, query: str) -> list[tuple]:
    return [tuple(row.values()) for row in folio.sql(query).to_arrow().to_pylist()]


@pytest.fixture
def folio(store, write) -> Folio:
    write("a", config={"lr": 0.1, "model": "mlp"}, points={"loss": [3.0, 1.0, 2.0]}, summary={"test/acc": 0.7})
    write("b", config={"lr": 0.2, "amp": True}, points={"loss": [5.0]}, state="failed", reason="no luck")
    return open_folio(store)


def test_tables_hold_facts_settings_results_and_curves(folio):
    assert rows(folio, "SELECT name, state, reason FROM runs ORDER BY name") == [
        ("a", "finished", None),
        ("b", "failed", "no luck"),
    ]
    settings = "SELECT r.name, p.name, number, text FROM params p JOIN runs r ON p.run = r.id ORDER BY ALL"
    assert rows(folio, settings) == [
        ("a", "lr", 0.1, "0.1"),
        ("a", "model", None, "mlp"),
        ("b", "amp", None, "true"),
        ("b", "lr", 0.2, "0.2"),
    ]
    assert rows(folio, "SELECT name, number FROM summary") == [("test/acc", 0.7)]
    curves = "SELECT count, last, min, min_step, max, best FROM metrics WHERE name = 'loss' ORDER BY count"
    assert rows(folio, curves) == [(1, 5.0, 5.0, 0, 5.0, 5.0), (3, 2.0, 1.0, 1, 3.0, 1.0)]


def test_points_hold_every_point_of_sealed_runs(folio):
    expected = [(run.id, step, value) for run in folio.runs() for step, value in _curve(run)]
    assert sorted(rows(folio, "SELECT run, step, value FROM points WHERE metric = 'loss'")) == sorted(expected)
    newest = folio.runs()[0]
    assert rows(folio, f"SELECT count(*) FROM points WHERE run = '{newest.id}' AND metric = 'loss'") == [(1,)]


def test_points_hold_those_of_live_and_of_resumed_runs(store, write):
    write("sealed", points={"loss": [1.0]})
    with runfolio.init("resumed", store=store) as run:
        run.log({"loss": 3.0}, step=0)
        run.checkpoint(step=1)
        run.log({"loss": 2.0}, step=1)
    with runfolio.init(resume=run.id, store=store) as resumed:
        resumed.log({"loss": 1.0}, step=1)
    with runfolio.init("live", store=store) as live:
        live.log({"loss": 9.0}, step=4)
        live.flush()
        folio = open_folio(store)
        losses = "SELECT step, value FROM points JOIN runs ON run = id WHERE metric = 'loss' AND name = '{}' ORDER BY 1"

        assert rows(folio, losses.format("live")) == [(4, 9.0)]
        assert rows(folio, losses.format("resumed")) == _curve(folio.run("resumed"))
        assert rows(folio, "SELECT count(DISTINCT run) FROM points, (SELECT count(*) FROM points)") == [(3,)]


def test_points_of_folders_with_quotes_and_patterns_are_read(store, write):
    first, second = write("a", points={"loss": [1.0]}), write("b", points={"loss": [2.0]})
    first.rename(first.with_name("it's a 'run'"))
    second.rename(second.with_name("a[*]?"))
    folio = open_folio(store)

    assert sorted(rows(folio, "SELECT value FROM points WHERE metric = 'loss'")) == [(1.0,), (2.0,)]


def test_only_the_files_of_selected_runs_are_read(folio):
    (damaged,) = (folio.run("b").folder / "metrics").glob("segment-*.parquet")
    damaged.write_bytes(b"PAR1")
    stale = folio.runs(where="lr < 0.15")

    count = folio.sql("SELECT count(*) AS n FROM points WHERE metric = 'loss'", stale).to_arrow()
    assert count["n"].to_pylist() == [3]


def test_damaged_points_do_not_stop_a_query(folio):
    (segment,) = (folio.run("b").folder / "metrics").glob("segment-*.parquet")
    segment.write_bytes(segment.read_bytes()[:-30])

    assert rows(folio, "SELECT count(*) FROM points WHERE metric = 'loss'") == [(3,)]


def test_results_are_frames_with_different_names(folio):
    result = folio.sql("SELECT 1 AS a, 2 AS a, sum(step) AS s FROM points WHERE metric = 'loss'")

    assert result.to_polars().rows() == [(1, 2, 3)]
    assert result.to_pandas().columns.tolist() == ["a", "a_2", "s"]
    assert len(result) == 1


def test_explain_describe_and_show_are_allowed(folio):
    assert [name for (name,) in rows(folio, "show tables;")] == ["metrics", "params", "points", "runs", "summary"]
    assert rows(folio, "DESCRIBE points")[0][:2] == ("run", "VARCHAR")
    assert rows(folio, "EXPLAIN ANALYZE SELECT * FROM points")


def test_errors_are_one_line_with_a_remedy(folio):
    with pytest.raises(ConfigError) as error:
        folio.sql("SELECT lrr FROM params")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(
        "the tables are runs, params, summary, metrics, points; `DESCRIBE points` lists the columns of a table"
    )
    with pytest.raises(ConfigError, match=r"^the SQL cannot be run: .* at or near \"selec\"; only one SELECT"):
        folio.sql("selec 1")


def test_missing_duckdb_is_named_with_its_extra(folio, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'runfolio\[sql\]'"):
        folio.sql("SELECT 1")


def _curve(run) -> list[tuple[int, float]]:
    curve = run.metric("loss")
    return list(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))

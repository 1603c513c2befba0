"""`runfolio export` and `runfolio sql`: other programs read the files, and nothing is overwritten silently."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

import runfolio as rf
from runfolio.query.store import open_folio


@pytest.fixture
def store(store: Path) -> Path:
    """A store with two runs. One has all strings and numbers that a format could get wrong."""
    with rf.init("plain", store=store, config={"lr": 0.1}) as run:
        for step in range(3):
            run.log({"loss": 1.0 / (step + 1), "acc": 0.5}, step=step)
    with rf.init("=1+1", store=store, config={"lr": 0.5, "word": "@sum"}) as run:
        for step, value in enumerate([math.nan, math.inf, -math.inf, -0.1, 1e-300]):
            run.log({"-loss": value, 'a "b", c': value}, step=step)
    return store


def test_parquet_is_read_by_pandas_polars_and_duckdb(runfolio, store: Path, tmp_path: Path):
    assert runfolio("export", "parquet", "--store", store, "--out", "out").exit_code == 0

    points = open_folio(store).runs().points().to_pandas()
    read = pd.read_parquet(tmp_path / "out" / "points.parquet")
    pd.testing.assert_frame_equal(read.astype({"metric": str, "id": str, "name": str}), points.astype(str_columns()))
    assert pl.read_parquet(tmp_path / "out" / "runs.parquet")["name"].to_list() == ["=1+1", "plain"]
    count = duckdb.execute(f"SELECT count(*) FROM '{tmp_path}/out/points.parquet'").fetchall()
    assert count == [(len(points),)]


def str_columns() -> dict[str, type]:
    return {"metric": str, "id": str, "name": str}


def test_no_text_of_an_exported_csv_is_a_formula(runfolio, store: Path):
    text = runfolio("export", "csv", "--store", store, "--out", "-").stdout
    rows = list(csv.DictReader(io.StringIO(text)))

    assert {row["name"] for row in rows} == {"plain", "'=1+1"}
    assert {row["metric"] for row in rows} == {"loss", "acc", "'-loss", 'a "b", c'}
    assert [row["value"] for row in rows if row["metric"] == "'-loss"] == [
        "NaN",
        "Infinity",
        "-Infinity",
        "-0.1",
        "1e-300",
    ]
    runs = list(
        csv.DictReader(io.StringIO(runfolio("export", "csv", "--table", "runs", "--store", store, "--out", "-").stdout))
    )
    assert [run["params.word"] for run in runs] == ["'@sum", ""]


def test_exported_json_is_valid_and_names_the_numbers_that_it_lacks(runfolio, store: Path):
    rows = json.loads(runfolio("export", "json", "--store", store, "--metrics", "-loss", "--out", "-").stdout)

    assert [row["value"] for row in rows] == ["NaN", "Infinity", "-Infinity", -0.1, 1e-300]


def test_runs_and_metrics_can_be_chosen(runfolio, store: Path, tmp_path: Path):
    runfolio("export", "csv", "plain", "--metrics", "loss", "--out", "one.csv", "--store", store)
    runfolio("export", "csv", "--where", "lr > 0.2", "--table", "runs", "--out", "two.csv", "--store", store)

    assert pd.read_csv(tmp_path / "one.csv")["value"].tolist() == [1.0, 0.5, 1 / 3]
    assert pd.read_csv(tmp_path / "two.csv")["name"].tolist() == ["'=1+1"]


def test_existing_files_are_not_overwritten_unless_asked(runfolio, store: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "points.json").write_text("mine")
    refused = runfolio("export", "json", "--store", store, "--out", "out")

    assert refused.exit_code == 2
    assert "points.json exists; name another file with --out, or add --overwrite" in refused.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["points.json"]
    assert (tmp_path / "out" / "points.json").read_text() == "mine"
    assert runfolio("export", "json", "--store", store, "--out", "out", "--overwrite").exit_code == 0
    assert len(json.loads((tmp_path / "out" / "points.json").read_text())) == 16


def test_failed_export_leaves_no_file(runfolio, store: Path, tmp_path: Path):
    refused = runfolio("export", "csv", "--metrics", "los", "--store", store, "--out", "points.csv")

    assert refused.exit_code == 2
    assert "no run here has a metric 'los'; did you mean loss" in refused.stderr
    assert not list(tmp_path.glob("*points.csv"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["parquet", "--out", "-"], "Parquet cannot be written to stdout"),
        (["csv", "--out", "points.json"], "points.json does not end in .csv"),
        (
            ["csv", "plain", "--where", "lr > 0", "--out", "x.csv"],
            "name runs or select them with filters, but not both",
        ),
        (["csv", "--where", "lr > 9", "--out", "x.csv"], "matches"),
        (["csv", "--out", "file/out"], "cannot write file/out/runs.csv: Not a directory"),
    ],
)
def test_mistakes_are_named(runfolio, store: Path, words: list[str], message: str):
    Path("file").touch()
    done = runfolio("export", *words, "--store", store)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_sql_prints_a_table_csv_or_json(runfolio, store: Path):
    query = "SELECT name, count(*) AS n FROM runs JOIN points ON run = id GROUP BY name ORDER BY name"

    assert runfolio("sql", query, "--store", store).stdout.split()[-4:] == ["=1+1", "10", "plain", "6"]
    assert runfolio("sql", query, "--csv", "--store", store).stdout == "name,n\n'=1+1,10\nplain,6\n"
    only = runfolio("sql", query, "--json", "--where", "lr < 0.2", "--store", store).stdout
    assert json.loads(only) == [{"name": "plain", "n": 6}]


def test_sql_that_writes_is_refused_in_one_line(runfolio, store: Path):
    done = runfolio("sql", f"COPY runs TO '{store}/x.csv'", "--store", store)

    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "only one SELECT or EXPLAIN SELECT is allowed" in done.stderr
    assert not (store / "x.csv").exists()

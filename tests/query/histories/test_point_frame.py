"""Points of runs as tables: long, wide, aligned, resampled, and as means of groups."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import polars as pl
import pytest

import runfolio
from runfolio.errors import ConfigError, MissingExtra, NotFound
from runfolio.query.store import open_folio


def rows(frame) -> list[dict]:
    return frame.to_arrow().to_pylist()


def test_points_are_equal_in_arrow_pandas_and_polars(store, write):
    write("a", points={"acc": [0.5, 0.75]})
    points = open_folio(store).runs().points("acc")

    expected = [("a", "acc", 0, 0.5), ("a", "acc", 1, 0.75)]
    assert points.to_polars().select("name", "metric", "step", "value").rows() == expected
    assert list(points.to_pandas()[["name", "metric", "step", "value"]].itertuples(index=False, name=None)) == expected
    assert [tuple(row[key] for key in ("name", "metric", "step", "value")) for row in rows(points)] == expected
    assert points.to_polars().schema["time"] == pl.Datetime("us", "UTC")


def test_wide_table_has_a_column_per_metric_and_null_for_missing(store, write):
    write("a", points={"acc": [0.5], "loss": [2.0, math.nan]})
    frame = open_folio(store).run("a").points(wide=True)

    (first, second) = rows(frame)
    assert first == {"step": 0, "acc": 0.5, "loss": 2.0}
    assert (second["step"], second["acc"], math.isnan(second["loss"])) == (1, None, True)


def test_metrics_are_aligned_by_epoch(store):
    with runfolio.init("net", store=store) as run:
        for step in range(4):
            run.log({"loss": 4.0 - step, "epoch": step // 2}, step=step)
            if step % 2:
                run.log({"val/loss": 10.0 * step, "epoch": step // 2}, step=step)
    table = rows(open_folio(store).run("net").points("loss", "val/loss", x="epoch", wide=True))

    assert table == [{"epoch": 0.0, "loss": 3.0, "val/loss": 10.0}, {"epoch": 1.0, "loss": 1.0, "val/loss": 30.0}]


def test_time_is_the_seconds_since_the_start(store, write):
    write("a", points={"loss": [2.0, 1.0]})
    seconds = open_folio(store).run("a").points("loss", x="time").to_arrow()["seconds"].to_pylist()

    assert 0 <= seconds[0] <= seconds[1] < 60


def test_resampling_keeps_every_spike_as_minimum_or_maximum(store, write):
    write("a", points={"loss": [1.0, 1.0, 900.0, 1.0, math.nan, 3.0]})
    frame = open_folio(store).run("a").points("loss", every=3)

    assert rows(frame) == [
        {"metric": "loss", "step": 0, "value": pytest.approx(902 / 3), "min": 1.0, "max": 900.0, "count": 3},
        {"metric": "loss", "step": 3, "value": 2.0, "min": 1.0, "max": 3.0, "count": 3},
    ]


def test_groups_have_a_mean_an_interval_and_a_number_of_runs(store, write):
    for seed, loss in enumerate([1.0, 3.0]):
        write(f"a{seed}", config={"lr": 0.1, "seed": seed}, points={"loss": [loss] * (2 + seed)})
    write("b", config={"lr": 0.2, "seed": 0}, points={"loss": [7.0]})
    frame = open_folio(store).runs().points("loss", group_by="lr", spread="minmax")

    assert [tuple(row.values()) for row in rows(frame)] == [
        ("lr=0.2", "loss", 0.0, 7.0, 7.0, 7.0, 1),
        ("lr=0.1", "loss", 0.0, 2.0, 1.0, 3.0, 2),
        ("lr=0.1", "loss", 1.0, 2.0, 1.0, 3.0, 2),
        ("lr=0.1", "loss", 2.0, 3.0, 3.0, 3.0, 1),
    ]
    wide = open_folio(store).runs().points("loss", group_by="lr", wide=True, every=10).to_arrow()
    assert wide.column_names == ["group", "step", "loss", "loss.low", "loss.high", "loss.runs"]


def test_means_of_groups_keep_the_spike_of_one_run_when_resampled(store, write):
    write("a", config={"seed": 0}, points={"loss": [1.0] * 5 + [800.0] + [1.0] * 4})
    write("b", config={"seed": 1}, points={"loss": [1.0] * 10})
    (row,) = rows(open_folio(store).runs().points("loss", group_by="experiment", spread="minmax", every=10))

    assert (row["low"], row["high"], row["runs"]) == (1.0, 800.0, 2)


def test_batches_hold_the_points_of_the_whole_table(store, write):
    write("a", points={"acc": [0.5, 0.75], "loss": [2.0]})
    write("b", points={"loss": [1.0]})
    points = open_folio(store).runs().points()

    assert points.batches().read_all().to_pylist() == points.to_arrow().to_pylist()
    with pytest.raises(ConfigError, match="omit x, wide, every and group_by"):
        open_folio(store).runs().points(wide=True).batches()


def test_points_of_a_resumed_run_are_those_of_the_newest_branch(store):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 3.0}, step=0)
        run.checkpoint(step=1)
        run.log({"loss": 2.0}, step=1)
    with runfolio.init(resume=run.id, store=store) as resumed:
        resumed.log({"loss": 1.0}, step=1)
    (recorded,) = open_folio(store).runs()

    logged = recorded.metric("loss").values.tolist()
    assert recorded.points().to_arrow()["value"].to_pylist() == logged
    assert logged == [3.0, 1.0]


def test_damage_found_while_streaming_loses_only_its_part(store, write):
    folder = write("a", points={"acc": [0.5], "loss": [float(step) for step in range(30_000)]})
    before = open_folio(store).run("a")
    (segment,) = (folder / "metrics").glob("segment-*.parquet")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)

    frame = before.points().to_arrow().to_pandas()
    assert frame[frame["metric"] == "acc"]["value"].tolist() == [0.5]
    assert len(frame) < 30_001


def test_unknown_metrics_and_options_are_refused(store, write):
    write("a", points={"loss": [1.0]})
    runs = open_folio(store).runs()

    with pytest.raises(NotFound, match="no run here has a metric 'los'; did you mean loss"):
        runs.points("los")
    with pytest.raises(ConfigError, match="every is 0; it must be a number above 0"):
        runs.points(every=0)
    with pytest.raises(ConfigError, match="the spread is 'sd'"):
        runs.points(group_by="lr", spread="sd")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_missing_library_is_named_with_its_extra(store, write, monkeypatch, library: str):
    write("a", points={"loss": [1.0]})
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MissingExtra, match=rf"pip install 'runfolio\[{library}\]'"):
        getattr(open_folio(store).runs(), f"to_{library}")()


def test_settings_of_several_types_become_texts(store, write):
    write("a", config={"lr": 0.1, "depth": 3, "flag": True, "mixed": 1})
    write("b", config={"lr": 1, "depth": 2**70, "flag": False, "mixed": [1, "x"]})
    table = open_folio(store).runs().to_arrow().to_pydict()

    assert table["params.lr"] == [1.0, 0.1]
    assert table["params.flag"] == [False, True]
    assert table["params.mixed"] == ['[1,"x"]', "1"]
    assert table["params.depth"] == [2.0**70, 3.0] or table["params.depth"] == [str(2**70), "3"]


def test_curve_is_a_table_and_can_be_thinned(store, write):
    write("a", points={"loss": [1.0] * 500 + [9.0] + [1.0] * 500})
    curve = open_folio(store).run("a").metric("loss")

    assert curve.to_arrow().column_names == ["step", "time", "x", "value"]
    thinned = curve.thinned(10)
    assert len(thinned) <= 40
    assert thinned.steps[thinned.values.argmax()] == 500


def test_long_curves_are_read_in_bounded_memory(store, tmp_path: Path, fresh_python):
    from benchmarks.store_generator import Shape, generate

    generate(store, 1, Shape(metrics=1, points=2_000_000))
    script = """
import resource, sys, runfolio
run = runfolio.open(sys.argv[1]).runs()[0]
run.points().batches().read_next_batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(batch.num_rows for batch in run.points().batches())
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = fresh_python(script, store)
    assert done.returncode == 0, done.stderr
    count, kilobytes = map(int, done.stdout.split())
    assert count == 2_000_000
    assert kilobytes < 50_000, done.stderr

"""Points: every log call exactly once, whatever files it stands in."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.errors import NotFound
from runfolio.record import covers, disk, seal, segment, tail
from runfolio.record.alive import Heartbeat
from runfolio.record.document import Attempt, RunDocument, now
from runfolio.record.layout import ALIVE, METRICS, segment_path, tail_path
from runfolio.record.points import PointFiles
from runfolio.record.tail import LogCall


def make_run(folder: Path, attempts: list[Attempt] | None = None) -> Path:
    (folder / METRICS).mkdir(parents=True)
    document = RunDocument("aaaaaaaa", "net", "demo", now())
    document.attempts = attempts or [Attempt(1, None, {}, "w1", now())]
    document.write(folder)
    (folder / ALIVE).mkdir()
    for attempt in document.attempts:
        beat(folder, attempt.writer, attempt.attempt, end="finished")
    return folder


def beat(folder: Path, writer: str, attempt: int = 1, *, end: str | None = None) -> None:
    heartbeat = Heartbeat.of_this_process(writer, attempt, 5.0)
    heartbeat.end = end
    heartbeat.write(folder)


def write_tail(folder: Path, number: int, seqs: range, writer: str = "w1", attempt: int = 1) -> None:
    calls = [LogCall(seq, seq * 1000, seq - 1, {"loss": 1 / seq, "acc": seq / 100}) for seq in seqs]
    tail_path(folder, writer, number).write_bytes(tail.header(writer, attempt) + tail.encode(calls))


def make_old(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 90 log calls in three tails."""
    folder = make_run(tmp_path / "run")
    for number, start in enumerate((1, 31, 61), start=1):
        write_tail(folder, number, range(start, start + 30))
    return folder


def test_points_are_read_in_order_of_arrival(run: Path):
    points = PointFiles(run).read("loss")
    assert points.steps.tolist() == list(range(90))
    assert points.values.tolist() == [1 / seq for seq in range(1, 91)]
    assert points.times_us.tolist() == [seq * 1000 for seq in range(1, 91)]
    assert set(points.attempts.tolist()) == {1}


def test_an_unknown_metric_is_answered_with_the_nearest(run: Path):
    with pytest.raises(NotFound, match="has no metric 'los'; did you mean loss"):
        PointFiles(run).read("los")


def test_sealing_compacting_and_sweeping_change_no_point(run: Path):
    def look() -> dict[str, list]:
        files = PointFiles(run)
        assert files.problems == []
        return {name: files.read(name).values.tolist() for name in files.names()}

    before = look()
    seal.seal_tail(run, "w1", 1)
    seal.seal_tail(run, "w1", 2)
    assert look() == before
    make_old(segment_path(run, "w1", 1))
    assert seal.sweep(run, after_s=100) == 1
    assert look() == before
    seal.compact(run, "w1", 4)
    assert look() == before
    assert seal.sweep(run) == 4  # on a local disk, at once
    assert look() == before
    assert [path.name for path in (run / METRICS).iterdir()] == ["segment-w1-4.parquet"]


def test_a_tail_just_begun_is_never_swept(run: Path):
    """Only its header can be read yet; the writer has it open and goes on writing."""
    seal.compact(run, "w1", 4)
    begun = tail_path(run, "w1", 5)
    begun.write_bytes(tail.header("w1", 1) + b'{"seq":91,"time_us":')
    seal.sweep(run, after_s=0)
    assert [path.name for path in (run / METRICS).iterdir() if path.suffix == ".jsonl"] == [begun.name]


@pytest.mark.parametrize("wrong", [{"seq": ["91"]}, {"value": ["low"]}, {"metric": [None]}, {"value": [None]}])
def test_a_segment_of_other_columns_is_told_and_the_rest_is_read(run: Path, wrong: dict):
    good = {"metric": ["loss"], "step": [90], "time_us": [1], "value": [1.0], "writer": ["w9"], "seq": [91]}
    plain = {"metric": pa.string(), "writer": pa.string()}
    types = {
        entry.name: plain.get(entry.name, entry.type)
        for entry in segment.SCHEMA
        if not any(isinstance(x, str) for x in wrong.get(entry.name, ()))
    }
    table = pa.table(
        {name: pa.array(values, types.get(name)) for name, values in {**good, "attempt": [1], **wrong}.items()}
    )
    about = {b"runfolio": b'{"runfolio":0,"covers":{"w9":[[91,91]]}}'}
    pq.write_table(table.replace_schema_metadata(about), segment_path(run, "w9", 1))
    files = PointFiles(run)
    assert len(files.read("loss")) == 90
    assert "segment-w9-1.parquet is damaged" in files.problems[0]


def test_a_fresh_segment_on_a_network_disk_sweeps_nothing_yet(run: Path):
    seal.compact(run, "w1", 4)
    assert seal.sweep(run, after_s=seal.STALE_VIEW_S) == 0


def test_a_disk_of_a_kind_not_known_to_be_local_is_taken_for_a_network_disk():
    assert disk.is_local(Path("/dev/shm"))
    assert not disk.is_local(Path("/proc"))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_call_is_read_once_whatever_files_a_reader_sees(data: st.DataObject, tmp_path_factory):
    """Tails, the segments made of them and a compacted one may be there or gone in any mixture that holds all."""
    run = make_run(tmp_path_factory.mktemp("stale") / "run")
    for number, start in enumerate((1, 31, 61), start=1):
        write_tail(run, number, range(start, start + 30))
        seal.seal_tail(run, "w1", number)
    seal.compact(run, "w1", 4)

    if not data.draw(st.booleans(), label="compacted segment is seen"):
        segment_path(run, "w1", 4).unlink()
        for number in (1, 2, 3):
            keep = data.draw(st.sampled_from(["tail", "segment", "both"]), label=f"part {number}")
            if keep == "tail":
                segment_path(run, "w1", number).unlink()
            elif keep == "segment":
                tail_path(run, "w1", number).unlink()
    else:
        for path in (
            *(tail_path(run, "w1", n) for n in (1, 2, 3)),
            *(segment_path(run, "w1", n) for n in (1, 2, 3)),
        ):
            if data.draw(st.booleans(), label=f"{path.name} is gone"):
                path.unlink()

    assert PointFiles(run).read("loss").steps.tolist() == list(range(90))
    assert PointFiles(run).summaries()["acc"].count == 90


def test_segments_that_overlap_in_part_double_no_point(tmp_path: Path):
    """Sealed from tails that were begun before the one before had ended."""
    run = make_run(tmp_path / "run")
    for number, seqs in ((4, range(1, 61)), (5, range(31, 91))):
        write_tail(run, number, seqs)
        seal.seal_tail(run, "w1", number)
        tail_path(run, "w1", number).unlink()

    assert PointFiles(run).read("loss").steps.tolist() == list(range(90))
    assert PointFiles(run).summaries()["acc"].count == 90
    seal.compact(run, "w1", 6)
    seal.sweep(run, after_s=0)
    assert [path.name for path in (run / METRICS).iterdir()] == ["segment-w1-6.parquet"]
    assert PointFiles(run).read("loss").steps.tolist() == list(range(90))


def test_a_damaged_segment_is_told_and_the_tail_it_was_made_of_still_serves(run: Path):
    seal.seal_tail(run, "w1", 2)
    path = segment_path(run, "w1", 2)
    path.write_bytes(path.read_bytes()[:-30])

    files = PointFiles(run)

    assert files.read("loss").steps.tolist() == list(range(90))
    assert len(files.problems) == 1
    assert "segment-w1-2.parquet is damaged" in files.problems[0]


def test_a_flipped_byte_in_a_page_is_noticed(run: Path):
    seal.compact(run, "w1", 4)
    for number in (1, 2, 3):
        tail_path(run, "w1", number).unlink()
    path = segment_path(run, "w1", 4)
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    data[column.data_page_offset + column.total_compressed_size - 3] ^= 0x10
    path.write_bytes(bytes(data))

    files = PointFiles(run)
    assert len(files.read("loss")) == 0
    assert "segment-w1-4.parquet is damaged" in files.problems[0]


def test_a_large_metric_has_row_groups_of_its_own_and_small_ones_share(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    count = segment.OWN_GROUP_POINTS
    calls = [
        LogCall(seq, seq, seq, {"large": 1.0, **({"a": 2.0, "z": 3.0} if seq % 100 == 0 else {})})
        for seq in range(1, count + 1)
    ]
    tail_path(folder, "w1", 1).write_bytes(tail.header("w1", 1) + tail.encode(calls))
    seal.compact(folder, "w1", 2)

    metadata = pq.ParquetFile(segment_path(folder, "w1", 2)).metadata
    groups = [
        (metadata.row_group(n).column(0).statistics.min, metadata.row_group(n).num_rows)
        for n in range(metadata.num_row_groups)
    ]

    assert groups == [("a", 100), ("large", count), ("z", 100)]


def test_a_segment_is_plain_parquet_for_everybody(run: Path):
    seal.compact(run, "w1", 4)
    frame = pq.read_table(segment_path(run, "w1", 4)).to_pandas()
    assert list(frame.columns) == ["metric", "step", "time_us", "value", "attempt", "writer", "seq"]
    assert frame[frame.metric == "acc"].value.tolist() == [seq / 100 for seq in range(1, 91)]


def test_a_resumed_run_shows_its_newest_branch_and_keeps_the_abandoned_one(tmp_path: Path):
    """Killed at 50, resumed from the checkpoint at 40: one clean curve, both branches readable."""
    attempts = [Attempt(1, None, {}, "w1", now()), Attempt(2, 1, {"w1": 40}, "w2", now())]
    folder = make_run(tmp_path / "run", attempts)
    write_tail(folder, 1, range(1, 51))
    calls = [LogCall(seq, seq, 39 + seq, {"loss": -seq}) for seq in range(1, 21)]
    tail_path(folder, "w2", 1).write_bytes(tail.header("w2", 2) + tail.encode(calls))

    for _ in ("as tails", "as one segment"):
        files = PointFiles(folder)
        newest = files.read("loss")
        assert newest.steps.tolist() == list(range(60))
        assert newest.values.tolist() == [1 / seq for seq in range(1, 41)] + [-seq for seq in range(1, 21)]
        everything = files.read("loss", branch="all")
        assert len(everything) == 70
        assert everything.attempts.tolist() == [1] * 50 + [2] * 20
        assert files.summaries()["loss"].last == -20
        seal.compact(folder, "w2", 2)


def test_extremes_pass_over_nan(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    values = [float("nan"), 3.0, 1.0, float("inf"), 2.0]
    calls = [LogCall(n + 1, n, n, {"loss": value, "broken": float("nan")}) for n, value in enumerate(values)]
    tail_path(folder, "w1", 1).write_bytes(tail.header("w1", 1) + tail.encode(calls))

    loss, broken = (PointFiles(folder).summaries()[name] for name in ("loss", "broken"))

    assert (loss.count, loss.nan, loss.last) == (5, 1, 2.0)
    assert (loss.min, loss.min_step, loss.max, loss.max_step) == (1.0, 2, float("inf"), 3)
    assert broken.nan == 5
    assert np.isnan([broken.min, broken.max, broken.last]).all()


ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(a=ranges, b=ranges)
def test_merged_ranges_hold_exactly_what_either_held(a: list, b: list):
    def members(pairs: list) -> set[int]:
        return {seq for first, last in pairs for seq in range(first, last + 1)}

    merged = covers.merge({"w": a}, {"w": b})["w"]

    assert members(merged) == members(a) | members(b)
    assert all(one[1] + 1 < two[0] for one, two in itertools.pairwise(merged))
    assert covers.contains({"w": merged}, {"w": a})


def test_a_footer_that_was_changed_is_told_and_never_shown_to_arrow(run: Path):
    """Arrow ends the whole process over some of them, and believes others."""
    seal.compact(run, "w1", 4)
    path = segment_path(run, "w1", 4)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    for offset in range(len(data) - 8 - footer, len(data) - 8, 7):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        files = PointFiles(run)
        assert files.read("loss").steps.tolist() == list(range(90))
        assert files.problems == [f"{path} is damaged (its footer is not what was written)"]

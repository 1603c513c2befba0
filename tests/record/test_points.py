"""Every log call is read exactly once, whichever files it is in."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.errors import DamagedFile, NotFound
from runfolio.record.base import disk, file_bounds
from runfolio.record.base.layout import ALIVE, METRICS, segment_path, tail_path
from runfolio.record.base.run_document import Attempt, RunDocument, now
from runfolio.record.liveness.heartbeats import End, Heartbeat
from runfolio.record.points import compaction, segment_files, seq_ranges, tails
from runfolio.record.points.metric_summary import MetricSummary
from runfolio.record.points.reader import PointFiles
from runfolio.record.points.tails import LogCall
from runfolio.repair.row_groups import scan_segment


def make_run(folder: Path, attempts: list[Attempt] | None = None) -> Path:
    (folder / METRICS).mkdir(parents=True)
    document = RunDocument("aaaaaaaa", "net", "demo", now())
    document.attempts = attempts or [Attempt(1, None, {}, "w1", now())]
    document.write(folder)
    (folder / ALIVE).mkdir()
    for attempt in document.attempts:
        beat(folder, attempt.writer, attempt.attempt, end="finished")
    return folder


def beat(
    folder: Path,
    writer: str,
    attempt: int = 1,
    *,
    end: End | None = None,
    host: str | None = None,
    pid_started: float | None = None,
) -> None:
    """Write the heartbeat of this process as a writer, with the given changes."""
    heartbeat = Heartbeat.of_this_process(writer, attempt, 5.0)
    heartbeat.end = end
    heartbeat.host = host or heartbeat.host
    heartbeat.pid_started = pid_started or heartbeat.pid_started
    heartbeat.write(folder)


def write_tail(folder: Path, number: int, seqs: range, writer: str = "w1", attempt: int = 1) -> None:
    calls = [LogCall(seq, seq * 1000, seq - 1, {"loss": 1 / seq, "acc": seq / 100}) for seq in seqs]
    tail_path(folder, writer, number).path.write_bytes(tails.header(writer, attempt) + tails.encode(calls))


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
    compaction.seal_tail(run, "w1", 1)
    compaction.seal_tail(run, "w1", 2)
    assert look() == before
    make_old(segment_path(run, "w1", 1).path)
    assert compaction.sweep(run, after_s=100) == 1
    assert look() == before
    compaction.compact(run, "w1", 4)
    assert look() == before
    assert compaction.sweep(run) == 4  # on a local disk, at once
    assert look() == before
    assert [path.name for path in (run / METRICS).iterdir()] == ["segment-w1-4.parquet"]


def test_new_tail_is_never_removed(run: Path):
    """Only the header of the tail can be read yet; the writer has the tail open and continues to write."""
    compaction.compact(run, "w1", 4)
    begun = tail_path(run, "w1", 5).path
    begun.write_bytes(tails.header("w1", 1) + b'{"seq":91,"time_us":')
    compaction.sweep(run, after_s=0)
    assert [path.name for path in (run / METRICS).iterdir() if path.suffix == ".jsonl"] == [begun.name]


@pytest.mark.parametrize("wrong", [{"seq": ["91"]}, {"value": ["low"]}, {"metric": [None]}, {"value": [None]}])
def test_segment_of_unknown_columns_is_reported_and_skipped(run: Path, wrong: dict):
    good = {"metric": ["loss"], "step": [90], "time_us": [1], "value": [1.0], "writer": ["w9"], "seq": [91]}
    plain = {"metric": pa.string(), "writer": pa.string()}
    types = {
        entry.name: plain.get(entry.name, entry.type)
        for entry in segment_files.SCHEMA
        if not any(isinstance(x, str) for x in wrong.get(entry.name, ()))
    }
    table = pa.table(
        {name: pa.array(values, types.get(name)) for name, values in {**good, "attempt": [1], **wrong}.items()}
    )
    about = {b"runfolio": b'{"runfolio":0,"covers":{"w9":[[91,91]]}}'}
    pq.write_table(table.replace_schema_metadata(about), segment_path(run, "w9", 1).path)
    files = PointFiles(run)
    assert len(files.read("loss")) == 90
    assert "segment-w9-1.parquet is damaged" in files.problems[0]


def test_a_fresh_segment_on_a_network_disk_sweeps_nothing_yet(run: Path):
    compaction.compact(run, "w1", 4)
    assert compaction.sweep(run, after_s=compaction.STALE_VIEW_S) == 0


def test_disk_of_unknown_kind_is_treated_as_a_network_disk():
    assert disk.is_local(Path("/dev/shm"))
    assert not disk.is_local(Path("/proc"))


class Life:
    """History of a run's files from the first tail to the last sweep: each file that ever existed, in its last state.

    There are 60 log calls; every seventh is a picture, which has no point. Some tails overlap. Others leave a gap,
    which a tail from the spool fills later.
    """

    def __init__(self, folder: Path, data: st.DataObject) -> None:
        self.folder = make_run(folder)
        self.ever: dict[Path, bytes] = {}
        bounds = sorted(data.draw(st.sets(st.integers(2, 60), max_size=4), label="tails begin at"))
        pieces = list(itertools.pairwise([1, *bounds, 61]))
        wider = [(first, min(stop + data.draw(st.integers(0, 12)), 61)) for first, stop in pieces]
        late = data.draw(st.permutations(wider), label="tails in the order of their names")
        for number, (first, stop) in enumerate(late, start=1):
            if not (seqs := [seq for seq in range(first, stop) if seq % 7]):
                continue
            self.write(number, seqs)
            if data.draw(st.booleans(), label=f"tail {number} is sealed"):
                compaction.seal_tail(self.folder, "w1", number)
            self.note()
            task = data.draw(st.sampled_from(["nothing", "sweep", "compact", "compact and sweep"]))
            if "compact" in task:
                compaction.compact(self.folder, "w1", 100)
                self.note()
            if "sweep" in task:
                compaction.sweep(self.folder, after_s=0)

    def write(self, number: int, seqs: list[int]) -> None:
        calls = [LogCall(seq, seq * 1000, seq - 1, values(seq)) for seq in seqs]
        tail_path(self.folder, "w1", number).path.write_bytes(tails.header("w1", 1) + tails.encode(calls))

    def note(self) -> None:
        self.ever.update({path: path.read_bytes() for path in (self.folder / METRICS).iterdir()})


def values(seq: int) -> dict[str, float]:
    return {"loss": 1 / seq, **({"acc": seq / 100} if seq % 3 == 0 else {})}


def held(path: Path, content: bytes) -> set[int]:
    """Return the seqs in a whole file, or in a tail cut anywhere, without the code of the reader."""
    if path.suffix == ".jsonl":
        return {json.loads(line)["seq"] for line in content.split(b"\n")[1:-1]}
    return set(pq.read_table(pa.BufferReader(content))["seq"].to_pylist())


def check(folder: Path, seqs: set[int]) -> None:
    files = PointFiles(folder)
    for name in ("loss", "acc"):
        expected = [seq for seq in sorted(seqs) if name in values(seq)]
        if expected:
            points = files.read(name)
            assert points.steps.tolist() == [seq - 1 for seq in expected]
            assert points.values.tolist() == [values(seq)[name] for seq in expected]
            assert files.summaries()[name].count == len(expected)
    assert [(call.seq, call.values) for call in files.log_calls("w1")] == [(seq, values(seq)) for seq in sorted(seqs)]
    assert files.last_seqs() == ({"w1": max(seqs)} if seqs else {})


@settings(max_examples=25)
@given(data=st.data())
def test_nothing_is_lost_in_a_life_of_tails_seals_and_sweeps(data: st.DataObject, tmp_path_factory):
    life = Life(tmp_path_factory.mktemp("life") / "run", data)
    check(life.folder, {seq for seq in range(1, 61) if seq % 7})
    compaction.compact(life.folder, "w1", 200)
    compaction.sweep(life.folder, after_s=0)
    check(life.folder, {seq for seq in range(1, 61) if seq % 7})
    assert len(list((life.folder / METRICS).iterdir())) == 1


@settings(max_examples=25)
@given(data=st.data())
def test_every_call_that_a_reader_sees_in_any_file_is_read_once(data: st.DataObject, tmp_path_factory):
    """The view may be stale: any files that ever existed, and tails cut at any byte. Cut segments are reported."""
    life = Life(tmp_path_factory.mktemp("stale") / "run", data)
    seen: set[int] = set()
    damaged = 0
    for path, content in life.ever.items():
        path.unlink(missing_ok=True)
        look = data.draw(st.sampled_from(["whole", "cut", "gone"]), label=path.name)
        if look == "gone":
            continue
        cut = content if look == "whole" else content[: data.draw(st.integers(0, len(content) - 1))]
        path.write_bytes(cut)
        if path.suffix == ".jsonl" or look == "whole":
            seen |= held(path, cut)
        else:
            damaged += 1

    check(life.folder, seen)
    assert len(PointFiles(life.folder).problems) == damaged
    compaction.compact(life.folder, "w1", 300)
    check(life.folder, seen)
    compaction.sweep(life.folder, after_s=0)
    check(life.folder, seen)


def without_means(summaries: Mapping[str, MetricSummary]) -> dict[str, MetricSummary]:
    return {name: replace(summary, mean=0.0) for name, summary in summaries.items()}


def test_more_points_than_are_held_in_memory_are_compacted_the_same(run: Path, monkeypatch: pytest.MonkeyPatch):
    """Metrics that appear late sort before others, tails overlap, and one metric is larger than a row group."""
    for name, most in (("_ROWS_AT_ONCE", 50), ("_SMALLEST_BLOCK", 7)):
        monkeypatch.setattr(compaction, name, most)
    for name, most in (("LARGEST_GROUP", 64), ("OWN_GROUP_POINTS", 20)):
        monkeypatch.setattr(segment_files, name, most)
    calls = [LogCall(seq, seq, seq, {"loss": 1 / seq, f"a{(seq * 7) % 50}": seq}) for seq in range(85, 301)]
    tail_path(run, "w1", 4).path.write_bytes(tails.header("w1", 1) + tails.encode(calls))
    before = PointFiles(run)
    summaries = before.summaries()
    curves = {name: before.read(name).values.tolist() for name in before.names()}
    assert len(curves["loss"]) == 300
    compaction.seal_tail(run, "w1", 2)
    compaction.compact(run, "w1", 5)
    compaction.sweep(run)
    assert [path.name for path in (run / METRICS).iterdir()] == ["segment-w1-5.parquet"]
    after = PointFiles(run)
    assert without_means(after.summaries()) == without_means(summaries)
    for name, summary in after.summaries().items():
        assert summary.mean == pytest.approx(summaries[name].mean)  # sums round by the size of their blocks
    assert {name: after.read(name).values.tolist() for name in after.names()} == curves
    metadata = pq.ParquetFile(segment_path(run, "w1", 5).path).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups if group.column(0).statistics.min == "loss"] == [64, 64, 64, 64, 44]
    assert all(group.num_rows >= 20 for group in groups[:-1])


def test_calls_between_two_tails_are_not_taken_for_sealed(tmp_path: Path):
    """The calls are in a spool, and are moved into the run after the tails around them were compacted."""
    folder = make_run(tmp_path / "run")
    write_tail(folder, 1, range(1, 11))
    write_tail(folder, 3, range(21, 31))
    compaction.compact(folder, "w1", 4)
    compaction.sweep(folder, after_s=0)
    write_tail(folder, 2, range(8, 24))
    assert PointFiles(folder).read("loss").steps.tolist() == list(range(30))
    assert compaction.sweep(folder, after_s=0) == 0
    compaction.compact(folder, "w1", 5)
    compaction.sweep(folder, after_s=0)
    assert PointFiles(folder).read("loss").steps.tolist() == list(range(30))
    assert [path.name for path in (folder / METRICS).iterdir()] == ["segment-w1-5.parquet"]


def test_a_call_on_a_damaged_line_is_read_from_the_tail_that_has_it_whole(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    write_tail(folder, 1, range(1, 11))
    path = tail_path(folder, "w1", 1).path
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":X'))
    compaction.seal_tail(folder, "w1", 1)
    write_tail(folder, 2, range(4, 8))
    assert PointFiles(folder).read("loss").steps.tolist() == list(range(10))
    compaction.compact(folder, "w1", 3)
    compaction.sweep(folder, after_s=0)
    assert [entry.name for entry in sorted((folder / METRICS).iterdir())] == ["segment-w1-3.parquet", path.name]
    files = PointFiles(folder)
    assert files.read("loss").steps.tolist() == list(range(10))
    assert "1 damaged line(s)" in files.problems[0]


def calls_of(folder: Path, *writers: str) -> list[int]:
    files = PointFiles(folder)
    return [call.seq for writer in writers for call in files.log_calls(writer)]


def test_tails_of_a_live_writer_are_not_compacted_or_removed(tmp_path: Path):
    """A rank that ends compacts the ended writers. A second rank still trains, on the same or a different machine."""
    attempts = [Attempt(1, None, {}, "w1", now())]
    folder = make_run(tmp_path / "run", attempts)
    write_tail(folder, 1, range(1, 11))
    write_tail(folder, 1, range(1, 11), writer="w2")
    for says in ("it lives", "another machine", "nothing"):
        if says == "nothing":
            (folder / ALIVE / "w2.json").unlink()
        else:
            beat(folder, "w2", host=None if says == "it lives" else "elsewhere")
        compaction.compact(folder, "w1", 2)
        # Even where a copy of its lines is sealed: it may be appending more at this moment.
        write_tail(folder, 2, range(1, 11), writer="w2")
        compaction.seal_tail(folder, "w2", 2)
        compaction.sweep(folder, after_s=0)
        assert tail_path(folder, "w2", 1).path.exists()
        assert calls_of(folder, "w1", "w2") == [*range(1, 11)] * 2
    beat(folder, "w2", end="finished")
    compaction.compact(folder, "w1", 3)
    compaction.sweep(folder, after_s=0)
    assert len(list((folder / METRICS).iterdir())) == 1
    assert calls_of(folder, "w1", "w2") == [*range(1, 11)] * 2


def test_a_writer_that_was_killed_is_compacted_by_the_next(tmp_path: Path):
    folder = make_run(tmp_path / "run", [Attempt(1, None, {}, "w1", now()), Attempt(2, 1, {"w1": 10}, "w2", now())])
    write_tail(folder, 1, range(1, 11))
    beat(folder, "w1", pid_started=1.0)  # such a process is not there any more
    write_tail(folder, 1, range(1, 11), writer="w2", attempt=2)
    compaction.compact(folder, "w2", 2)
    compaction.sweep(folder, after_s=0)
    assert [path.name for path in (folder / METRICS).iterdir()] == ["segment-w2-2.parquet"]


def test_a_segment_is_never_overwritten(run: Path):
    compaction.compact(run, "w1", 4)
    compaction.sweep(run, after_s=0)
    write_tail(run, 4, range(91, 101))
    compaction.seal_tail(run, "w1", 4)
    compaction.sweep(run, after_s=0)
    assert PointFiles(run).read("loss").steps.tolist() == list(range(100))
    compaction.compact(run, "w1", 4)
    compaction.sweep(run, after_s=0)
    assert PointFiles(run).read("loss").steps.tolist() == list(range(100))


def test_old_hidden_files_of_a_killed_helper_are_removed(run: Path):
    old, new = run / METRICS / ".tmp-0000-segment-w1-1.parquet", run / METRICS / ".tmp-1111-segment-w1-2.parquet"
    for path in (old, new):
        path.write_bytes(b"half")
    make_old(old)
    compaction.sweep(run)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("task", ["seal", "compact"])
def test_a_helper_killed_at_any_moment_loses_and_doubles_nothing(run: Path, task: str):
    """Again and again, with tails being added; also between the rename of a segment and the sweep."""
    stop, clock = 91, np.random.default_rng()
    for number in range(10, 15):
        write_tail(run, number, range(stop - 5, stop + 400))
        stop += 400
        command = [sys.executable, "-m", "runfolio.record.points.compaction", task, str(run), "w1", str(number)]
        helper = subprocess.Popen(command)
        time.sleep(clock.uniform(0.1, 0.9))
        helper.kill()
        helper.wait()
        assert PointFiles(run).read("loss").steps.tolist() == list(range(stop - 1))
    subprocess.run(
        [sys.executable, "-m", "runfolio.record.points.compaction", "compact", str(run), "w1", "99"], check=True
    )
    assert PointFiles(run).read("loss").steps.tolist() == list(range(stop - 1))
    left = [path.name for path in (run / METRICS).iterdir() if not path.name.startswith(".")]
    assert len(left) == 1
    assert left[0].startswith("segment-")


@pytest.mark.parametrize("task", ["seal", "compact"])
def test_sealing_a_deleted_run_ends_at_once(tmp_path: Path, task: str):
    command = [sys.executable, "-m", "runfolio.record.points.compaction", task, str(tmp_path / "deleted"), "w1", "1"]
    subprocess.run(command, check=True, timeout=60)
    assert not (tmp_path / "deleted").exists()


def test_two_processes_that_compact_at_once_lose_and_double_nothing(run: Path):
    for round_ in range(2):
        write_tail(run, 10 + round_, range(91 + round_ * 10, 101 + round_ * 10))
        beat(run, "w2", end="finished")
        helpers = [
            subprocess.Popen(
                [sys.executable, "-m", "runfolio.record.points.compaction", "compact", str(run), writer, "50"]
            )
            for writer in ("w1", "w2")
        ]
        while any(helper.poll() is None for helper in helpers):
            assert PointFiles(run).read("loss").steps.tolist() == list(range(100 + round_ * 10))
        assert [helper.returncode for helper in helpers] == [0, 0]
        assert PointFiles(run).read("loss").steps.tolist() == list(range(100 + round_ * 10))


def test_segment_is_synced_before_its_tails_are_removed(run: Path, python):
    """fsync of the file, rename, fsync of the folder, and only then unlink: as the calls come."""
    script = """
import os, sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from runfolio.record.points import compaction
calls = []
sys.addaudithook(lambda event, args: calls.append((event, args)))
real = os.fsync
def fsync(descriptor):
    calls.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
    real(descriptor)
os.fsync = fsync
compaction.compact(Path(sys.argv[1]), "w1", 4)
compaction.sweep(Path(sys.argv[1]))
for event, args in calls:
    if event == "fsync":
        print("fsync", "segment" if "segment" in os.path.basename(args) else "folder")
    elif event in ("os.rename", "os.remove") and "clock" not in str(args[0]):
        print(event)
"""
    result = python(script, run)
    assert result.returncode == 0, result.stderr
    lines = [line for line, _ in itertools.groupby(result.stdout.split("\n"))]
    assert lines == ["fsync segment", "os.rename", "fsync folder", "os.remove", ""]


def test_segments_that_overlap_in_part_double_no_point(tmp_path: Path):
    """Sealed from tails that were begun before the one before had ended."""
    run = make_run(tmp_path / "run")
    for number, seqs in ((4, range(1, 61)), (5, range(31, 91))):
        write_tail(run, number, seqs)
        compaction.seal_tail(run, "w1", number)
        tail_path(run, "w1", number).path.unlink()

    assert PointFiles(run).read("loss").steps.tolist() == list(range(90))
    assert PointFiles(run).summaries()["acc"].count == 90
    compaction.compact(run, "w1", 6)
    compaction.sweep(run, after_s=0)
    assert [path.name for path in (run / METRICS).iterdir()] == ["segment-w1-6.parquet"]
    assert PointFiles(run).read("loss").steps.tolist() == list(range(90))


def test_damaged_segment_is_reported_and_its_tail_is_read_instead(run: Path):
    compaction.seal_tail(run, "w1", 2)
    path = segment_path(run, "w1", 2).path
    path.write_bytes(path.read_bytes()[:-30])

    files = PointFiles(run)

    assert files.read("loss").steps.tolist() == list(range(90))
    assert len(files.problems) == 1
    assert "segment-w1-2.parquet is damaged" in files.problems[0]


def test_damage_in_the_first_page_is_reported_and_never_misread(tmp_path: Path):
    """The first page has the strings of a dictionary, and a header that no checksum covers."""
    folder = make_run(tmp_path / "net-aaaaaaaa")
    write_tail(folder, 1, range(1, 301))
    compaction.compact(folder, "w1", 4)
    tail_path(folder, "w1", 1).path.unlink(missing_ok=True)
    path = segment_path(folder, "w1", 4).path
    whole = path.read_bytes()
    files = PointFiles(folder)
    truth = {name: files.read(name).values.tolist() for name in files.names()}
    for offset, bit in itertools.product(range(48), range(8)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << bit
        path.write_bytes(bytes(damaged))
        files = PointFiles(folder)
        read = {name: files.read(name).values.tolist() for name in files.names()}
        assert read == truth or files.problems, f"bit {bit} of byte {offset}"
        assert all(set(values) <= set(truth[name]) for name, values in read.items()), f"bit {bit} of byte {offset}"


def test_a_flipped_byte_in_a_page_is_noticed(run: Path):
    compaction.compact(run, "w1", 4)
    for number in (1, 2, 3):
        tail_path(run, "w1", number).path.unlink()
    path = segment_path(run, "w1", 4).path
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    data[column.data_page_offset + column.total_compressed_size - 3] ^= 0x10
    path.write_bytes(bytes(data))

    files = PointFiles(run)
    assert len(files.read("loss")) == 0
    assert "segment-w1-4.parquet is damaged" in files.problems[0]


def test_a_large_metric_has_row_groups_of_its_own_and_small_ones_share(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    count = segment_files.OWN_GROUP_POINTS
    calls = [
        LogCall(seq, seq, seq, {"large": 1.0, **({"a": 2.0, "z": 3.0} if seq % 100 == 0 else {})})
        for seq in range(1, count + 1)
    ]
    tail_path(folder, "w1", 1).path.write_bytes(tails.header("w1", 1) + tails.encode(calls))
    compaction.compact(folder, "w1", 2)

    metadata = pq.ParquetFile(segment_path(folder, "w1", 2).path).metadata
    groups = [
        (metadata.row_group(n).column(0).statistics.min, metadata.row_group(n).num_rows)
        for n in range(metadata.num_row_groups)
    ]

    assert groups == [("a", 100), ("large", count), ("z", 100)]


def test_a_segment_is_plain_parquet_for_everybody(run: Path):
    compaction.compact(run, "w1", 4)
    frame = pq.read_table(segment_path(run, "w1", 4).path).to_pandas()
    assert list(frame.columns) == ["metric", "step", "time_us", "value", "attempt", "writer", "seq"]
    assert frame[frame.metric == "acc"].value.tolist() == [seq / 100 for seq in range(1, 91)]


def test_a_resumed_run_shows_its_newest_branch_and_keeps_the_abandoned_one(tmp_path: Path):
    """Killed at 50, resumed from the checkpoint at 40: one clean curve, both branches readable."""
    attempts = [Attempt(1, None, {}, "w1", now()), Attempt(2, 1, {"w1": 40}, "w2", now())]
    folder = make_run(tmp_path / "run", attempts)
    write_tail(folder, 1, range(1, 51))
    calls = [LogCall(seq, seq, 39 + seq, {"loss": -seq}) for seq in range(1, 21)]
    tail_path(folder, "w2", 1).path.write_bytes(tails.header("w2", 2) + tails.encode(calls))

    for _ in ("as tails", "as one segment"):
        files = PointFiles(folder)
        newest = files.read("loss")
        assert newest.steps.tolist() == list(range(60))
        assert newest.values.tolist() == [1 / seq for seq in range(1, 41)] + [-seq for seq in range(1, 21)]
        everything = files.read("loss", branch="all")
        assert len(everything) == 70
        assert everything.attempts.tolist() == [1] * 50 + [2] * 20
        assert files.summaries()["loss"].last == -20
        compaction.compact(folder, "w2", 2)


def test_extremes_pass_over_nan(tmp_path: Path):
    folder = make_run(tmp_path / "run")
    values = [float("nan"), 3.0, 1.0, float("inf"), 2.0]
    calls = [LogCall(n + 1, n, n, {"loss": value, "broken": float("nan")}) for n, value in enumerate(values)]
    tail_path(folder, "w1", 1).path.write_bytes(tails.header("w1", 1) + tails.encode(calls))

    loss, broken = (PointFiles(folder).summaries()[name] for name in ("loss", "broken"))

    assert (loss.count, loss.nan, loss.last) == (5, 1, 2.0)
    assert (loss.min, loss.min_step, loss.max, loss.max_step) == (1.0, 2, float("inf"), 3)
    assert broken.nan == 5
    assert np.isnan([broken.min, broken.max, broken.last]).all()


ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(a=ranges, b=ranges)
def test_merged_ranges_are_the_union(a: list, b: list):
    def members(pairs: list) -> set[int]:
        return {seq for first, last in pairs for seq in range(first, last + 1)}

    merged = seq_ranges.merge({"w": a}, {"w": b})["w"]

    assert members(merged) == members(a) | members(b)
    assert all(one[1] + 1 < two[0] for one, two in itertools.pairwise(merged))
    assert seq_ranges.contains({"w": merged}, {"w": a})
    assert seq_ranges.contains({"w": a}, {"w": b}) == (members(b) <= members(a))
    assert seq_ranges.overlap({"w": a}, {"w": b}) == bool(members(a) & members(b))


def test_points_of_too_many_row_groups_become_several_segments(run: Path, monkeypatch: pytest.MonkeyPatch):
    before = {name: PointFiles(run).read(name).values.tolist() for name in PointFiles(run).names()}
    compaction.seal_tail(run, "w1", 1)
    data = segment_path(run, "w1", 1).path.read_bytes()
    segment_path(run, "w1", 1).path.unlink()
    monkeypatch.setattr(file_bounds, "SEGMENT_FOOTER", int.from_bytes(data[-8:-4], "little") + 100)
    monkeypatch.setattr(segment_files, "OWN_GROUP_POINTS", 50)  # of the 180 points, not of the 60 in a tail

    compaction.sweep(run, after_s=0, coverage=compaction.compact(run, "w1", 4))

    assert sorted(path.name for path in (run / METRICS).iterdir()) == [f"segment-w1-{n}.parquet" for n in (4, 5, 6)]
    files = PointFiles(run)
    assert {name: files.read(name).values.tolist() for name in files.names()} == before
    assert files.problems == []


def test_changed_footer_is_reported_before_arrow_reads_it(run: Path):
    """Arrow aborts the process for some damaged footers, and accepts others."""
    compaction.compact(run, "w1", 4)
    path = segment_path(run, "w1", 4).path
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    for offset in range(len(data) - 8 - footer, len(data) - 8, 7):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        files = PointFiles(run)
        assert files.read("loss").steps.tolist() == list(range(90))
        assert files.problems == [f"{path} is damaged (its footer does not match its checksum)"]


@pytest.mark.parametrize("start", [b"\x19\xf1" + b"\xff" * 8 + b"\x7f", b"\x15" + b"\xff" * (1 << 20)])
def test_footer_of_endless_lists_or_numbers_is_damaged(run: Path, start: bytes):
    """The footer claims that a list has 2**63 booleans, or that a number has seven million bits."""
    footer = start.ljust(3 << 19, b"\0")
    path = segment_path(run, "w1", 4)
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DamagedFile, match="its footer is damaged"):
        segment_files.Segment.open(path)


@pytest.mark.parametrize("covers", [[[0, 2**63]], [[0, 1e308]], [[3, 1]], [["0", "9"]], [[0]]])
def test_segment_that_covers_impossible_calls_is_damaged(run: Path, covers: list[Any]):
    path = segment_path(run, "w1", 4)
    path.replace(lambda temporary: segment_files.fill(temporary, [], [], [], {"w1": covers}))
    with pytest.raises(DamagedFile, match="does not list the log calls it covers"):
        segment_files.Segment.open(path)


def test_metric_that_is_not_utf8_costs_only_its_row_group(run: Path):
    """Arrow writes the bytes of a text as they are."""
    compaction.compact(run, "w1", 4)
    whole = pq.read_table(segment_path(run, "w1", 4).path, schema=segment_files.SCHEMA)
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
    )
    rows = whole.slice(0, 1).set_column(whole.schema.names.index("metric"), "metric", bad)
    path = segment_path(run, "w1", 5).path
    with pq.ParquetWriter(path, rows.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({"runfolio": json.dumps({"runfolio": 0, "covers": {"w1": [[900, 900]]}})})
    files = PointFiles(run)
    assert files.read("loss").steps.tolist() == list(range(90))
    assert [problem for problem in files.problems if "utf-8" in problem]
    assert scan_segment(segment_path(run, "w1", 5)).problem is not None

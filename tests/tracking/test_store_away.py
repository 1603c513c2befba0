"""Stores that fail, hang or are missing: training continues, and all points are restored once."""

from __future__ import annotations

import json
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.record import spool
from runfolio.record.base.layout import find_runs
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import media
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.run import Run

IMPATIENT = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.1, patience_s=0.05, system_s=0)


@contextmanager
def no_room(at: int = 3_000) -> Iterator[None]:
    """Make the system refuse writes to grown files, like a full disk; spool files too if they grow so large."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def store_gone(run: Run) -> Iterator[None]:
    away = run.folder.with_name("away")
    run.folder.rename(away)
    try:
        yield
    finally:
        away.rename(run.folder)


def values(folder: Path) -> list[float]:
    points = PointFiles(folder)
    assert points.problems == []
    return points.read("loss").values.tolist()


def until(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come to that")


def until_given_up(run: Run) -> None:
    """Wait until points go to the spool rather than only to memory."""
    until(lambda: run.recorder.store_writer.unavailable_s > IMPATIENT.patience_s)


def has_no_gap(tail: Path) -> bool:
    """Check that no call is missing between a tail's first and last one, since its segment covers them all."""
    seqs = [json.loads(line)["seq"] for line in tail.read_text().splitlines()[1:]]
    return seqs == [*range(seqs[0], seqs[-1] + 1)]


def spooled_lines(cache: Path) -> int:
    return sum(path.read_bytes().count(b"\n") - 1 for path in cache.glob("spool/*/metrics/*.jsonl"))


def test_spooled_points_return_once_and_in_order(store: Path, cache: Path, caplog: pytest.LogCaptureFixture):
    """The folder is moved, so that no new tail can be created; an open one would continue in the moved folder."""
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        expected = []
        for round_ in range(3):
            with store_gone(run):
                until_given_up(run)
                for n in range(100):
                    run.log({"loss": round_ * 200.0 + n})
                    expected.append(round_ * 200.0 + n)
                if round_ == 0:
                    until(lambda: spooled_lines(cache) == 100)
            until(run.flush)
            for n in range(100, 200):
                run.log({"loss": round_ * 200.0 + n})
                expected.append(round_ * 200.0 + n)
            assert run.flush()
            assert values(run.folder) == expected
            assert all(has_no_gap(path) for path in (run.folder / "metrics").glob("tail-*"))
    assert values(run.folder) == expected
    assert list(spool.find_spools()) == []
    assert "until the store accepts them" in caplog.text
    assert "can be written again; nothing was lost" in caplog.text


def test_media_are_spooled_too(store: Path, cache: Path):
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        run.log_text("note", "before")
        with no_room(0):
            run.log({"loss": 1.0})  # the first points stay in memory
            until(lambda: not run.flush())
        until(run.flush)
        with store_gone(run):
            until_given_up(run)
            run.log_image("noise", np.zeros((4, 4, 3), dtype=np.uint8), masks=np.zeros((4, 4), dtype=np.uint8))
            run.log_text("note", "meanwhile")
            until(lambda: list(cache.glob("spool/*/media/*.jsonl")))
        run.log_text("note", "after")
        until(run.flush)
        assert [(entry.kind, entry.seq) for entry in media.read(run.folder)[0]] == [
            ("text", 1),
            ("image", 3),
            ("text", 4),
            ("text", 5),
        ]
    entries, problems = media.read(run.folder)
    assert problems == []
    assert [entry.content.get("text") for entry in entries] == ["before", None, "meanwhile", "after"]
    assert entries[1].path is not None
    assert entries[1].path.is_file()


def test_spool_left_by_a_process_can_be_restored_by_another(store: Path, python: Callable, cache: Path):
    """The folder is missing until the end. Then the spool is moved into it by a process that is killed twice."""
    script = """
import sys, time, runfolio
from pathlib import Path
recording = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.05, patience_s=0.05, system_s=0)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
run.log({"loss": 0.0}, step=0)
assert run.flush()
run.folder.rename(sys.argv[2])
time.sleep(0.3)
for step in range(1, 500): run.log({"loss": float(step)}, step=step)
run.log_text("note", "hello")
"""
    away = store / "away"
    done = python(script, store, away)
    assert done.returncode == 0
    assert "`runfolio doctor --repair` restores them" in done.stderr
    (waiting,) = spool.find_spools()
    result = CliRunner().invoke(main, ["doctor", "--store", str(store)])
    assert f"are in {waiting.folder}, but the run's folder {waiting.run_folder} is missing" in " ".join(
        result.stdout.split()
    )
    away.rename(waiting.run_folder)
    (folder,) = find_runs(store)
    assert folder == waiting.run_folder

    # State after a kill: copied, but not deleted yet.
    (points,) = (waiting.folder / "metrics").iterdir()
    shutil.copyfile(points, folder / "metrics" / points.name)
    assert spool.bring_back(waiting) > 0

    assert values(folder) == [float(step) for step in range(500)]
    assert [entry.content["text"] for entry in media.read(folder)[0]] == ["hello"]
    assert list(spool.find_spools()) == []


def test_points_stay_in_memory_without_cache_folder_and_store(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path / "file"))
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        with store_gone(run):
            until_given_up(run)
            for n in range(50):
                run.log({"loss": float(n)})
            until(lambda: "a local spool cannot be written either" in caplog.text)
        until(run.flush)
        assert values(run.folder) == [float(n) for n in range(50)]
    assert caplog.text.count("a local spool cannot be written either") == 1


def test_points_beyond_disk_and_memory_are_lost_but_counted(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path / "file"))
    small = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.1, patience_s=0.05, system_s=0, memory_bytes=20_000)
    with runfolio.init("net", store=store, recording=small) as run:
        with store_gone(run):
            until_given_up(run)
            for n in range(5_000):
                run.log({"loss": float(n)})
            until(lambda: run.recorder.store_writer.lost)
            run.flush()
        until(run.flush)
        points = values(run.folder)
        lost = run.recorder.store_writer.lost
        assert len(points) + lost == 5_000
        assert points == sorted(set(points))
    trouble = RunDocument.read(run.folder).status.trouble or ""
    assert f"{lost} log calls were lost" in trouble
    assert caplog.text.count("new points are lost and counted") == 1


def test_points_written_after_a_tail_was_deleted_go_to_a_new_one(store: Path):
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        run.log({"loss": 1.0})
        assert run.flush()
        (tail,) = (run.folder / "metrics").iterdir()
        tail.unlink()
        run.log({"loss": 2.0})
        assert run.flush()
        assert values(run.folder) == [2.0]


def test_media_logged_after_delete_and_undelete_go_to_a_new_file(store: Path, tmp_path: Path):
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        run.log_text("note", "before")
        until(run.flush)  # on a busy disk, an impatient run spools at first
        gone, copy = tmp_path / "gone", tmp_path / "copy"
        run.folder.rename(gone)  # in one step, as below, since the run writes into it
        shutil.copytree(gone, copy)
        shutil.rmtree(gone)
        copy.rename(run.folder)
        run.log_text("note", "after")
        until(run.flush)
    entries, problems = media.read(run.folder)
    assert [entry.content["text"] for entry in entries] == ["before", "after"]
    assert problems == []


def test_file_whose_name_is_taken_gets_another(store: Path):
    """A network disk may create a file although its response is lost; the file can then never be created again."""
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        (run.folder / "metrics" / f"tail-{run.recorder.writer}-1.jsonl").touch()
        media.index_path(run.folder, run.recorder.writer).path.touch()
        run.log({"loss": 1.0})
        run.log_text("note", "hello")
        until(run.flush)
        assert values(run.folder) == [1.0]
        assert [entry.content["text"] for entry in media.read(run.folder)[0]] == ["hello"]


def test_unreadable_store_is_reported_like_any_other(store: Path, python: Callable):
    script = """
import os, sys, runfolio
from pathlib import Path
place = Path(sys.argv[1])
recording = runfolio.RecordingConfig(flush_s=600, heartbeat_s=600, system_s=0)
run = runfolio.init("net", store=place / "runs", recording=recording)
place.chmod(0)
if os.getuid() == 0: os.seteuid(65534)
run.log({"loss": 1.0})
assert not run.flush()
if os.getuid() == 0: os.seteuid(0)
place.chmod(0o700)
assert run.flush()
"""
    store.mkdir()
    done = python(script, store)
    assert done.returncode == 0, done.stderr
    assert "(Permission denied); training continues" in done.stderr
    (folder,) = find_runs(store / "runs")
    assert values(folder) == [1.0]


def test_full_local_disk_is_not_filled_with_failed_spools(store: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runfolio.tracking.pipeline.encoder_thread._SPOOL_RETRY_S", 0.0)
    with runfolio.init("net", store=store, recording=IMPATIENT) as run:
        with no_room(0):
            for n in range(20):
                run.log({"loss": float(n)})
                run.flush()
            until(lambda: run.recorder.store_writer.unavailable_s > 10 * IMPATIENT.patience_s)
            for n in range(20, 40):
                run.log({"loss": float(n)})
                run.flush()
            assert list(cache.glob("spool/*")) == []
        until(run.flush)
        assert values(run.folder) == [float(n) for n in range(40)]


def test_spool_creates_no_file_for_points_that_it_cannot_store(tmp_path: Path, cache: Path):
    waiting = spool.Spool(tmp_path / "run", "r", "w", 1, iter(range(1, 100)), 1_000_000)
    waiting.write_points(b'{"seq":1}\n')
    waiting.close()
    with no_room(0):
        for _ in range(10):
            with pytest.raises(OSError, match="too large"):
                waiting.write_points(b'{"seq":2}\n')
    assert len(list(cache.glob("spool/*/metrics/*"))) == 1


def test_points_of_a_child_forked_during_an_outage_are_recovered(store: Path, python: Callable):
    script = """
import os, sys, time, runfolio
from pathlib import Path
away = Path(sys.argv[2])
recording = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.05, patience_s=0.05, system_s=0)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
run.log({"loss": 0.0})
run.flush()
run.folder.rename(away)
child = os.fork()
if child == 0:
    run.log({"child": 1.0})
    assert not run.flush()
    assert not run.folder.exists()
    away.rename(run.folder)
    while not run.flush(): time.sleep(0.01)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
"""
    done = python(script, store, store / "away")
    assert done.returncode == 0, done.stderr
    (folder,) = find_runs(store)
    assert PointFiles(folder).read("child").values.tolist() == [1.0]


def test_logging_faster_than_the_encoder_waits_and_loses_nothing(store: Path, monkeypatch: pytest.MonkeyPatch):
    """Values are slow to encode, and are logged until `log` waits."""
    monkeypatch.setattr("runfolio.tracking.pipeline.encoder_thread._BRAKE_BYTES", 400_000)
    monkeypatch.setattr("runfolio.tracking.pipeline.encoder_thread._HURRY_BYTES", 200_000)

    class Slow:
        def __float__(self) -> float:
            sum(range(200))
            return 1.0

    with runfolio.init("net", store=store, recording=runfolio.RecordingConfig(flush_s=0.02, system_s=0)) as run:
        freely = run.recorder.append
        logged = 0
        while run.recorder.append == freely:
            run.log({"loss": Slow()})
            logged += 1
        for _ in range(10):
            run.log({"loss": Slow()})
        assert run.flush()
        assert len(values(run.folder)) == logged + 10
        assert run.recorder.append == freely


def test_durability_is_normal_or_full(store: Path):
    with pytest.raises(runfolio.RunfolioError, match="durability is 'high'; it must be normal or full"):
        runfolio.init(store=store, recording=runfolio.RecordingConfig(durability="high"))  # type: ignore[arg-type]
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(durability="full")) as run:
        run.log({"loss": 1.0})
        assert run.flush()
    assert values(run.folder) == [1.0]

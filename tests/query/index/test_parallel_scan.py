"""Many new runs are read by several processes, with the same result as in one process."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runfolio.query.index import parallel_scan, scan
from runfolio.query.index.run_index import is_damaged
from runfolio.query.store import Folio, open_folio


@pytest.fixture(autouse=True)
def several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PARALLEL_RUNS", 2)
    monkeypatch.setattr(scan, "process_count", lambda: 2)
    monkeypatch.setattr(parallel_scan, "process_count", lambda: 2)


@pytest.fixture
def runs(store: Path, write) -> list[Path]:
    return [
        write(f"net-{number}", config={f"option-{number}": number}, points={"val/acc": [number / 5], "loss": [1.0]})
        for number in range(5)
    ]


def contents(folio: Folio) -> list[object]:
    return [
        (run.name, run.state, run.flat_config, run.tags, dict(run.metrics), run.sparkline("loss"), run.problems)
        for run in folio.runs()
    ]


def test_result_is_that_of_one_process(runs, store, cache: Path, monkeypatch):
    parallel = contents(open_folio(store))
    (index,) = cache.rglob("index.db")
    assert not is_damaged(index)
    monkeypatch.setattr(scan, "PARALLEL_RUNS", 1_000)
    folio = Folio(store, refresh=True)

    assert parallel == contents(folio)


def test_progress_counts_every_run(runs, store):
    counted = []

    def progress(folders: list[str]):
        for folder in folders:
            counted.append(folder)
            yield folder

    Folio(store, progress=progress).runs()
    assert len(counted) == len(runs)


def test_new_runs_are_added_to_an_existing_index(runs, store, write):
    folio = open_folio(store)
    folio.runs()
    write("later-1", points={"val/acc": [0.9]})
    write("later-2", points={"val/top5": [0.9]})

    assert [run.name for run in folio.runs()[:2]] == ["later-2", "later-1"]
    assert folio.run("later-2").metrics["val/top5"].last == 0.9
    assert folio.run("net-4").metrics["val/acc"].last == 0.8


def test_unreadable_run_is_reported(runs, store):
    (runs[2] / "run.json").write_text("{")
    folio = open_folio(store)

    assert {run.name for run in folio.runs()} == {"net-0", "net-1", "net-3", "net-4"}
    assert len(folio.problems) == 1
    assert str(runs[2]) in folio.problems[0]


@pytest.mark.parametrize("setting", ["WORKER", "sys.executable"])
def test_runs_are_read_here_if_the_processes_fail(runs, store, monkeypatch, setting: str):
    monkeypatch.setattr(f"runfolio.query.index.parallel_scan.{setting}", "missing")

    assert len(open_folio(store).runs()) == 5


def test_modules_in_the_current_folder_are_not_imported(runs, store):
    Path("json.py").write_text("open('imported', 'w').close()")

    assert len(open_folio(store).runs()) == 5
    assert not Path("imported").exists()


def test_remote_run_is_crashed_after_a_minute_without_heartbeat(runs, store, edit, cache: Path):
    """The processes store when they first saw a beat, and a later scan compares with it."""
    edit(runs[0], status={"state": "running"})
    (heart,) = (runs[0] / "alive").glob("*.json")
    heart.write_text(json.dumps(json.loads(heart.read_text()) | {"host": "elsewhere", "end": None, "beat": 7}))
    assert open_folio(store).run("net-0").state == "running"

    (index,) = cache.rglob("index.db")
    with closing(sqlite3.connect(index)) as database, database:
        database.execute("UPDATE beats SET seen_at = seen_at - 61")
    assert open_folio(store).run("net-0").state == "crashed"


def test_folder_of_any_name_is_read(runs, store):
    odd = os.fsdecode(b"odd\n\xff")
    runs[0].rename(runs[0].with_name(odd))

    assert {run.name for run in open_folio(store).runs()} == {f"net-{number}" for number in range(5)}

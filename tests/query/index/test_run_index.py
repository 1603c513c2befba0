"""Index as a cache: damage and loss do not change results."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from runfolio.query.index.run_index import is_damaged
from runfolio.query.store import Folio, open_folio


@pytest.fixture
def folio(store, write) -> Folio:
    write("net", config={"lr": 0.1}, points={"val/acc": [0.5, 0.75], "loss": [float("nan"), float("inf")]})
    folio = open_folio(store)
    folio.runs()
    return folio


@pytest.fixture
def index(folio, cache: Path) -> Path:
    (path,) = cache.rglob("index.db")
    return path


def figures(folio: Folio) -> list[object]:
    return [(run.name, run.flat_config, repr(run.metrics), run.problems, run.sparkline("loss")) for run in folio.runs()]


def test_index_has_everything_that_a_table_shows(folio, index, store):
    assert figures(open_folio(store)) == figures(folio)


def test_unchanged_run_is_not_read_again(folio, store):
    (folder,) = (run.folder for run in folio.runs())
    for points in (folder / "metrics").iterdir():
        times = (points.stat().st_atime_ns, points.stat().st_mtime_ns)
        points.write_bytes(b"x" * points.stat().st_size)
        os.utime(points, ns=times)

    assert open_folio(store).run("net").metrics["val/acc"].last == 0.75


def let_time_pass(folder: Path) -> None:
    """Set the times of a run to an hour ago."""
    earlier = time.time() - 3600
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (earlier, earlier))


@pytest.mark.parametrize("is_on_network", [False, True])
def test_ended_run_is_compared_by_its_folders_on_a_local_disk(store, write, monkeypatch, is_on_network: bool):
    """A file that grows in place changes no folder. Network disks report such times late, so files are compared."""
    folder = write("net", points={"val/acc": [0.5]})
    monkeypatch.setattr("runfolio.record.base.disk.is_local", lambda folder: not is_on_network)
    let_time_pass(folder)
    open_folio(store).runs()

    (segment,) = (folder / "metrics").iterdir()
    segment.write_bytes(segment.read_bytes() + b"x")

    assert bool(open_folio(store).run("net").problems) == is_on_network


def test_every_change_of_an_ended_run_is_seen(store, write, edit):
    folder = write("net", points={"val/acc": [0.5]})
    let_time_pass(folder)
    folio = open_folio(store)
    assert folio.run("net").state == "finished"

    folio.run("net").edits.tag("good")
    assert folio.run("net").tags == ["good"]
    let_time_pass(folder)
    assert folio.run("net").tags == ["good"]
    folio.run("net").edits.tag("better")  # the folder of edits exists, so only its own time changes
    assert folio.run("net").tags == ["good", "better"]
    edit(folder, experiment="pets")
    assert folio.run("net").experiment == "pets"
    (segment,) = (folder / "metrics").iterdir()
    segment.unlink()
    assert folio.run("net").metrics == {}


def test_changed_run_is_read_again(folio, store, edit):
    edit(folio.run("net").folder, name="ten")

    assert [run.name for run in open_folio(store).runs()] == ["ten"]


def test_deleted_index_is_rebuilt(folio, index, store):
    index.unlink()

    assert figures(open_folio(store)) == figures(folio)
    assert index.exists()


@pytest.mark.parametrize("damage", ["text", "empty", "torn", "holes"])
def test_damaged_index_is_rebuilt(folio, index, store, damage: str):
    whole = index.read_bytes()
    expected = figures(folio)
    index.write_bytes(
        {
            "text": b"this is not a database" * 400,
            "empty": b"",
            "torn": whole[: len(whole) // 2],
            "holes": whole[:4096] + b"\0" * (len(whole) - 4096),
        }[damage]
    )

    assert figures(open_folio(store)) == expected
    assert count_runs(index) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents SET document = '{}'",
        "UPDATE metrics SET max = 0.76",
        "DELETE FROM sparklines",
        "UPDATE names SET name = name || 'x'",
        "UPDATE names SET name = CAST(x'ff' AS TEXT) WHERE name = 'loss'",
        "DELETE FROM metrics WHERE count = 2 AND last_step = 1 AND nan = 1",
        "INSERT INTO beats VALUES (x'00', 'text', 'text')",
        "DROP TABLE beats",
    ],
)
def test_wrong_figure_in_the_index_is_never_shown(folio, index, store, statement: str):
    execute(index, statement)

    assert figures(open_folio(store)) == figures(folio)


@pytest.mark.parametrize("seed", range(10))
def test_flipped_bytes_in_the_index_change_nothing_or_are_found(folio, index, store, seed: int):
    luck = random.Random(seed)
    content = bytearray(index.read_bytes())
    for _ in range(30):
        content[luck.randrange(len(content))] = luck.randrange(256)
    index.write_bytes(content)

    assert is_damaged(index) or figures(open_folio(store)) == figures(folio)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET name = 'other'",
        "UPDATE params SET number = 0.2",
        "DELETE FROM params",
        "INSERT INTO tags SELECT 'best', run FROM runs",
    ],
)
def test_doctor_finds_wrong_values_in_the_index(folio, index, statement: str):
    assert not is_damaged(index)
    execute(index, statement)
    assert is_damaged(index)


@pytest.mark.parametrize("statement", ["CREATE TABLE somebody_elses (x)", "PRAGMA user_version = 1"])
def test_index_of_another_program_or_version_is_rebuilt(folio, index, store, statement: str):
    if statement.startswith("CREATE"):
        index.unlink()
    execute(index, statement)

    assert figures(open_folio(store)) == figures(folio)


def test_index_is_in_memory_without_a_cache_folder(store, write, monkeypatch, tmp_path):
    write("net", points={"loss": [1.0]})
    monkeypatch.delenv("RUNFOLIO_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for home in ("/dev/null", "/proc/nowhere"):
        monkeypatch.setenv("HOME", home)
        folio = open_folio(store)
        assert folio.run("net").metrics["loss"].last == 1.0
        assert [run.name for run in folio.runs()] == ["net"]


def test_permanently_locked_index_is_not_used(folio, index, store, write, monkeypatch):
    monkeypatch.setattr("runfolio.query.index.database.BUSY_S", 0.1)
    write("second")
    blocker = sqlite3.connect(index, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        assert {run.name for run in open_folio(store).runs()} == {"net", "second"}
    finally:
        blocker.close()


def test_many_readers_share_the_index_at_once(store, write, index):
    for number in range(4):
        write(f"net-{number}", points={"loss": [1.0]})
    index.unlink()
    look = "import sys; from runfolio.query.store import open_folio; print(len(open_folio(sys.argv[1]).runs()))"
    readers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", look, store], stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]

    assert [reader.communicate() for reader in readers] == [("5\n", "")] * 4


def test_remote_run_is_crashed_after_a_minute_without_heartbeat(folio, index, store, edit):
    """The index stores when a beat was first seen, so two commands a minute apart suffice."""
    folder = folio.run("net").folder
    edit(folder, status={"state": "running"})
    (heart,) = (folder / "alive").glob("*.json")
    heart.write_text(json.dumps(json.loads(heart.read_text()) | {"host": "elsewhere", "end": None, "beat": 7}))
    assert open_folio(store).run("net").state == "running"

    pass_time(index, 59)
    assert open_folio(store).run("net").state == "running"
    pass_time(index, 2)
    assert open_folio(store).run("net").state == "crashed"

    heart.write_text(json.dumps(json.loads(heart.read_text()) | {"beat": 8}))
    assert open_folio(store).run("net").state == "running"


def pass_time(index: Path, seconds: float) -> None:
    execute(index, f"UPDATE beats SET seen_at = seen_at - {seconds}")


def count_runs(index: Path) -> int:
    with closing(sqlite3.connect(index)) as database:
        return database.execute("SELECT count(*) FROM runs").fetchone()[0]


def execute(index: Path, statement: str) -> None:
    with closing(sqlite3.connect(index)) as database, database:
        database.execute(statement)

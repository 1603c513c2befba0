"""`runfolio doctor` names damage and losses, repairs what can be repaired, and makes nothing worse."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import runfolio
from runfolio.cli import main
from runfolio.record.base.layout import RUN_FILE, find_runs
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.reader import PointFiles
from runfolio.repair import checkup, mend

SCRIPT = """
import os, signal, sys, numpy, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False, system_s=0))
for step in range(int(sys.argv[2])):
    run.log({"loss": step + 0.5, **({"acc": step + 0.25} if step % 10 == 0 else {})}, step=step)
    if step % 100 == 50:
        run.log_image("sample", numpy.zeros((4, 4), "uint8"), step=step)
assert run.flush()
if sys.argv[3] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
run.finish()
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of one real run each, not to be written to: `killed` has a tail, `finished` two row groups."""
    folder = tmp_path_factory.mktemp("records")
    environment = {**os.environ, "RUNFOLIO_CACHE": str(folder / "cache")}
    for how, calls in (("killed", 300), ("finished", 12_000), ("short", 300)):
        subprocess.run([sys.executable, "-c", SCRIPT, folder / how, str(calls), how], env=environment, cwd=folder)
    return folder


@pytest.fixture
def copy(records: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The folder of a run, in a fresh copy of its store."""

    def copy(how: str) -> Path:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        shutil.copytree(records / how, tmp_path / "runs")
        (folder,) = find_runs(tmp_path / "runs")
        return folder

    return copy


def doctor(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *words, "--store", str(folder.parents[1])], catch_exceptions=False)


def examined(folder: Path, *words: str) -> dict:
    """Return the report of `runfolio doctor` about the only run of a store."""
    (run,) = json.loads(doctor(folder, "--json", *words).stdout)["runs"]
    return run


def said(run: dict) -> list[tuple[str, str]]:
    return [(finding["severity"], finding["file"]) for finding in run["findings"]]


def points(folder: Path) -> Counter:
    files = PointFiles(folder)
    calls: Counter = Counter()
    for name in files.names():
        curve = files.read(name, branch="all")
        calls.update(
            (name, step, value) for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True)
        )
    return calls


def flip(path: Path, offset: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(bytes(data))


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_a_whole_store_is_healthy(copy: Callable):
    done = doctor(copy("finished"))
    assert (done.exit_code, done.stdout) == (0, "1 run checked: all intact.\n")


def test_leftovers_of_a_killed_process_are_removed_and_not_damage(copy: Callable):
    folder = copy("killed")
    before = points(folder)
    done = doctor(folder)
    assert done.exit_code == 0
    assert "leftover   metrics: contains 1 tail that can be sealed" in done.stdout
    run = examined(folder, "--repair")
    assert (run["state"], run["findings"]) == ("crashed", [])
    assert points(folder) == before
    assert not list(folder.glob("metrics/tail-*"))
    assert not list(folder.glob("alive/.reserve-*"))


def test_a_damaged_line_costs_its_log_call_alone_and_the_rest_is_sealed(copy: Callable):
    folder = copy("killed")
    tail = only(folder, "metrics/tail-*")
    lines = tail.read_bytes().split(b"\n")
    lines[10] = b"\0" * len(lines[10])
    tail.write_bytes(damaged := b"\n".join(lines))
    before = points(folder)

    run = examined(folder)
    assert run["findings"][0]["what"] == "has 1 damaged line"
    assert "contains 1 log call of" in run["findings"][1]["what"]
    assert run["findings"][1]["what"].endswith("(10)")

    run = examined(folder, "--repair")
    assert points(folder) == before
    assert (folder / "damaged/metrics" / tail.name).read_bytes() == damaged
    assert said(run) == [("lost", "metrics"), ("leftover", "damaged")]
    assert doctor(folder).exit_code == 1
    assert runfolio.open(folder.parents[1]).run("net").problems == ()


def test_of_a_damaged_segment_the_row_groups_that_can_be_read_are_saved(copy: Callable):
    folder = copy("finished")
    whole = points(folder)
    segment = only(folder, "metrics/segment-*")
    flip(segment, 200)
    (finding,) = examined(folder)["findings"]
    assert finding["severity"] == "lost"
    assert "lost: 1,200 points of acc, from 12,000 log calls" in finding["what"]

    run = examined(folder, "--repair")

    assert points(folder) == Counter({point: 1 for point in whole if point[0] == "loss"})
    assert "copied 12,000 log calls" in run["repaired"][0]
    assert (folder / "damaged/metrics" / segment.name).exists()
    assert PointFiles(folder).problems == []


def test_a_damaged_segment_whose_tail_is_still_there_loses_nothing(copy: Callable):
    folder = copy("killed")
    before = points(folder)
    tail = only(folder, "metrics/tail-*").read_bytes()
    name = only(folder, "metrics/tail-*").name
    doctor(folder, "--repair")
    segment = only(folder, "metrics/segment-*")
    (folder / "metrics" / name).write_bytes(tail)
    flip(segment, 100)
    assert "other files contain all its log calls" in examined(folder)["findings"][0]["what"]
    assert said(examined(folder, "--repair")) == [("leftover", "damaged")]
    assert points(folder) == before


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_lost_run_json_is_rebuilt_from_the_other_files(copy: Callable, damage: str):
    folder = copy("killed")
    before, document = points(folder), RunDocument.read(folder)
    path = folder / RUN_FILE
    data = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(data[:100] if damage == "cut" else b"")

    assert ("lost", RUN_FILE) in said(examined(folder))
    assert examined(folder, "--repair")["findings"] in ([], [json_of_kept()])

    made = RunDocument.read(folder)
    assert (made.id, made.name, made.experiment) == (document.id, document.name, document.experiment)
    assert [(attempt.attempt, attempt.writer) for attempt in made.attempts] == [(1, document.attempts[0].writer)]
    assert "rebuilt it on" in made.notes
    assert runfolio.open(folder.parents[1]).run(document.id).state == "crashed"
    assert points(folder) == before


def json_of_kept() -> dict:
    what = "contains 1 damaged file that an earlier repair moved there"
    return {"file": "damaged", "severity": "leftover", "what": what}


def test_a_run_of_a_newer_format_is_refused_by_name_and_left_untouched(copy: Callable):
    folder = copy("killed")
    document = json.loads((folder / RUN_FILE).read_bytes())
    (folder / RUN_FILE).write_text(json.dumps({**document, "runfolio": 99}))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    run = examined(folder, "--repair")

    assert said(run) == [("unchecked", RUN_FILE)]
    assert "newer runfolio (format 99" in run["findings"][0]["what"]
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_is_being_written_is_checked_and_not_repaired(store: Path):
    with runfolio.init("net", store=store, recording=runfolio.RecordingConfig(system_s=0)) as run:
        run.log({"loss": 1.0})
        assert run.flush()
        stale = run.folder / "metrics/.tmp-0-x"
        stale.touch()
        os.utime(stale, (1, 1))
        report = examined(run.folder, "--repair")
        assert (report["state"], report["at_work"], report["findings"], report["repaired"]) == ("running", True, [], [])
        assert stale.exists()


def test_links_are_not_followed_out_of_the_store(copy: Callable, tmp_path: Path):
    folder = copy("killed")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / ".tmp-1-x").touch()
    os.utime(secret / ".tmp-1-x", (1, 1))
    (folder / "metrics/tail-aaaaaaaa-1.jsonl").symlink_to(secret / ".tmp-1-x")
    (folder / "artifacts").symlink_to(secret)
    (folder.parents[1] / "other").symlink_to(secret)

    done = doctor(folder, "--repair")

    assert "other is a link, which is not followed" in done.stdout
    assert "unchecked  artifacts: is a link" in done.stdout
    assert [path.name for path in secret.iterdir()] == [".tmp-1-x"]


def test_pictures_checkpoints_artifacts_code_and_edits_are_looked_at(store: Path, tmp_path: Path):
    torch = pytest.importorskip("torch")
    (tmp_path / "report.txt").write_text("fine")
    with runfolio.init("net", store=store, recording=runfolio.RecordingConfig(system_s=0)) as run:
        run.log({"loss": 1.0})
        run.log_image("sample", [[0.0, 1.0]], masks=[[0, 1]])
        run.log_audio("tone", [0.0, 1.0], 8000)
        run.log_table("numbers", [{"a": 1}])
        run.checkpoint(model=torch.nn.Linear(2, 2), step=1, metric=1.0)
        run.checkpoint(model=torch.nn.Linear(2, 2), step=2, metric=0.0)
        run.artifact(tmp_path / "report.txt", "report")
    runfolio.open(store).run("net").edits.note("fine")
    folder = run.folder
    assert said(examined(folder)) == []

    for path in folder.glob("media/files/*"):
        path.write_bytes(path.read_bytes()[:-1])
    manifest = json.loads((folder / "checkpoints/last.json").read_bytes())
    flip(folder / "checkpoints" / manifest["files"]["model"]["file"], 100)
    (folder / "artifacts/report/report.txt").write_text("fake")
    only(folder, "notes/*.json").write_bytes(b"{")
    only(folder, "alive/*.json").write_bytes(b"")
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1, 1))

    findings = {finding["file"]: finding["what"] for finding in examined(folder)["findings"]}

    assert "4 missing or damaged files" in findings["media/files"]
    assert "has changed since it was saved" in findings["checkpoints/last.json"]
    assert "intact: 'best' (step 1)" in findings["checkpoints/last.json"]
    assert "is damaged" in findings["artifacts/report/report.txt"]
    assert len(findings) == 5
    left = examined(folder, "--repair")
    assert said(left) == [
        ("lost", "media/files"),
        ("lost", "checkpoints/last.json"),
        ("lost", "artifacts/report/report.txt"),
        ("leftover", "damaged"),
    ]


def test_damaged_media_lines_are_dropped(copy: Callable):
    folder = copy("killed")
    path = only(folder, "media/*.jsonl")
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:-5]
    path.write_bytes(b"\n".join(lines))
    examined(folder, "--repair")
    run = runfolio.open(folder.parents[1]).run("net")
    assert len(only(folder, "media/*.jsonl").read_bytes().splitlines()) == 3
    assert not run.problems


def test_damaged_index_is_reported_and_rebuilt(copy: Callable, cache: Path):
    folder = copy("finished")
    runfolio.open(folder.parents[1]).runs()
    index = only(cache, "*/index.db")
    index.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert "The index is damaged" in doctor(folder).stdout
    done = doctor(folder, "--repair")
    assert (done.exit_code, "The index was rebuilt." in done.stdout) == (0, True)
    assert "index" not in doctor(folder).stdout


def test_spooled_points_are_reported_and_recovered(copy: Callable, cache: Path):
    folder = copy("killed")
    before = points(folder)
    tail = only(folder, "metrics/tail-*")
    header, *lines = tail.read_bytes().splitlines(keepends=True)
    tail.write_bytes(b"".join([header, *lines[:100]]))
    document = RunDocument.read(folder)
    spool = cache / "spool" / f"{document.id}-{document.attempts[0].writer}-2"
    (spool / "metrics").mkdir(parents=True)
    about = {"runfolio": 0, "run": document.id, "writer": document.attempts[0].writer, "folder": str(folder)}
    (spool / "spool.json").write_text(json.dumps(about))
    (spool / "metrics" / tail.name.replace("-1.", "-3.")).write_bytes(b"".join([header, *lines[100:]]))

    (finding, *_) = examined(folder)["findings"]
    assert "lacks 200 log calls of" in finding["what"]
    run = examined(folder, "--repair")

    assert (points(folder), run["findings"]) == (before, [])
    assert not spool.exists()


class NoMemory:
    def seen_at(self, key: str, beat: int) -> float:
        raise AssertionError("on its own machine a reader asks for the process")


def damages(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file with a bit flipped at 100 places, cut at 10, and emptied."""
    data, chance = path.read_bytes(), random.Random(7)
    for offset in sorted(chance.sample(range(len(data)), 100)):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << chance.randrange(8)
        yield f"bit of byte {offset} flipped", bytes(flipped)
    for tenth in range(10):
        yield f"cut at {tenth}/10", data[: len(data) * tenth // 10]


@pytest.mark.parametrize(("how", "pattern"), [("killed", "metrics/tail-*"), ("short", "metrics/segment-*")])
def test_repair_of_any_damage_to_points_loses_and_doubles_nothing(
    copy: Callable, records: Path, how: str, pattern: str
):
    (original,) = find_runs(records / how)
    truth = points(original)
    for what, data in damages(only(original, pattern)):
        folder = copy(how)
        only(folder, pattern).write_bytes(data)
        readable = truth.keys() & points(folder).keys()
        first = checkup.check(folder, NoMemory())
        mend.mend(folder, NoMemory())
        last = checkup.check(folder, NoMemory())
        after = points(folder)
        assert readable <= after.keys(), what
        assert all(after[point] == 1 for point in readable), what
        assert readable == truth.keys() or not first.is_whole or how == "killed", what
        assert mend.mend(folder, NoMemory()) == [], what
        assert checkup.check(folder, NoMemory()).findings == last.findings, what

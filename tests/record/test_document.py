"""Readers of run.json and heartbeats."""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record.base import layout
from runfolio.record.base.clock import steady
from runfolio.record.base.run_document import Attempt, RunDocument, Status, now
from runfolio.record.liveness.heartbeats import SILENT_S, Heartbeat, derive_state

ATTEMPT = {"attempt": 1, "parent": None, "kept": {}, "writer": "w1", "started": "2026-11-22T11:13:33Z"}


class Memory:
    """A reader that saw every heartbeat for the first time `ago_s` seconds ago."""

    def __init__(self, ago_s: float = 0.0) -> None:
        self.ago_s = ago_s

    def seen_at(self, key: str, beat: int) -> float:
        return steady() - self.ago_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / layout.ALIVE).mkdir()
    return tmp_path


def a_document() -> RunDocument:
    document = RunDocument("aaaaaaaa", "net", "demo", now(), config={"lr": 0.1, "bad": float("inf")}, tags=["a"])
    document.attempts = [Attempt(1, None, {}, "w1", now())]
    return document


def test_document_round_trips(folder: Path):
    document = a_document()
    document.status = Status("failed", now(), "ValueError: no", 1, "Traceback ...")
    document.write(folder)

    read_back = RunDocument.read(folder)

    assert read_back.config == {"lr": 0.1, "bad": math.inf}
    read_back.config = document.config
    assert read_back == document


def test_unknown_keys_are_kept(folder: Path):
    a_document().write(folder)
    path = folder / layout.RUN_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "from_the_future": [1]}))

    RunDocument.read(folder).write(folder)

    assert json.loads(path.read_text())["from_the_future"] == [1]


def change(folder: Path, values: dict) -> Path:
    """Write a document with some values replaced; return its path."""
    a_document().write(folder)
    path = folder / layout.RUN_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runfolio": 9}, "newer runfolio .format 9"),
        ({"runfolio": None}, "not a runfolio file"),
        (
            {"config": functools.reduce(lambda inner, _: {"a": inner}, range(300), {})},
            "nested objects and lists",
        ),
    ],
)
def test_errors_of_a_document_are_specific(folder: Path, values: dict, message: str):
    change(folder, values)
    with pytest.raises((DamagedFile, NewerFormat), match=message):
        RunDocument.read(folder)


@pytest.mark.parametrize(
    ("values", "damage"),
    [
        ({"status": {"state": "sleeping"}}, "status/state must be"),
        ({"status": 3}, "status must be an object"),
        ({"created": "yesterday"}, "created must be a time"),
        ({"created": "0001-01-01T00:00:00+23:00"}, "created must be a time"),
        ({"config": [1]}, "config must be an object with values of any type"),
        ({"attempts": [{}]}, "attempts/0/attempt is missing"),
        ({"attempts": [{**ATTEMPT, "kept": [1]}]}, "attempts/0/kept must be an object"),
        ({"attempts": [{**ATTEMPT, "kept": {"w": "x"}}]}, "attempts/0/kept/w must be a non-negative integer"),
        ({"attempts": [{**ATTEMPT, "writer": "../x"}]}, "attempts/0/writer must be a writer id"),
        ({"tags": None}, "tags must be a list"),
        ({"status": {"state": "failed", "reason": 5}}, "status/reason must be a string"),
        ({"environment": {"packages": {"torch": 2}}}, "environment/packages/torch must be a string"),
        ({"code": {"script": "train\0.py"}}, "code/script must be a path"),
        ({"axes": [{"metric": "loss"}]}, "axes/0/x is missing"),
    ],
)
def test_damage_of_a_field_is_named(folder: Path, values: dict, damage: str):
    change(folder, values)
    document = RunDocument.read(folder)
    assert document.damage[0].startswith(damage)
    assert (document.problem or "").startswith(f"run.json: {damage}")


def test_damaged_entries_alone_are_left_out(folder: Path):
    second = {**ATTEMPT, "attempt": 2, "parent": 1, "started": "2026-11-23T11:13:33Z", "seconds": -1}
    change(folder, {"tags": ["a", 5, "b"], "refused": {"x": 1, "y": -1}, "attempts": [ATTEMPT, {"attempt": 7}, second]})
    document = RunDocument.read(folder)
    assert document.tags == ["a", "b"]
    assert document.refused == {"x": 1}
    assert [(attempt.attempt, attempt.seconds) for attempt in document.attempts] == [(1, None), (2, None)]
    assert document.config == a_document().config


def test_folder_gives_names_that_are_damaged(tmp_path: Path):
    folder = tmp_path / "digits" / "net-k3f9x2ab"
    folder.mkdir(parents=True)
    change(folder, {"id": None, "name": 5, "experiment": "", "created": 1, "attempts": [ATTEMPT]})
    document = RunDocument.read(folder)
    assert (document.id, document.name, document.experiment) == ("k3f9x2ab", "net", "digits")
    assert document.created == document.attempts[0].started


def test_rewriting_keeps_a_copy_of_a_damaged_document(folder: Path):
    path = change(folder, {"tags": 5, "series": "s"})
    damaged = path.read_bytes()

    document = RunDocument.read(folder)
    document.without_secrets().write(folder)
    document.write(folder)

    assert [(copy.name, copy.read_bytes()) for copy in (folder / layout.DAMAGED).iterdir()] == [("run.json", damaged)]
    assert RunDocument.read(folder).damage == []


def state_of(folder: Path, heartbeat: Heartbeat | None, memory: Memory | None = None) -> str:
    document = a_document()
    if heartbeat is not None:
        heartbeat.write(folder)
    return derive_state(folder, document, memory or Memory())


def test_a_living_process_is_running_and_a_vanished_one_crashed(folder: Path):
    heartbeat = Heartbeat.of_this_process("w1", 1, every_s=5.0)
    assert state_of(folder, heartbeat) == "running"

    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    heartbeat.pid = child.pid
    assert state_of(folder, heartbeat) == "crashed"


def test_another_process_under_the_same_pid_is_not_taken_for_the_writer(folder: Path):
    heartbeat = Heartbeat.of_this_process("w1", 1, every_s=5.0)
    heartbeat.pid_started -= 100
    assert state_of(folder, heartbeat) == "crashed"


def test_a_silent_writer_elsewhere_is_crashed_by_the_readers_own_clock(folder: Path):
    heartbeat = Heartbeat.of_this_process("w1", 1, every_s=5.0)
    heartbeat.host = "another-machine"
    assert state_of(folder, heartbeat, Memory(SILENT_S - 5)) == "running"
    assert state_of(folder, heartbeat, Memory(SILENT_S + 5)) == "crashed"


def test_an_end_that_reached_only_the_heartbeat_counts(folder: Path):
    heartbeat = Heartbeat.of_this_process("w1", 1, every_s=5.0)
    heartbeat.end = "interrupted"
    assert state_of(folder, heartbeat) == "interrupted"


@pytest.mark.parametrize("change", [{"pid": "x"}, {"pid": -5}, {"pid_started": "x"}, {"end": 5}, {"beat": None}])
def test_a_damaged_heartbeat_is_no_heartbeat(folder: Path, change: dict):
    Heartbeat(**{**vars(Heartbeat.of_this_process("w1", 1, every_s=5.0)), **change}).write(folder)
    assert derive_state(folder, a_document(), Memory()) == "crashed"


def test_setting_the_clock_does_not_end_a_run(folder: Path):
    """The start is counted from the machine's, not from 1970."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    started = Heartbeat.of_this_process("w1", 1, every_s=5.0).pid_started
    assert started == pytest.approx(ticks / os.sysconf("SC_CLK_TCK"), abs=0.1)


def test_what_is_no_unicode_is_written_out(folder: Path):
    document = a_document()
    document.config = {"path \udcff": "\udcff"}
    document.write(folder)
    assert RunDocument.read(folder).config == {"path \\udcff": "\\udcff"}


def test_a_run_without_a_heartbeat_is_crashed(folder: Path):
    assert state_of(folder, None) == "crashed"


def test_runs_are_found_at_any_depth_and_hidden_folders_are_not_searched(tmp_path: Path):
    for name in ("a/x-1", "a/b/y-2", ".trash/z-3", "a/x-1/inner"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / layout.RUN_FILE).write_text("{}")
    assert {path.relative_to(tmp_path).as_posix() for path in layout.find_runs(tmp_path)} == {"a/x-1", "a/b/y-2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b/c", "a-b-c"), ("../..", "unnamed"), (".hidden", "hidden"), ("x" * 200, "x" * 80)],
)
def test_names_become_safe_folder_names(text: str, expected: str):
    assert layout.slug(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("größe", "größe"),
        ("gro\u0308\u00dfe", "größe"),
        ("訓練 一", "訓練-一"),
        ("हिन्दी", "हिन्दी"),
        ("训" * 200, "训" * 40),
        ("\u202e\udcff🙂", "unnamed"),
    ],
)
def test_folder_names_have_letters_of_any_script(text: str, expected: str):
    assert layout.slug(text) == expected


def test_damage_in_many_nested_objects_is_named_in_part(folder: Path):
    code: dict[str, Any] = {"command": [0] * 200_000}
    for _ in range(90):
        code = {"earlier": [code]}
    value = {"id": "aaaaaaaa", "name": "net", "experiment": "demo", "created": "2026-11-22T11:13:33Z", "code": code}
    damage = RunDocument.from_json(value, folder).damage
    assert 0 < len(damage) <= 1_000
    assert damage[0].endswith("earlier/0/command/0 must be a string of at most 1,000,000 characters without NUL")


def test_thousand_patterns_of_axes_are_compiled_once(folder: Path):
    document = a_document()
    document.axes = [{"metric": f"*a*{number}", "x": "epoch"} for number in range(1_000)]
    assert document.axis_of("a999") == "epoch"
    assert document.axis_of("b") == "step"
    before = time.process_time()
    for _ in range(20):
        document.axis_of("b")
    assert time.process_time() - before < 1

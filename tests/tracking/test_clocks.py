"""Changes of the clock during a run: its order, durations and state are not affected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runfolio.query.store import open_folio
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.reader import PointFiles

HOUR, DAY, YEAR = 3600.0, 86400.0, 365.25 * 86400

SETTING = """
import sys, time
real, shift = time.time, 0.0
time.time = lambda: real() + shift  # before runfolio is imported: its only wall clock
def set_clock(seconds):
    global shift
    shift += seconds
import runfolio
store, jump = sys.argv[1], float(sys.argv[2])
"""

STEPPING = f"""{SETTING}
with runfolio.init("net", store=store, tensorboard=True, recording=runfolio.RecordingConfig(system_s=0.05)) as run:
    for step in range(20):
        run.log({{"x": step}})
        if step == 10:
            run.tags = ["before"]
            set_clock(jump)
        time.sleep(0.01)
    run.log_text("said", "later")
"""

RESUMING = f"""{SETTING}
recording = runfolio.RecordingConfig(system_s=0.05)
first = runfolio.init("net", store=store, tensorboard=True, recording=recording)
first.log({{"x": 0}})
time.sleep(0.1)
first.recorder.log_system({{"system/cpu": 1.0}})
first.finish()
set_clock(jump)
with runfolio.resume(first.folder, checkpoint=None, store=store, recording=recording) as second:
    second.log({{"x": 1}})
    second.recorder.log_system({{"system/cpu": 1.0}})
"""

JUMPS = pytest.mark.parametrize(
    "jump", [-HOUR, HOUR, -DAY, -YEAR, 10 * YEAR, -60 * YEAR], ids=lambda s: f"{s / DAY:g}d"
)


@pytest.mark.parametrize("jump", [-HOUR, -DAY, -YEAR, 10 * YEAR])
def test_order_and_duration_survive_a_clock_change_during_a_run(python: Callable, store: Path, jump: float):
    done = python(STEPPING, store, jump)
    assert (done.returncode, done.stderr) == (0, "")
    run = open_folio(store).run("net")
    curve = run.metric("x")

    assert curve.values.tolist() == curve.steps.tolist() == list(range(20))
    assert 0.15 < np.ptp(curve.times) < 60
    assert (np.diff(curve.times) > 0).all()
    assert (np.diff(run.metric("system/cpu").steps) >= 0).all()
    assert 0 <= run.metric("system/cpu").steps[0] < 60  # seconds of work, which a change of the clock does not alter
    assert run.state == "finished"
    assert run.duration_s is not None
    assert 0.15 < run.duration_s < 60
    assert run.document.status.ended is not None
    assert 0 < (run.document.status.ended - run.created).total_seconds() < 60
    assert run.created.timestamp() <= run.media()[0].time_us / 1e6 <= run.document.status.ended.timestamp()


@pytest.mark.parametrize("jump", [-YEAR, 10 * YEAR])
def test_order_and_duration_survive_a_clock_change_between_attempts(python: Callable, store: Path, jump: float):
    done = python(RESUMING, store, jump)
    assert (done.returncode, done.stderr) == (0, "")
    run = open_folio(store).run("net")

    assert run.metric("x").values.tolist() == [0, 1]
    assert (np.diff(run.metric("system/cpu").steps) >= 0).all()
    assert run.metric("system/cpu").steps.max() < 60
    assert run.duration_s is not None
    assert 0.1 < run.duration_s < 60
    # TensorBoard reads event files in the order of their names.
    assert [path.name.rpartition(".")[2] for path in sorted(run.folder.glob("events.out.*"))] == [
        attempt.writer for attempt in run.document.attempts
    ]


def test_tags_set_after_a_clock_change_are_the_newer_ones(python: Callable, store: Path):
    script = f"""{SETTING}
with runfolio.init("net", store=store) as run:
    run.flush()
    runfolio.open(store).run("net").edits.tag("somebody's")
    set_clock(jump)
    run.tags = ["its own"]
"""
    assert python(script, store, -DAY).returncode == 0
    assert open_folio(store).run("net").tags == ["its own"]
    open_folio(store).run("net").edits.tag("later")
    assert open_folio(store).run("net").tags == ["its own", "later"]


@pytest.mark.parametrize("jump", [-DAY, 10 * YEAR])
def test_reader_with_a_changed_clock_reports_a_live_run_as_running(python: Callable, store: Path, jump: float):
    script = f"""{SETTING}
import json
with runfolio.init("net", store=store) as run:
    heart = run.folder / "alive" / (run.recorder.writer + ".json")
    heart.write_text(json.dumps(json.loads(heart.read_text()) | {{"host": "elsewhere"}}))
    print(runfolio.open(store).run("net").state)
    set_clock(jump)
    print(runfolio.open(store).run("net").state)
"""
    assert python(script, store, jump).stdout.split() == ["running", "running"]


def test_run_after_2038_is_recorded(python: Callable, store: Path):
    done = python(
        SETTING + 'set_clock(jump)\nwith runfolio.init("net", store=store) as run: run.log({"x": 1})', store, 30 * YEAR
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = open_folio(store).run("net")
    assert run.created.year > 2050
    assert run.metric("x").times[0] == pytest.approx(run.created.timestamp(), abs=60)


def test_crashed_attempt_lasts_until_its_last_heartbeat(python: Callable, store: Path):
    script = """
import os, sys, time, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(flush_s=0.01, heartbeat_s=0.05))
time.sleep(0.5)
os._exit(1)
"""
    python(script, store)
    (folder,) = (path.parent for path in store.rglob("run.json"))
    assert RunDocument.read(folder).attempts[0].seconds is None
    assert open_folio(store).run("net").duration_s is None
    python("import sys, runfolio\nrunfolio.resume(sys.argv[1], checkpoint=None).log({'x': 1})", folder)
    first, second = RunDocument.read(folder).attempts
    assert first.seconds is not None
    assert second.seconds is not None
    assert 0.3 < first.seconds < 30
    assert open_folio(store).run("net").duration_s == first.seconds + second.seconds


def test_records_without_attempt_durations_are_read(store: Path, python: Callable):
    python('import sys, runfolio\nwith runfolio.init("net", store=sys.argv[1]) as run: run.log({"x": 1})', store)
    run = open_folio(store).run("net")
    about = json.loads((run.folder / "run.json").read_text())
    del about["attempts"][0]["seconds"]
    about["status"]["ended"] = "1999-01-01T00:00:00Z"
    (run.folder / "run.json").write_text(json.dumps(about))
    assert open_folio(store).run("net").duration_s == 0.0
    assert PointFiles(run.folder).names() == ["x"]

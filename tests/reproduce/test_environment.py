"""Behaviour of a program that `runfolio reproduce` starts, controlled by environment variables."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import runfolio
from runfolio.query.run import RecordedRun
from runfolio.tracking.process.reproduction import STOP_AFTER, Reproduction

Python = Callable[..., subprocess.CompletedProcess[str]]

TRAIN = """
import sys, runfolio
with runfolio.init("net", experiment="e", store=sys.argv[1]) as run:
    for step in range(10):
        run.log({"loss": 1 / (step + 1)})
        run.log({"accuracy": step}, step=step)
print("to the end")
"""


def told(store: Path, **more: str) -> dict[str, str]:
    return {**os.environ, **Reproduction("k3f9x2ab", "net", store).environment(), **more}


def only_run(store: Path) -> RecordedRun:
    (run,) = runfolio.open(store).runs()
    return run


def test_its_run_goes_beside_the_one_it_repeats_whatever_store_it_names(python: Python, tmp_path: Path, store: Path):
    done = python(TRAIN, tmp_path / "elsewhere", env=told(store))
    assert done.returncode == 0, done.stderr
    run = only_run(store)
    assert run.document.lineage == {"kind": "reproduction", "run": "k3f9x2ab", "name": "net"}
    assert run.name == "net-reproduced"
    assert not (tmp_path / "elsewhere").exists()


def test_reproduction_without_name_is_named_after_the_original(python: Python, store: Path):
    done = python("import runfolio; runfolio.init().finish()", env=told(store))
    assert done.returncode == 0, done.stderr
    assert only_run(store).name == "net-reproduced"


def test_reproduction_stops_after_the_given_step(python: Python, tmp_path: Path, store: Path):
    done = python(TRAIN, tmp_path, env=told(store, **{STOP_AFTER: "4"}))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run = only_run(store)
    assert (run.state, run.reason) == ("finished", "stopped after step 4, as requested")
    assert run.metric("loss").steps.tolist() == run.metric("accuracy").steps.tolist() == [0, 1, 2, 3, 4]


def test_reproduction_stops_when_another_thread_logs(python: Python, tmp_path: Path, store: Path):
    in_a_thread = TRAIN.replace("for step", "def go():\n      for step").replace("        run.log", "          run.log")
    in_a_thread = in_a_thread.replace(
        "print(", "    import threading; t = threading.Thread(target=go); t.start()\n    t.join()\nprint("
    )
    done = python(in_a_thread, tmp_path, env=told(store, **{STOP_AFTER: "4"}))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert only_run(store).metric("loss").steps.tolist() == [0, 1, 2, 3, 4]


def test_reproduction_cannot_resume_another_run(python: Python, tmp_path: Path, store: Path):
    done = python("import runfolio; runfolio.init(resume='k3f9x2ab')", env=told(store))
    assert "repeats a run from its start" in done.stderr


def test_what_it_is_told_must_make_sense(python: Python, store: Path):
    init = "import runfolio; runfolio.init()"
    assert "must name a store by its absolute path" in python(init, env=told(Path("runs"))).stderr
    assert "must be a step, an integer" in python(init, env=told(store, **{STOP_AFTER: "2.5"})).stderr


def test_a_verdict_is_added_to_a_run_as_a_note(python: Python, tmp_path: Path, store: Path):
    python(TRAIN, tmp_path, env=told(store))
    assert only_run(store).edits.verdict is None
    only_run(store).edits.set_verdict({"word": "bit-equal"})
    assert only_run(store).edits.verdict == {"word": "bit-equal"}


def test_a_run_that_is_resumed_remembers_what_it_was_started_by(python: Python, tmp_path: Path, store: Path):
    begin = "import sys, runfolio\nrunfolio.init('net', store=sys.argv[1]).finish()"
    python(begin, store, "--first")
    go_on = "import sys, runfolio\nrunfolio.resume(sys.argv[2], store=sys.argv[1], checkpoint=None).finish()"
    for attempt in ("second", "third"):
        done = python(go_on, store, only_run(store).id, attempt)
        assert done.returncode == 0, done.stderr
    code = only_run(store).code
    assert code.info["command"][-1] == "third"
    assert [start["command"][-1] for start in code.info["earlier"]] == ["--first", "second"]
    assert "earlier" not in code.info["earlier"][1]

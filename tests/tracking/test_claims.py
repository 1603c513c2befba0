"""Claims of attempts: a live run is refused, and a process that lost its run stops recording it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import runfolio
from runfolio.errors import StoreError
from runfolio.record.base.layout import find_runs
from runfolio.record.base.run_document import RunDocument
from runfolio.record.liveness.heartbeats import Heartbeat, heartbeats
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.process import distributed

TRAINING = """
import sys, time, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(flush_s=0.05, heartbeat_s=0.1))
for step in range(10):
    run.log({"loss": float(step)}, step=step)
run.checkpoint(step=9)
run.restore()  # which waits until it is saved
print(run.id, flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Training:
    """Process with an open run, which executes commands from its input, one per line."""

    def __init__(self, store: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", TRAINING, store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.run = self.process.stdout.readline().strip()

    def does(self, line: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def ends(self) -> str:
        """Return its output to stderr."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def training(store: Path) -> Iterator[Training]:
    started = Training(store)
    yield started
    started.process.kill()
    started.process.communicate()


@contextmanager
def elsewhere(folder: Path, *, beating: bool) -> Iterator[None]:
    """Make the run's heartbeat one of another machine, which continues or has stopped."""
    heartbeat = Heartbeat.read(folder, RunDocument.read(folder).attempts[-1].writer)
    assert heartbeat is not None
    heartbeat.host, heartbeat.end = "far-away", None
    heartbeat.write(folder)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            heartbeat.beat += 1
            heartbeat.write(folder)

    thread = threading.Thread(target=beat)
    if beating:
        thread.start()
    yield
    over.set()
    if beating:
        thread.join()


def claims(folder: Path) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in sorted((folder / "claims").iterdir())]


def test_opening_and_resuming_a_run_claim_its_attempts(store: Path):
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1)
    with runfolio.init(resume=run.folder) as run:
        pass
    document = RunDocument.read(run.folder)
    assert [(claim["attempt"], claim["writer"], claim["pid"]) for claim in claims(run.folder)] == [
        (entry.attempt, entry.writer, os.getpid()) for entry in document.attempts
    ]


def test_live_run_is_refused_with_host_process_and_heartbeat_age(store: Path, training: Training):
    message = rf"is being written by process {training.process.pid} on .* \(last heartbeat \d+ s ago\)\..* force=True"
    with pytest.raises(StoreError, match=message):
        runfolio.init(resume=training.run, store=store)
    training.process.kill()
    training.process.wait()
    with runfolio.init(resume=training.run, store=store) as run:
        run.log({"loss": -1.0})
    assert runfolio.open(store).run(training.run).metric("loss").values.tolist() == [*map(float, range(10)), -1.0]


def test_only_one_of_several_resuming_processes_gets_the_run(store: Path, training: Training):
    training.process.kill()
    training.process.wait()
    script = """
import sys, time, runfolio
time.sleep(max(0, float(sys.argv[3]) - time.time()))
try:
    with runfolio.init(resume=sys.argv[2], store=sys.argv[1]) as run:
        run.log({"loss": 5.0})
        time.sleep(8)
    print("won")
except runfolio.StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, store, training.run, str(time.time() + 4)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [racer.communicate(timeout=60)[0] for racer in racers]
    winner = said.index("won\n")
    assert [f"by process {racers[winner].pid} on " in text for text in said].count(True) == 3
    (folder,) = find_runs(store)
    assert len(RunDocument.read(folder).attempts) == 2
    assert len(heartbeats(folder)) == 2
    assert PointFiles(folder).read("loss").values.tolist() == [*map(float, range(10)), 5.0]


class TestOnAnotherMachine:
    def test_run_is_refused_once_its_heartbeat_changes(self, store: Path, caplog: pytest.LogCaptureFixture):
        with runfolio.init(store=store) as run:
            run.checkpoint(step=1)
        document = RunDocument.read(run.folder)
        document.status.state = "running"
        document.write(run.folder)
        with elsewhere(run.folder, beating=True), pytest.raises(StoreError, match=r"by process .* on far-away"):
            runfolio.init(resume=run.folder)
        assert caplog.text.count("watching its heartbeat for up to 60 s") == 1

    def test_run_with_a_silent_heartbeat_can_be_resumed(self, store: Path):
        with runfolio.init(store=store) as run:
            run.checkpoint(step=1)
        document = RunDocument.read(run.folder)
        document.status.state = "running"
        document.write(run.folder)
        with elsewhere(run.folder, beating=False):
            distributed.refuse_if_written(run.folder, document, 1, patience_s=0.5)

    def test_force_takes_a_run_over_at_once(self, store: Path):
        with runfolio.init(store=store) as run:
            run.checkpoint(step=1)
        document = RunDocument.read(run.folder)
        document.status.state = "running"
        document.write(run.folder)
        with elsewhere(run.folder, beating=True), runfolio.resume(run.folder, force=True):
            pass
        assert RunDocument.read(run.folder).status.state == "finished"


class TestAProcessThatLostItsRun:
    def test_replaced_process_stops_recording_and_continues_training(self, store: Path, training: Training):
        training.process.send_signal(signal.SIGSTOP)
        with runfolio.resume(training.run, store=store, force=True) as run:
            run.log({"loss": -1.0})
            run.summary["mine"] = 1
            run.flush()
            training.process.send_signal(signal.SIGCONT)
            training.does("time.sleep(0.5)")
            training.does("run.log({'loss': 77.0})")
            training.does("run.summary['theirs'] = 1")
            training.does("assert run.checkpoint(step=11) is False")
            training.does("assert run.flush()")
            training.does("run.finish()")
            said = training.ends()
            assert said.count("\n") == 1
            assert f"was taken over by process {os.getpid()} on " in said
            assert run.restore().step == 9
            run.log({"loss": -2.0})
        recorded = runfolio.open(store).run(training.run)
        assert (recorded.state, recorded.summary, len(recorded.document.attempts)) == ("finished", {"mine": 1}, 2)
        assert recorded.metric("loss").values.tolist() == [*map(float, range(10)), -1.0, -2.0]

    def test_points_of_a_replaced_process_stay_on_the_abandoned_branch(self, store: Path, training: Training):
        training.does("run.log({'loss': 50.0}, step=10)")
        training.does("run.flush()")
        training.process.send_signal(signal.SIGSTOP)
        with runfolio.resume(training.run, store=store, force=True) as run:
            run.log({"loss": 60.0}, step=10)
        training.process.send_signal(signal.SIGCONT)
        training.does("run.checkpoint(step=11)")
        training.ends()
        points = PointFiles(run.folder)
        assert points.read("loss").values.tolist() == [*map(float, range(10)), 60.0]
        assert points.read("loss", "all").values.tolist() == [*map(float, range(10)), 50.0, 60.0]
        assert RunDocument.read(run.folder).status.state == "finished"


def test_claim_of_a_process_that_died_early_blocks_no_other(store: Path, python: Callable):
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1)
    script = """
import os, sys
from pathlib import Path
from runfolio.record.liveness import claims
from runfolio.record.liveness.heartbeats import Heartbeat
heartbeat = Heartbeat.of_this_process("abcdefgh", 2, 5.0)
heartbeat.write(Path(sys.argv[1]))
claims.acquire(Path(sys.argv[1]), heartbeat)
os._exit(0)
"""
    assert python(script, run.folder).returncode == 0
    with runfolio.init(resume=run.folder) as again:
        again.log({"loss": 1.0})
    assert [entry.attempt for entry in RunDocument.read(run.folder).attempts] == [1, 3]
    assert runfolio.open(store).run(run.id).metric("loss").values.tolist() == [1.0]


class TestResumingAfterAStep:
    def resumed(self, store: Path, step: int) -> runfolio.Run:
        with runfolio.init("net", store=store) as run:
            for n in range(213):
                run.log({"loss": float(n)}, step=n)
                if n % 50 == 0:
                    run.log({"val": n / 50}, step=n // 50)
                    run.log_text("note", "so far", step=n)
        return runfolio.resume(run.folder, step=step)

    def test_resume_from_a_step_cuts_after_its_last_call(self, store: Path):
        with self.resumed(store, 100) as run:
            assert run.recorder.document.attempts[-1].parent == 1
            run.log({"loss": -1.0})
        points = PointFiles(run.folder)
        assert points.read("loss").steps.tolist() == [*range(102)]
        assert points.read("loss").values.tolist() == [*map(float, range(101)), -1.0]
        assert points.read("val").values.tolist() == [0.0, 1.0, 2.0]
        assert len(points.read("loss", "all")) == 214

    def test_resume_from_a_step_after_the_end_keeps_everything(self, store: Path):
        with self.resumed(store, 1000) as run:
            run.log({"loss": -1.0})
        assert PointFiles(run.folder).read("loss").steps.tolist() == [*range(214)]

    def test_resume_from_a_step_before_the_start_keeps_nothing(self, store: Path):
        with self.resumed(store, -1) as run:
            run.log({"loss": -1.0})
        assert PointFiles(run.folder).read("loss").values.tolist() == [-1.0]


def test_ranks_killed_and_resumed_have_one_clean_curve_each(store: Path):
    """The joined rank is slightly ahead of the checkpoint, or after it."""
    script = """
import os, sys, time, runfolio
rank, resume, first, last = int(os.environ["RANK"]), sys.argv[2] or None, int(sys.argv[3]), int(sys.argv[4])
run = runfolio.init("net", store=sys.argv[1], resume=resume, recording=runfolio.RecordingConfig(flush_s=0.05))
for step in range(first, last):
    run.log({"loss": rank * 1000.0 + step}, step=step)
    if step == 198 and rank == 1:
        time.sleep(1.0)
    if step == 200 and rank == 0:
        run.checkpoint(step=step)
    if step == 200 and rank == 0:
        time.sleep(1.5)
run.flush()
print(run.id, flush=True)
if first == 0:
    time.sleep(60)
run.finish()
"""

    def ranks(*arguments: object) -> list[subprocess.Popen[str]]:
        return [
            subprocess.Popen(
                [sys.executable, "-c", script, store, *map(str, arguments)],
                env={**os.environ, "RANK": str(rank), "RUNFOLIO_RUN_ID": "ddp"},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]

    killed = ranks("", 0, 213)
    for process in killed:
        assert process.stdout
        assert process.stdout.readline() == "ddp\n"
        process.kill()
        process.communicate()
    for process in ranks("ddp", 201, 250):
        assert process.communicate(timeout=60)[0] == "ddp\n"
    run = runfolio.open(store).run("ddp")
    assert (run.state, len(run.document.attempts)) == ("finished", 2)
    for rank in range(2):
        curve = run.metric("loss", rank=rank)
        assert curve.steps.tolist() == [*range(250)]
        assert curve.values.tolist() == [rank * 1000.0 + step for step in range(250)]
    assert run.metric("loss").values.tolist() == [float(step) for step in range(250)]
    assert len(PointFiles(run.folder).read("loss", "all", rank=1)) == 213 + 49

"""The current run: each thread and asyncio task has its own, and a further `init` ends the previous one."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.run import RecordedRun
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.reader import PointFiles
from runfolio.tracking import current as current_module
from runfolio.tracking import opening


@pytest.fixture(autouse=True)
def fresh_context() -> Iterator[None]:
    """Remove the runs that earlier tests opened on this thread."""
    tokens = {variable: variable.set(()) for variable in contextvars.copy_context() if variable.name == "runfolio_runs"}
    yield
    for variable, token in tokens.items():
        variable.reset(token)


def losses(run: runfolio.Run | RecordedRun) -> list[float]:
    files = PointFiles(run.folder)
    return files.read("loss").values.tolist() if "loss" in files.names() else []


def fold(store: Path, number: int) -> None:
    runfolio.seed_everything(number)
    with runfolio.init(f"fold{number}", store=store):
        for step in range(20):
            runfolio.log({"loss": number + step / 100}, step=step)
            time.sleep(0.001)


def check_folds(store: Path, count: int) -> None:
    for number in range(count):
        run = runfolio.open(store).run(f"fold{number}")
        assert losses(run) == [number + step / 100 for step in range(20)]
        assert run.document.seeds["seed"] == number


class TestCurrentRun:
    def test_each_thread_of_a_pool_logs_to_the_run_it_opened(self, store: Path):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda number: fold(store, number), range(4)))
        check_folds(store, 4)

    def test_each_asyncio_task_logs_to_the_run_it_opened(self, store: Path):
        async def task(number: int) -> None:
            run = runfolio.init(f"fold{number}", store=store)
            runfolio.seed_everything(number)
            for step in range(20):
                runfolio.log({"loss": number + step / 100}, step=step)
                await asyncio.sleep(0)
            run.finish()

        async def main() -> None:
            with runfolio.init("outer", store=store) as outer:
                await asyncio.gather(*map(task, range(3)))
                runfolio.log({"loss": -1.0})
            assert losses(outer) == [-1.0]

        asyncio.run(main())
        check_folds(store, 3)

    def test_task_starts_with_the_run_of_its_creator(self, store: Path):
        async def task() -> None:
            runfolio.log({"loss": 1.0})

        async def main() -> runfolio.Run:
            run = runfolio.init(store=store)
            with runfolio.init(store=store, keep_others=True):
                pass
            await asyncio.gather(task(), task())
            run.finish()
            return run

        assert losses(asyncio.run(main())) == [1.0, 1.0]

    def test_thread_without_a_run_logs_to_the_only_open_one(self, store: Path):
        with runfolio.init(store=store) as run:
            thread = threading.Thread(target=lambda: runfolio.log({"loss": 1.0}))
            thread.start()
            thread.join()
        assert losses(run) == [1.0]

    def test_no_run_is_chosen_among_several_open_ones(
        self, store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(current_module, "_is_ambiguity_logged", False)

        def stranger() -> None:
            runfolio.log({"loss": 1.0})
            runfolio.log({"loss": 2.0})
            with pytest.raises(ConfigError, match=r"several runs are open .*; use the run itself"):
                runfolio.current()

        with (
            runfolio.init("a", store=store) as first,
            runfolio.init("b", store=store) as second,
            ThreadPoolExecutor(1) as pool,
        ):
            pool.submit(stranger).result()
        assert losses(first) == losses(second) == []
        assert [record.message for record in caplog.records] == [
            f"runfolio.log: {current_module.AMBIGUOUS}, so nothing is written; call the log method of a run instead"
        ]

    def test_outer_run_is_current_after_the_inner_block(self, store: Path):
        with runfolio.init("outer", store=store) as outer:
            with runfolio.init("inner", store=store) as inner:
                runfolio.log({"loss": 1.0})
            runfolio.log({"loss": 2.0})
            assert runfolio.current() is outer
        assert losses(inner) == [1.0]
        assert losses(outer) == [2.0]

    def test_ended_run_is_not_replaced_by_one_of_another_thread(self, store: Path, caplog: pytest.LogCaptureFixture):
        other = ThreadPoolExecutor(1)
        run = other.submit(lambda: runfolio.init("other", store=store)).result()
        with runfolio.init("own", store=store):
            pass
        runfolio.log({"loss": 1.0})
        assert "has ended and records nothing more" in caplog.text
        other.submit(run.finish).result()
        other.shutdown()
        assert losses(run) == []

    def test_log_and_current_without_a_run_name_the_remedy(self):
        for call in (runfolio.current, lambda: runfolio.log({"loss": 1.0})):
            with pytest.raises(ConfigError, match=r"no run is open; call runfolio\.init\(\) first"):
                call()

    def test_seed_is_recorded_in_the_run_of_its_thread(self, store: Path):
        with runfolio.init("main", store=store) as run, ThreadPoolExecutor(1) as pool:
            pool.submit(fold, store, 7).result()
        assert "seed" not in RunDocument.read(run.folder).seeds
        assert RunDocument.read(runfolio.open(store).run("fold7").folder).seeds["seed"] == 7


class TestFurtherInit:
    def test_unfinished_runs_end_one_after_another(self, store: Path, python: Callable):
        script = """
import sys, time, runfolio
recording = runfolio.RecordingConfig(console=False, code=False, system_s=0)
for number in range(3):
    run = runfolio.init(f"lr{number}", store=sys.argv[1], recording=recording)
    run.log({"loss": 1.0})
    time.sleep(0.2)
    run.log({"loss": 0.5})
time.sleep(0.6)
raise RuntimeError("plotting failed")
"""
        done = python(script, store)
        assert done.stderr.count("keep_others=True keeps both open") == 1
        runs = [runfolio.open(store).run(f"lr{number}") for number in range(3)]
        assert [run.state for run in runs] == ["finished", "finished", "failed"]
        assert all(0.2 <= (run.duration_s or 0) < 0.6 for run in runs)

    def test_run_in_a_with_block_stays_open(self, store: Path):
        with runfolio.init("outer", store=store) as outer:
            runfolio.init("inner", store=store).finish()
            outer.log({"loss": 1.0})
        assert losses(outer) == [1.0]

    def test_keep_others_keeps_several_runs_open(self, store: Path):
        first = runfolio.init("first", store=store)
        second = runfolio.init("second", store=store, keep_others=True)
        for run in (first, second):
            run.log({"loss": 1.0})
        second.finish()
        runfolio.log({"loss": 2.0})
        first.finish()
        assert (losses(first), losses(second)) == ([1.0, 2.0], [1.0])

    def test_invalid_call_does_not_end_the_open_run(self, store: Path):
        run = runfolio.init(store=store)
        with pytest.raises(ConfigError):
            runfolio.init("two\nlines", store=store)
        run.log({"loss": 1.0})
        run.finish()
        assert losses(run) == [1.0]

    def test_open_run_can_be_resumed_in_the_same_process(self, store: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(opening, "_is_end_logged", True)
        run = runfolio.init("net", store=store)
        run.checkpoint(step=3)
        again = runfolio.init(resume=run.id, store=store)
        assert (again.id, again.last_step) == (run.id, 3)
        again.finish()

    def test_calls_after_the_end_do_not_hold_up_the_exit_if_the_store_hangs(self, store: Path, python: Callable):
        script = """
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
run.finish()
run.log({"loss": 1.0})
path = run.folder / "run.json"
path.unlink()
os.mkfifo(path)  # opening it blocks
"""
        began = time.monotonic()
        assert python(script, store).returncode == 0
        assert time.monotonic() - began < 60

    def test_calls_after_the_end_are_reported_and_counted(self, store: Path, python: Callable):
        script = """
import sys, runfolio
first = runfolio.init("first", store=sys.argv[1])
second = runfolio.init("second", store=sys.argv[1])
for _ in range(3):
    first.log({"loss": 1.0})
second.log({"loss": 2.0})
"""
        done = python(script, store)
        assert done.stderr.count("has ended and records nothing more") == 1
        first = runfolio.open(store).run("first")
        assert (first.state, first.document.refused) == ("finished", {"loss": 3})
        assert losses(runfolio.open(store).run("second")) == [2.0]


def test_run_stays_open_if_the_run_to_resume_is_unknown(store: Path):
    run = runfolio.init(store=store)
    for wrong in (lambda: runfolio.init(store=store, resume="typo"), lambda: runfolio.fork("typo", store=store)):
        with pytest.raises(NotFound):
            wrong()
    run.log({"loss": 1.0})
    assert not run.recorder.has_ended
    run.finish()

"""Processes that a training script starts during a run, mainly DataLoader workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio
from runfolio.query.recorded_writers import read_writers
from runfolio.record.base.layout import find_runs
from runfolio.record.points.reader import PointFiles


def test_workers_forked_at_any_moment_do_not_delay_the_record(store: Path, python: Callable):
    """A worker that is forked while `init` queries git in the background must not keep git's pipes open."""
    script = """
import os, sys, time, runfolio
workers, slowest = [], 0.0
for _ in range(12):
    run = runfolio.init("net", store=sys.argv[1])
    for _ in range(6):
        workers.append(os.fork())
        if workers[-1] == 0:
            time.sleep(30)
            os._exit(0)
        time.sleep(0.002)
    run.log({"loss": 1.0})
    began = time.perf_counter()
    assert run.flush()
    slowest = max(slowest, time.perf_counter() - began)
    run.finish()
for worker in workers:
    os.kill(worker, 9)
print(slowest)
"""
    done = python(script, store)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 15
    assert [PointFiles(folder).read("loss").values.tolist() for folder in find_runs(store)] == [[1.0]] * 12


def test_data_loader_with_workers_works_during_a_run(store: Path, python_torch: Callable):
    script = """
import sys, torch, runfolio
from torch.utils.data import DataLoader, TensorDataset
from runfolio.query.recorded_writers import read_writers
with runfolio.init("net", store=sys.argv[1]) as run:
    for epoch in range(2):
        for (batch,) in DataLoader(TensorDataset(torch.arange(8.0)), batch_size=2, num_workers=2):
            run.log({"mean": batch.mean()})
"""
    done = python_torch(script, store)
    assert (done.returncode, done.stderr) == (0, "")
    run = runfolio.open(store).run("net")
    assert run.metric("mean").values.tolist() == [0.5, 2.5, 4.5, 6.5] * 2
    assert run.state == "finished"


@pytest.mark.parametrize("logs", [True, False])
def test_waiting_worker_is_ended_by_a_signal_that_python_would_defer(store: Path, python: Callable, logs: bool):
    """Python defers it if the main thread starts to wait just then (`Pool.terminate`), or another thread gets it."""
    script = """
import multiprocessing, signal, sys, threading, time, runfolio
fork = multiprocessing.get_context("fork")

def wait():
    if sys.argv[2] == "True":
        runfolio.log({"loss": 1.0})
    def be_told():
        time.sleep(0.3)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Thread(target=be_told, daemon=True).start()
    fork.Semaphore(0).acquire()

with runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False)):
    worker = fork.Process(target=wait)
    worker.start()
    worker.join(20)
    print(worker.exitcode)
    worker.kill()
"""
    done = python(script, store, logs)
    assert (done.stdout, done.stderr) == ("-15\n", "")
    run = runfolio.open(store).run("net")
    assert run.state == "finished"
    if logs:
        assert run.metric("loss").values.tolist() == [1.0]
        assert [writer.state for writer in read_writers(run.folder)] == ["finished", "preempted"]


def test_process_killed_at_its_start_dies_and_the_run_continues(store: Path, python: Callable):
    script = """
import os, signal, sys, time, runfolio
with runfolio.init("net", store=sys.argv[1]):
    ends = []
    for n in range(60):
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(3)
        time.sleep(0.0001 * (n % 10))
        os.kill(child, signal.SIGTERM)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        runfolio.log({"ended": n})
    print(set(ends))
"""
    done = python(script, store)
    assert (done.stdout, done.stderr) == ("{-15}\n", "")
    run = runfolio.open(store).run("net")
    assert run.metric("ended").values.tolist() == [float(n) for n in range(60)]


def test_last_points_of_a_terminated_worker_are_kept(store: Path, python: Callable):
    """The worker is terminated during its first call of `log`, and also during its end."""
    script = """
import multiprocessing, os, signal, sys, threading, time, runfolio
fork = multiprocessing.get_context("fork")

def work(logged, n):
    runfolio.log({"loss": float(n)})
    logged.value = n

with runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False)):
    kept = []
    for n in range(1, 31):
        logged = fork.Value("i", 0, lock=False)
        worker = fork.Process(target=work, args=(logged, n))
        worker.start()
        time.sleep(0.001 * (n % 15))
        worker.terminate()
        worker.join(4)
        assert worker.exitcode in (0, -15), worker.exitcode
        kept += [float(n)] if logged.value else []
print(kept)
"""
    done = python(script, store)
    assert (done.returncode, done.stderr) == (0, "")
    must = set(json.loads(done.stdout))
    points = runfolio.open(store).run("net").metric("loss").values.tolist() if must else []
    assert must <= set(points)
    assert len(points) == len(set(points))


def test_abandoned_data_loader_ends_its_workers_without_error(store: Path, python_torch: Callable):
    """torch treats a worker's death by a signal as a failure, while its own handler ends workers cleanly."""
    script = """
import multiprocessing.util, sys, torch, runfolio
from torch.utils.data import DataLoader, Dataset

class Items(Dataset):
    def __len__(self):
        return 4000
    def __getitem__(self, i):
        runfolio.log({"index": i})
        return torch.tensor(i)

with runfolio.init("net", store=sys.argv[1]):
    batches = iter(DataLoader(Items(), batch_size=4, num_workers=2))
    next(batches), next(batches)
    multiprocessing.util._exit_function()
    print([worker.exitcode for worker in batches._workers])
"""
    done = python_torch(script, store)
    assert (done.stdout, done.stderr) == ("[0, 0]\n", "")

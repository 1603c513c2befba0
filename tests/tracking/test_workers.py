"""Processes that a training starts beside a run: DataLoader workers above all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import runfolio
from runfolio.record.layout import find_runs
from runfolio.record.points import PointFiles


def test_workers_forked_at_any_moment_do_not_hold_the_record_up(store: Path, python: Callable):
    """Right after `init` the run asks git in the background; a worker forked meanwhile must not keep its pipes."""
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


def test_a_data_loader_with_workers_runs_beside_a_run(store: Path, python: Callable):
    script = """
import sys, torch, runfolio
from torch.utils.data import DataLoader, TensorDataset
with runfolio.init("net", store=sys.argv[1]) as run:
    for epoch in range(2):
        for (batch,) in DataLoader(TensorDataset(torch.arange(8.0)), batch_size=2, num_workers=2):
            run.log({"mean": batch.mean()})
"""
    done = python(script, store)
    assert (done.returncode, done.stderr) == (0, "")
    run = runfolio.open(store).run("net")
    assert run.metric("mean").values.tolist() == [0.5, 2.5, 4.5, 6.5] * 2
    assert run.state == "finished"

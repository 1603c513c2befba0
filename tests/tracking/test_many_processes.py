"""Many processes and threads at once, and distributed jobs with failing ranks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import runfolio
from runfolio.query.recorded_writers import read_writers
from runfolio.record.liveness.heartbeats import heartbeats
from runfolio.record.points.reader import PointFiles

from ..forked import Forked

OWN_RUN = """
import sys, runfolio
with runfolio.init(f"net-{sys.argv[2]}", store=sys.argv[1]) as run:
    for step in range(2000):
        run.log({"loss": float(step)}, step=step)
"""
RANK = """
import os, signal, sys, torch, runfolio
import torch.distributed as dist
from datetime import timedelta
from runfolio.query.recorded_writers import read_writers
rank, how = int(os.environ["RANK"]), sys.argv[2]
dist.init_process_group("gloo", timeout=timedelta(seconds=60))
run = runfolio.init("net", store=sys.argv[1], config={"lr": 0.1})
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
for step in range(20):
    loss = model(torch.ones(4, 2) * rank).mean()
    loss.backward()
    run.log({"loss": loss}, step=step)
run.checkpoint(model=model, step=step)
run.flush()
dist.barrier()
if rank == 2 and how == "raises":
    raise ValueError("bad shape")
if rank == 2 and how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
for step in range(20, 30):
    run.log({"loss": float(step)}, step=step)
run.finish()
os._exit(0)  # gloo itself may wait for the rank that is gone
"""


def many_runs(store: Path, count: int) -> None:
    """Run many processes at once on one store, each with a run of 2,000 points, and check that none is lost."""
    started = [subprocess.Popen([sys.executable, "-c", OWN_RUN, store, str(number)]) for number in range(count)]
    assert [process.wait(timeout=600) for process in started] == [0] * count
    runs = runfolio.open(store).runs()
    assert [run.state for run in runs] == ["finished"] * count
    assert all(run.metric("loss").values.tolist() == [*map(float, range(2000))] for run in runs)


def test_twelve_processes_on_one_store_lose_nothing(store: Path):
    many_runs(store, 12)


@pytest.mark.soak
def test_sixty_four_processes_on_one_store_lose_nothing(store: Path):
    many_runs(store, 64)


def test_sixty_four_threads_in_one_run_lose_nothing(store: Path):
    with runfolio.init("net", store=store) as run:

        def work(number: int) -> None:
            for step in range(500):
                run.log({f"thread/{number}": float(step)}, step=step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    points = PointFiles(run.folder)
    assert all(points.read(f"thread/{n}").values.tolist() == [*map(float, range(500))] for n in range(64))


@pytest.mark.parametrize("how", ["well", "raises", "killed"])
def test_distributed_job_is_one_run_that_survives_a_failed_rank(forked: Forked, tmp_path: Path, store: Path, how: str):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "4", "RUNFOLIO_RUN_ID": "ddp"}
    errors = [tmp_path / f"stderr-{rank}.txt" for rank in range(4)]
    ranks = []
    for rank, path in enumerate(errors):
        environment = {**os.environ, **job, "RANK": str(rank)}
        with path.open("w") as stderr:
            ranks.append(forked.start("-c", RANK, store, how, cwd=tmp_path, env=environment, stderr=stderr))
    for rank in ranks:
        rank.wait()
    said = [path.read_text() for path in errors]
    failed = {"well": 0, "raises": 1, "killed": -signal.SIGKILL}[how]
    assert [rank.returncode for rank in ranks] == [0, 0, failed, 0], said
    assert ["checkpoints are recorded only from the primary process" in text for text in said] == [
        False,
        True,
        True,
        True,
    ]
    run = runfolio.open(store).run("ddp")
    assert (run.state, run.config, run.checkpoint("last").step) == ("finished", {"lr": 0.1}, 19)
    assert [len(run.metric("loss", rank=rank)) for rank in range(4)] == [30, 30, 30 if how == "well" else 20, 30]
    assert len(run.metric("loss")) == 30
    ends = {writer.rank: writer.end for writer in heartbeats(run.folder)}
    assert ends == dict.fromkeys(range(4), "finished") | {2: {"well": "finished", "raises": "failed"}.get(how)}
    assert [writer.state for writer in read_writers(run.folder)] == [
        ends[writer.rank] or "crashed" for writer in read_writers(run.folder)
    ]

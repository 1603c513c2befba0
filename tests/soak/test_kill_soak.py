"""Long durability runs, left to `make soak`: kill -9 at random moments, again and again, in one store."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import runfolio
from runfolio.record.base.layout import find_runs
from runfolio.repair.doctor import Doctor

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

ROUNDS = 100
SCRIPT = """
import sys, time, torch, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(flush_s=0.05, seal_bytes=20_000))
step = 0
while True:
    for _ in range(20):
        run.log({"loss": float(step), "acc": 1.0}, step=step)
        step += 1
    run.flush()
    if step % 100 == 0:
        run.checkpoint(weights=torch.full((1000,), float(step)), step=step, metric=step)
    print(step, flush=True)
"""


def test_nothing_acknowledged_is_ever_lost_to_kill_9(store: Path):
    chance = random.Random(1)
    acknowledged: dict[str, int] = {}
    for _ in range(ROUNDS):
        earlier = set(find_runs(store))
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(store)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.6))
        process.kill()
        steps = [int(line) for line in process.stdout.read().split("\n") if line.strip()]
        process.wait()
        process.stdout.close()
        (folder,) = set(find_runs(store)) - earlier
        acknowledged[str(folder)] = steps[-1] if steps else 20

    folio = runfolio.open(store)
    assert len(folio.runs()) == ROUNDS
    examiner = Doctor(store)
    for run in folio.runs():
        curve = run.metric("loss")
        assert run.state == "crashed"
        assert len(curve.values) >= acknowledged[str(run.folder)]
        assert curve.values.tolist() == list(range(len(curve.values)))
        assert not run.problems
        assert examiner.examine(run.folder).checkup.is_whole
        if list((run.folder / "checkpoints").glob("last.json")):
            checkpoint = run.checkpoint("last")
            assert checkpoint.state["weights"].unique().tolist() == [float(checkpoint.step or 0)]

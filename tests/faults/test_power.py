"""Power failures at any moment: the store opens and contains all data that was flushed to the disk."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

import runfolio
from runfolio.record.points.reader import PointFiles

from .power import Call, after_power_cut, record

SCRIPT = """
import os, sys, runfolio
recording = runfolio.RecordingConfig(
    console=False, code=False, durability=sys.argv[2], flush_s=0.01, system_s=0, heartbeat_s=0.05
)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
mark = os.open(os.path.join(sys.argv[1], "acknowledged"), os.O_WRONLY | os.O_CREAT)
for step in range(100):
    run.log({"loss": step + 0.5}, step=step)
    if step % 5 == 4:
        assert run.flush()
        os.write(mark, b"%d\\n" % step)
run.finish()
os.write(mark, b"end\\n")
"""


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_store_after_a_power_cut_opens_with_all_synced_points(tmp_path: Path, durability: str):
    """`full`: all that was acknowledged by a flush. `normal`: all, once the run has ended; before, the run at least."""
    store = tmp_path / "runs"
    calls, _ = record([sys.executable, "-c", SCRIPT, str(store), durability], store, tmp_path)
    chance = random.Random(3)
    opened = 0
    for number in range(30):
        cut = chance.randrange(len(calls))
        after_power_cut(calls, cut, chance, store, copy := tmp_path / f"cut{number}")
        marks = [call.data for call in calls[:cut] if call.name == "write" and call.path.name == "acknowledged"]
        promised = _promised(marks, durability)
        folio = runfolio.open(copy)
        runs = folio.runs()
        if not runs:
            assert promised == 0, (cut, folio.problems)
            assert not _is_kept(calls[:cut]), (cut, folio.problems)
            continue
        opened += 1
        files = PointFiles(runs[0].folder)
        steps = files.read("loss").steps.tolist() if "loss" in files.names() else []
        assert len(steps) == len(set(steps))
        assert set(range(promised)) <= set(steps), (cut, folio.problems)
    assert opened


def _promised(marks: list[bytes], durability: str) -> int:
    """Return the number of points that must have survived."""
    if b"end\n" in marks:
        return 100
    numbers = [int(mark) + 1 for mark in marks]
    return max(numbers, default=0) if durability == "full" else 0


def _is_kept(done: list[Call]) -> bool:
    """Return whether a `run.json` was synced, and then the folder that contains its name."""
    synced: set[Path] = set()
    named = False
    for call in done:
        if call.name == "sync":
            if named and call.path.name.startswith("net-"):
                return True
            synced.add(call.path)
        elif call.name == "rename" and call.other is not None and call.other.name == "run.json":
            named = named or call.path in synced
    return False

"""A long run's memory: as fast as a loop can log, ten million points, left to `make soak`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import runfolio

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
STEPS = 1_000_000
METRICS = 10


def test_ten_million_points_are_recorded_within_200_mb_of_memory(store: Path, tmp_path: Path):
    result = tmp_path / "result.json"
    arguments = json.dumps({"folder": str(store), "steps": STEPS, "metrics": METRICS})
    command = [sys.executable, "-m", "benchmarks.child", "own:many_steps", arguments, str(result)]
    subprocess.run(command, cwd=ROOT, check=True)

    measured = json.loads(result.read_text())
    early, late = measured["resident_mb"][:3], measured["resident_mb"][3:]
    assert measured["peak_mb"] < 200
    assert max(late) < max(early) + 50, "memory grows with the length of the run"
    (run,) = runfolio.open(store).runs()
    assert run.metric(f"loss/{METRICS - 1}").steps.tolist() == list(range(STEPS))
    assert not run.problems

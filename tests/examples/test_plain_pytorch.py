"""The example script is run as a user would, and its record is read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

import runfolio

SCRIPT = Path(__file__).parents[2] / "examples" / "plain_pytorch.py"


def test_the_plain_script_is_short_and_leaves_a_whole_record(tmp_path: Path):
    source = SCRIPT.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 100

    subprocess.run([sys.executable, SCRIPT, "--epochs", "3", "--hidden", "8"], cwd=tmp_path, check=True, timeout=120)

    folio = runfolio.open(tmp_path / "runs")
    run = folio.run("plain")
    assert run.state == "finished"
    assert run.config == {"epochs": 3, "lr": 0.1, "batch_size": 32, "hidden": 8, "seed": 0}
    assert run.metric("val/acc").steps.tolist() == [1, 2, 3]
    assert run.metric("val/acc").values[-1] > 0.9
    assert len(run.metric("train/loss").values) == 3 * 45
    names: dict = {"__name__": "example"}
    exec(compile(source, SCRIPT, "exec"), names)
    model = run.load_model(names["Net"](8))
    assert not model.training
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)

"""Hydra's jobs: each run of a multirun ends with its job, in one store, named after its overrides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import runfolio

SCRIPT = """
import hydra, runfolio

@hydra.main(version_base=None, config_path=".", config_name="config")
def train(config):
    run = runfolio.init(experiment="sweep", config=config)
    run.log({"loss": config.lr})
    if config.lr == 0.2:
        raise ValueError("diverged")
    assert runfolio.open().run(run.id).name == run.name

train()
"""


@pytest.fixture(scope="session")
def hydra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Hydra and the older OmegaConf that it needs into a separate folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("hydra")
    packages = ["hydra-core==1.3.*", "omegaconf<2.4", "antlr4-python3-runtime==4.9.*"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"Hydra cannot be installed: {done.stderr.strip()[-200:]}")
    return folder


def test_each_job_of_a_multirun_has_a_run_with_its_outcome(hydra: Path, tmp_path: Path):
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "config.yaml").write_text("lr: 0.1\n")
    environment = {**os.environ, "PYTHONPATH": str(hydra)}
    overrides = ["-m", "lr=0.1,0.2,0.3", "hydra.job.chdir=True"]
    done = subprocess.run(
        [sys.executable, "train.py", *overrides], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "ValueError: diverged" in done.stderr
    runs = runfolio.open(tmp_path / "runs").runs("sweep")
    assert {run.name: (run.state, run.document.status.reason) for run in runs} == {
        "lr=0.1": ("finished", None),
        "lr=0.2": ("failed", "ValueError: diverged"),
        "lr=0.3": ("finished", None),
    }
    assert not list((tmp_path / "multirun").rglob("run.json"))


def test_older_hydra_without_callbacks_is_supported(store: Path, monkeypatch: pytest.MonkeyPatch):
    """Hydra before 1.1 calls no callbacks in `run_job`, and before 1.2 has no setting for the output folder."""
    config = SimpleNamespace(job=SimpleNamespace(override_dirname="lr=0.1"), runtime=SimpleNamespace(cwd="/elsewhere"))
    utils: dict[str, Any] = {"__name__": "hydra.core.utils"}
    exec("def run_job(task):\n    return task()", utils)
    monkeypatch.setitem(sys.modules, "hydra.core.utils", SimpleNamespace(**utils))
    settings = SimpleNamespace(HydraConfig=SimpleNamespace(get=lambda: config))
    monkeypatch.setitem(sys.modules, "hydra.core.hydra_config", settings)
    with utils["run_job"](lambda: runfolio.init(store=store)) as run:
        assert run.name == "lr=0.1"

"""Records of an earlier version remain readable (F-26). The test reads a store that is never written again.

`tests/data/store-format-0.zip` is a store of format 0, written before the first release. `expected-format-0.json`
contains the values that the writing version read from the store. Both files are frozen: a change that makes this test
fail breaks the records that users have.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runfolio
from runfolio.query.run import RecordedRun

DATA = Path(__file__).parents[1] / "data"
EXPECTED = json.loads((DATA / "expected-format-0.json").read_text(encoding="utf-8"))
GONE = 2**22 + 1
"""A process id that no machine gives."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the frozen store as the machine that wrote it sees it: the processes of its killed runs are gone."""
    folder = tmp_path_factory.mktemp("frozen")
    with zipfile.ZipFile(DATA / "store-format-0.zip") as archive:
        archive.extractall(folder)
    machine = {
        "host": os.uname().nodename,
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pid": GONE,
    }
    for path in folder.glob("*/*/alive/*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **machine}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_frozen_run_reads_as_it_did(store: Path, name: str) -> None:
    run = runfolio.open(store).run(name)

    assert _content(run) == EXPECTED[name]


def test_frozen_model_is_loaded_and_predicts(store: Path) -> None:
    run = runfolio.open(store).run("tinyvgg-10pct-2ep")

    predictions = run.predict([np.zeros((8, 8), dtype=np.uint8)])

    assert len(predictions) == 1
    assert sum(parameter.numel() for parameter in run.load_model().parameters()) == run.summary["parameters"]


def test_every_frozen_run_is_listed(store: Path) -> None:
    assert sorted(run.name for run in runfolio.open(store).runs()) == sorted(EXPECTED)


@pytest.mark.parametrize("name", ["killed", "continued"])
def test_frozen_run_can_be_resumed(store: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(store, tmp_path / "store")
    folder = runfolio.open(tmp_path / "store").run(name).folder

    with runfolio.init(
        resume=folder, store=tmp_path / "store", recording=runfolio.RecordingConfig(console=False)
    ) as run:
        checkpoint = run.restore("last")
        run.log({"train/loss": 0.0}, step=100)

    points = EXPECTED[name]["points"]["train/loss"]
    resumed = runfolio.open(tmp_path / "store").run(name)
    assert resumed.document.attempts[-1].attempt == EXPECTED[name]["attempts"] + 1
    assert resumed.metric("train/loss").steps.tolist() == [
        *[step for step in points["steps"] if step <= (checkpoint.step or 0)],
        100,
    ]


def _content(run: RecordedRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "experiment": run.experiment,
        "state": run.state,
        "created": run.created.isoformat(),
        "config": dict(run.config),
        "summary": dict(run.summary),
        "tags": run.tags,
        "notes": run.notes,
        "lineage": run.document.lineage,
        "data": {name: facts.fingerprint for name, facts in run.data.items()},
        "attempts": len(run.document.attempts),
        "problems": len(run.problems),
        "points": {metric: _points(run, metric) for metric in sorted(run.metrics)},
        "media": [[entry.kind, entry.name, entry.step, _digest_of(entry.path)] for entry in run.media()],
        "checkpoints": {checkpoint.name: _checkpoint(checkpoint) for checkpoint in run.checkpoints},
    }


def _points(run: RecordedRun, metric: str) -> dict[str, Any]:
    curve = run.metric(metric)
    return {
        "steps": curve.steps.tolist(),
        "values": [_exact(value) for value in curve.values.tolist()],
        "times": _digest(curve.times.tobytes()),
        "x": curve.x_name,
    }


def _checkpoint(checkpoint: Any) -> dict[str, Any]:
    return {
        "step": checkpoint.step,
        "metric": checkpoint.metric,
        "attempt": checkpoint.attempt,
        "tensors": _digest_of_value({part: checkpoint.tensors(part) for part in checkpoint.parts}),
        "state": _digest_of_value(checkpoint.state),
    }


def _digest_of_value(value: Any) -> str:
    return _digest(json.dumps(_plain(value), sort_keys=True).encode())


def _plain(value: Any) -> Any:
    """Return state as JSON has it, with a digest in the place of each tensor and array."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return _exact(value)
    if isinstance(value, bytes):
        return _digest(value)
    return value if value is None or isinstance(value, (str, bool, int)) else _tensor(value)


def _tensor(tensor: Any) -> str:
    array = np.asarray(tensor)
    return f"{array.dtype}{list(array.shape)} {_digest(array.tobytes())}"


def _exact(value: float) -> str | float:
    """Return a number that JSON keeps bit for bit, or its name."""
    return value if math.isfinite(value) and not (value == 0 and math.copysign(1, value) < 0) else repr(value)


def _digest_of(path: Path | None) -> str | None:
    return None if path is None else _digest(path.read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

"""A command line to type at, in a folder of its own, and one store of real trained runs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from runfolio.cli import main

QUICK = ["--data-fraction", "0.2", "--lr", "3e-3"]


class Typed(Protocol):
    def __call__(self, *words: str | Path) -> Result: ...


def type_in(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def runfolio(tmp_path, monkeypatch) -> Typed:
    """Type a command: `runfolio("runs", "--json")`. The current folder is empty, the store is ./runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNFOLIO_MEMORY_LIMIT", "off")  # it would stay for all later tests
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it; output to a file is not cut
    return type_in


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A store with two trained runs, `small` (mlp) and `large` (tinyvgg); only evaluations may add to them."""
    store = tmp_path_factory.mktemp("trained")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path_factory.mktemp("cache")))
    for name, model, epochs in (("small", "mlp", "1"), ("large", "tinyvgg", "3")):
        done = type_in("train", "--model", model, "--epochs", epochs, "--name", name, "--store", store, *QUICK)
        assert done.exit_code == 0, done.output
    monkeypatch.undo()
    return store


@pytest.fixture
def in_a_shell(tmp_path):
    """Start the installed program itself, to test behaviour that only a separate process shows."""

    def start(*words: str | Path, **options) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name("runfolio")
        paths = [str(Path(__file__).parent.parent / "series"), os.environ.get("PYTHONPATH")]
        return subprocess.Popen(
            [program, *words],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "100", "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start

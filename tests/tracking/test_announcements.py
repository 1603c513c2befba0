"""Lines that a run prints to stderr when it starts, and when it ends in another state than finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio

SCRIPT = """
import runfolio
recording = runfolio.RecordingConfig(code=False, system_s=0)
with runfolio.init("net", experiment="sweep", recording=recording, resume="auto") as run:
    run.checkpoint(step=7)
    if run.last_step < 7:
        raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNFOLIO_QUIET")


def test_run_prints_its_folder_and_how_to_resume_it(tmp_path: Path, python: Callable):
    (tmp_path / "train.py").write_text(SCRIPT)
    script = "import runpy, sys; sys.argv = ['train.py']; runpy.run_path('train.py', run_name='__main__')"
    first, second = python(script), python(script)
    run = runfolio.open(tmp_path / "runs").run("net")
    lines = [line for line in first.stderr.splitlines() if line.startswith("runfolio: ")]
    assert lines == [
        f"runfolio: net {run.id} -> runs/sweep/net-{run.id}",
        f"runfolio: net {run.id} interrupted; continue it with: RUNFOLIO_RUN_ID={run.id} python train.py",
    ]
    assert second.stderr == f"runfolio: net {run.id} after step 7 -> runs/sweep/net-{run.id}\n"
    assert first.stdout == second.stdout == ""


def test_end_without_a_checkpoint_gives_no_resume_hint(store: Path, capsys: pytest.CaptureFixture[str]):
    run = runfolio.init("net", store=store)
    run.finish("failed")
    assert capsys.readouterr().err.splitlines() == [
        f"runfolio: net {run.id} -> runs/default/net-{run.id}",
        f"runfolio: net {run.id} failed",
    ]


@pytest.mark.parametrize("way", ["variable", "setting"])
def test_lines_can_be_turned_off(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
):
    if way == "variable":
        monkeypatch.setenv("RUNFOLIO_QUIET", "1")
    recording = runfolio.RecordingConfig(announce=way == "variable")
    runfolio.init(store=store, recording=recording).finish("failed")
    assert capsys.readouterr().err == ""
    assert store.exists()

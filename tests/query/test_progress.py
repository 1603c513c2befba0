"""Progress of runs and the time that is left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.errors import ConfigError
from runfolio.query import durations
from runfolio.record.base.run_document import RunDocument

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)


@pytest.fixture
def run(store: Path) -> Iterator[runfolio.Run]:
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        yield run


def recorded(run: runfolio.Run) -> runfolio.RecordedRun:
    run.flush()
    return runfolio.open(run.folder.parents[1]).run(run.id)


@pytest.mark.parametrize("first", [0, 1], ids=["steps from 0", "steps from 1"])
def test_progress_is_the_share_of_the_steps(run: runfolio.Run, first: int):
    run.total_steps = 4
    assert recorded(run).progress == 0.0
    for step in range(3):
        run.log({"loss": 1.0}, step=first + step)
    assert recorded(run).progress == 0.75
    run.log({"loss": 1.0}, step=first + 10)
    assert recorded(run).progress == 1.0


def test_run_without_total_steps_has_no_progress(run: runfolio.Run):
    run.log({"loss": 1.0})
    assert recorded(run).progress is None
    assert durations.seconds_left(recorded(run)) is None


def test_steps_of_a_watched_model_do_not_count(run: runfolio.Run):
    run.total_steps = 4
    run.log({"loss": 1.0}, step=1)
    run.log({"grad_norm": 1.0, "update_ratio/a": 1.0}, step=900)
    assert recorded(run).progress == 0.25


def test_time_left_is_that_of_the_newest_attempts_speed(store: Path, run: runfolio.Run, monkeypatch):
    run.total_steps = 100
    for step in range(1, 11):
        run.log({"loss": 1.0}, step=step)
    run.finish("interrupted")
    with runfolio.resume(run.id, checkpoint=None, store=store, recording=RECORDING) as again:
        assert again.total_steps == 100
        start = again.recorder.now()
        for step in range(11, 21):  # 2 s per step; the first attempt was much faster
            again.recorder.record((start + 2 * step, step, {"loss": 1.0}))
        reader = recorded(again)
        last = float(reader.metric("loss").times[-1])
        monkeypatch.setattr(durations, "now", lambda: datetime.fromtimestamp(last + 30, UTC))
        assert reader.progress == 0.2
        assert durations.seconds_left(reader) == pytest.approx(80 * 2 - 30, abs=0.1)


def test_show_prints_share_and_time_left(run: runfolio.Run):
    run.total_steps = 1_000
    start = run.recorder.now()
    for step in range(1, 421):
        run.recorder.record((start + step, step, {"loss": 1.0}))
    run.flush()
    store = ["--store", str(run.folder.parents[1])]
    shown = CliRunner().invoke(main, ["show", run.id, *store]).stdout
    assert ", 42% done, about " in shown
    facts = json.loads(CliRunner().invoke(main, ["show", run.id, "--json", *store]).stdout)
    assert (facts["total_steps"], facts["progress"]) == (1_000, 0.42)
    run.finish()
    assert "% done" not in CliRunner().invoke(main, ["show", run.id, *store]).stdout


@pytest.mark.parametrize("wrong", [0, -3, 2.5, math.nan, "many", 2**70])
def test_wrong_total_is_refused(store: Path, run: runfolio.Run, wrong: Any, caplog):
    run.total_steps = 7
    run.total_steps = wrong
    run.flush()
    assert run.total_steps == 7
    assert "total_steps was left out" in caplog.text
    with runfolio.init(store=store, strict=True, keep_others=True) as strict, pytest.raises(ConfigError):
        strict.total_steps = wrong


def test_total_can_be_removed_and_damage_is_named(run: runfolio.Run):
    run.total_steps = 7
    run.total_steps = None
    assert recorded(run).document.total_steps is None
    run.finish()
    path = run.folder / "run.json"
    document = json.loads(path.read_text()) | {"total_steps": -1}
    (path.parent / "new").write_text(json.dumps(document))
    (path.parent / "new").replace(path)
    damaged = RunDocument.read(run.folder)
    assert damaged.total_steps is None
    assert any("total_steps" in name for name in damaged.damage)

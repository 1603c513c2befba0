"""Test that the fixture `board_store` contains the runs that its docstring lists."""

from __future__ import annotations

import time

import runfolio


def test_board_store_contains_the_described_runs(board_store):
    folio = runfolio.open(board_store)
    runs = folio.runs(archived=True)
    states = {run.name: run.state for run in runs if run.experiment == "curves"}

    assert len(folio.runs("digits")) == 8
    assert states == {
        "resumed": "finished",
        "forked": "finished",
        "not a number": "finished",
        "archived": "finished",
        "failed": "failed",
        "killed": "crashed",
    }
    assert folio.run("forked").document.lineage is not None
    assert len(folio.run("resumed").document.attempts) == 2
    assert len(folio.problems) == 1
    assert {entry.kind for entry in folio.run("media").media()} >= {"image", "figure", "text", "table", "histogram"}
    assert "\u202ereversed\u2066 isolated" in {run.document.name for run in runs}


def test_live_run_gains_points(board_store, live_run, store):
    run = live_run(store, pause_s=0.01)
    before = len(run.metric("train/loss"))
    while len(run.metric("train/loss")) == before:
        time.sleep(0.02)

    assert run.state == "running"

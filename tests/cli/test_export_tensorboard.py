"""`runfolio export tensorboard` writes runs as event files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

import runfolio as rf
from runfolio.events.run_follower import RunFollower


def test_exported_runs_have_all_points_and_media(runfolio, store: Path, tmp_path: Path):
    with rf.init("net", experiment="demo", store=store, config={"lr": 0.1}) as run:
        for step in range(3):
            run.log({"loss": step / 4}, step=step)
        run.log_histogram("weights", np.arange(10.0), step=1)
        run.log_text("note", "hello", step=2)
        run.summary["acc"] = 0.5
    out = tmp_path / "out"

    result = runfolio("export", "tensorboard", run.id, "--out", out, "--store", store)

    assert result.output.strip() == f"wrote 1 run to {out}"
    reader = EventMultiplexer().AddRunsFromDirectory(str(out)).Reload()
    (name,) = reader.Runs()
    assert name == run.folder.relative_to(store).as_posix()
    assert [(event.step, event.value) for event in reader.Scalars(name, "loss")] == [(0, 0.0), (1, 0.25), (2, 0.5)]
    assert [(event.step, event.value) for event in reader.Scalars(name, "summary/acc")] == [(2, 0.5)]
    assert {"weights", "note", "_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(
        reader.Runs()[name]["tensors"]
    )


def test_existing_event_files_are_replaced_only_on_request(runfolio, store: Path, tmp_path: Path):
    with rf.init("net", store=store) as run:
        run.log({"loss": 1.0})
    arguments = ("export", "tensorboard", "--out", tmp_path / "out", "--store", store)
    runfolio(*arguments)
    refused = runfolio(*arguments)
    assert (refused.exit_code, "add --overwrite" in refused.output) == (2, True)
    assert runfolio(*arguments, "--overwrite").exit_code == 0
    assert len(list((tmp_path / "out").rglob("events.out.tfevents.*"))) == 1


def test_follower_appends_only_what_is_new(store: Path, tmp_path: Path):
    run = rf.init("net", store=store)
    run.log({"loss": 1.0}, step=0)
    run.flush()
    follower = RunFollower(run.folder, tmp_path / "copy")
    assert follower.update()
    (path,) = (tmp_path / "copy").iterdir()
    before = path.read_bytes()
    assert not follower.update()

    run.log({"loss": 2.0}, step=1)
    run.finish()

    assert follower.update()
    assert path.read_bytes().startswith(before)
    reader = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "copy")).Reload()
    assert [event.value for event in reader.Scalars(".", "loss")] == [1.0, 2.0]
    assert follower.is_complete

"""Deletion and restoration of runs, without touching anything outside of the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

import runfolio
from runfolio.errors import Ambiguous, NotFound, StoreError
from runfolio.query.store import open_folio


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def outside(tmp_path) -> Path:
    """Return a folder outside of the store, which must not be changed."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_text("alive")
    return folder


def test_deleted_run_is_restored_unchanged(store, write):
    folder = write("net", points={"loss": [1.0, 0.5]})
    (folder / "events.out.tfevents.1.host").write_bytes(b"events")
    before = content(folder)
    folio = open_folio(store)
    folio.trash.put(folio.run("net"))

    assert (len(folio.runs()), folder.exists()) == (0, False)
    (trashed,) = folio.trash.runs()
    assert (trashed.name, trashed.run_path, trashed.folder) == (
        "net",
        f"digits/{folder.name}",
        store / ".trash" / trashed.run_path,
    )
    assert abs(trashed.deleted.timestamp() - time.time()) < 60

    assert folio.trash.restore(folio.trash.run("net")) == folder
    assert content(folder) == before
    assert folio.run("net").metric("loss").values.tolist() == [1.0, 0.5]
    assert folio.trash.runs() == []


def test_tensorboard_shows_no_deleted_run(store, write):
    for name in ("kept", "deleted"):
        (write(name) / "events.out.tfevents.1.host").touch()
    folio = open_folio(store)
    folio.trash.put(folio.run("deleted"))

    assert list(GetLogdirSubdirectories(str(store))) == [str(folio.run("kept").folder)]


def test_purge_frees_space_and_returns_its_size(store, write):
    folder = write("net")
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "large").write_bytes(os.urandom(1_000_000))
    folio = open_folio(store)
    folio.trash.put(folio.run("net"))
    trashed = folio.trash.run("net")
    size = trashed.size()

    assert size == int(subprocess.check_output(["du", "--summarize", "--block-size=1", trashed.folder]).split()[0])
    assert size > 1_000_000
    assert folio.trash.purge(trashed) == size
    assert list((store / ".trash").iterdir()) == []
    with pytest.raises(NotFound, match="there is no run"):
        folio.trash.purge(trashed)


def test_run_in_the_trash_is_found_like_other_runs(store, write, edit):
    edit(write("net"), id="abcd0001")
    edit(write("net"), id="abcd0002")
    folio = open_folio(store)
    folio.run("abcd0001").edits.rename("first")
    folio.trash.put(*folio.runs())

    assert folio.trash.run("first").id == "abcd0001"
    assert folio.trash.run("abcd0002").name == "net"
    with pytest.raises(Ambiguous, match=r"'abcd' matches 2 runs.*\n.*deleted"):
        folio.trash.run("abcd")
    with pytest.raises(NotFound, match=r"no run 'firts' in the trash .* did you mean first\?"):
        folio.trash.run("firts")
    with pytest.raises(NotFound, match="run 'first' was deleted; `runfolio undelete first` restores it"):
        folio.run("first")


def test_unreadable_deleted_run_is_named_after_its_folder(store, write):
    folder = write("net")
    folio = open_folio(store)
    folio.trash.put(folio.run("net"))
    (store / ".trash" / "digits" / folder.name / "run.json").write_text("{")
    (trashed,) = folio.trash.runs()

    assert f"{trashed.name}-{trashed.id}" == folder.name
    folio.trash.purge(trashed)
    assert folio.trash.runs() == []


def test_restore_to_an_occupied_path_moves_nothing(store, write, copy):
    folder = write("net")
    folio = open_folio(store)
    copy(folder, store / "twin")
    folio.trash.put(folio.run(folder))
    (store / "twin").rename(folder)

    with pytest.raises(StoreError, match="already exists; move it away first"):
        folio.trash.restore(folio.trash.run("net"))
    with pytest.raises(StoreError, match="already exists; move it away first"):
        folio.trash.put(folio.run("net"))
    assert (len(folio.runs()), len(folio.trash.runs())) == (1, 1)


def test_delete_refuses_all_runs_if_one_is_being_written(store, write):
    write("done")
    with runfolio.init("live", store=store):
        folio = open_folio(store)
        with pytest.raises(StoreError, match="is being written; stop it first, or give --force"):
            folio.trash.put(*reversed(folio.runs()))
        assert len(folio.runs()) == 2


def test_writer_of_a_deleted_run_warns_once_and_recreates_nothing(store, caplog):
    recording = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.02)
    with runfolio.init("live", store=store, recording=recording) as run:
        folio = open_folio(store)
        folio.trash.put(folio.run("live"), force=True)
        for step in range(5):
            run.log({"loss": 1.0}, step=step)
            run.tags = [str(step)]
            run.log_text("note", "still here")
            run.flush()
        run.checkpoint(metric=1.0)
        with pytest.raises(NotFound, match="it has none"):
            run.restore()
        assert run.artifact(__file__) is None
        assert len([line for line in caplog.messages if "was deleted or moved; training continues" in line]) == 1
        assert not run.folder.exists()

        folio.trash.restore(folio.trash.run("live"))
        assert run.flush()
    assert "artifact was left out, and training continues: cannot save" in caplog.text
    assert len(folio.run("live").metric("loss")) == 5
    assert folio.run("live").tags == ["4"]


@pytest.mark.parametrize("wanted", ["run", "experiment"])
def test_run_behind_a_link_out_of_the_store_cannot_be_deleted(store, write, outside, wanted: str):
    folder = write("net")
    link = folder if wanted == "run" else folder.parent
    link.rename(outside / "real")
    link.symlink_to(outside / "real")
    before = content(outside)

    with pytest.raises(NotFound):
        open_folio(store).run("net")
    assert content(outside) == before


@pytest.mark.parametrize("link", ["", "digits"])
def test_trash_that_is_a_link_is_not_used(store, write, outside, link: str):
    write("net")
    (store / ".trash" / link).parent.mkdir(exist_ok=True)
    (store / ".trash" / link).symlink_to(outside)
    folio = open_folio(store)

    with pytest.raises(StoreError, match="is a link"):
        folio.trash.put(folio.run("net"))
    assert [path.name for path in outside.iterdir()] == ["canary"]
    assert len(folio.runs()) == 1


def test_links_in_the_trash_are_not_followed(store, write, outside):
    (write("planted", experiment="x")).rename(outside / "planted")
    folder = write("net")
    (folder / "link").symlink_to(outside)
    folio = open_folio(store)
    folio.trash.put(folio.run("net"))
    trashed = folio.trash.run("net")
    (store / ".trash" / "elsewhere").symlink_to(outside)
    (store / ".trash" / ".purged-x").symlink_to(outside)

    assert [run.name for run in folio.trash.runs()] == ["net"]
    folio.trash.sweep()
    folio.trash.purge(trashed)
    assert (outside / "canary").exists()
    assert (outside / "planted" / "run.json").exists()


def test_killed_purge_leaves_no_partial_run_and_the_next_completes_it(store, write):
    folder = write("net")
    for number in range(20):
        (folder / "media" / f"{number}").touch()
    folio = open_folio(store)
    folio.trash.put(folio.run("net"))
    script = """
import os, signal, sys, runfolio

left = 10

def die_in_the_midst(event, arguments):
    global left
    left -= event == "os.remove"
    if event == "os.remove" and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

trash = runfolio.open(sys.argv[1]).trash
run = trash.run("net")
sys.addaudithook(die_in_the_midst)
trash.purge(run)
"""
    assert subprocess.run([sys.executable, "-c", script, store]).returncode == -signal.SIGKILL

    assert folio.trash.runs() == []
    (doomed,) = (store / ".trash").glob(".purged-*")
    assert 0 < len(list(doomed.rglob("*"))) < 20 + 10
    assert folio.trash.sweep() > 0
    assert list((store / ".trash").iterdir()) == []


def test_read_only_store_is_reported(store, write):
    folder = write("net")
    (store / ".trash").write_text("in the way")
    folio = open_folio(store)

    with pytest.raises(StoreError, match=r"cannot make .*/\.trash: File exists; make sure that you may change"):
        folio.trash.put(folio.run("net"))
    assert folder.exists()
    assert folio.trash.runs() == []

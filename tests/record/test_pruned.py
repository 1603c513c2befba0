"""Pruned checkpoints: each checkpoint is whole in the run or in the trash at any time, and comes back unchanged."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
import torch

import runfolio
from runfolio.errors import DamagedFile, NotFound, RunfolioError, StoreError
from runfolio.record import disk_use, pruned
from runfolio.record.checkpoints import manifests

RUN_PATH = "digits/net"
PUT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from runfolio.record import pruned

left = int(sys.argv[4])

def die_at_a_change(event, arguments):
    global left
    if event in ("os.mkdir", "os.link", "os.remove", "os.rename", "os.rmdir"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

change = getattr(pruned, sys.argv[1])
arguments = [["best", "last"]] if sys.argv[1] == "put" else []
sys.addaudithook(die_at_a_change)
change(Path(sys.argv[2]), sys.argv[3], *arguments)
"""


@pytest.fixture
def folder(store) -> Path:
    """Folder of a run with the checkpoints `best`, `previous`, `last` and `step-2`; `last` and `step-2` share files."""
    policy = runfolio.CheckpointPolicy(keep_every=2)
    with runfolio.init("net", experiment="digits", store=store, checkpoints=policy) as run:
        for step, metric in enumerate((0.9, 0.5, 0.7)):
            run.checkpoint(step=step, metric=metric, weights=torch.full((1000,), float(step)))
            run.flush()
    return Path(run.folder).rename(store / RUN_PATH)


def whole(folder: Path) -> dict[str, int | None]:
    """Return the step of each checkpoint in a folder after verifying its files."""
    checkpoints = [manifests.read(folder, name) for name in manifests.names(folder)]
    for checkpoint in checkpoints:
        checkpoint.verify()
    return {checkpoint.name: checkpoint.step for checkpoint in checkpoints}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}


def parts(store: Path) -> list[Path]:
    return sorted(pruned.folder(store, RUN_PATH).glob("*"))


ALL = {"best": 0, "last": 2, "previous": 1, "step-2": 2}


def test_pruned_checkpoints_come_back_unchanged(store, folder):
    assert whole(folder) == ALL
    before = content(folder)

    assert pruned.put(store, RUN_PATH, ALL) == list(ALL)
    assert content(folder) == {}
    assert [whole(part) for part in parts(store)] == [ALL]
    assert list(pruned.run_paths(store)) == [RUN_PATH]

    assert pruned.restore(store, RUN_PATH) == list(ALL)
    assert content(folder) == before
    assert list((store / ".trash").iterdir()) == []
    with pytest.raises(NotFound):
        pruned.restore(store, RUN_PATH)


def test_files_of_a_remaining_checkpoint_stay_in_the_run(store, folder):
    pruned.put(store, RUN_PATH, ["last", "best"])
    assert whole(folder) == {"previous": 1, "step-2": 2}
    (part,) = parts(store)
    assert whole(part) == {"best": 0, "last": 2}

    pruned.put(store, RUN_PATH, ["step-2"])  # its files are now only in the trash
    pruned.restore(store, RUN_PATH)
    assert whole(folder) == ALL


def test_new_checkpoint_of_the_same_name_is_not_replaced(store, folder):
    pruned.put(store, RUN_PATH, ["best", "last"])
    with runfolio.resume(folder, checkpoint=None, store=store) as run:
        run.checkpoint(step=9, weights=torch.zeros(3))
    pruned.put(store, RUN_PATH, ["last"])
    with runfolio.resume(folder, checkpoint=None, store=store) as run:
        run.checkpoint(step=10, weights=torch.zeros(3))

    assert pruned.restore(store, RUN_PATH) == ["best"]
    assert whole(folder)["last"] == 10
    assert sorted(whole(part)["last"] or 0 for part in parts(store)) == [2, 9]

    (folder / "checkpoints" / "last.json").unlink()
    assert pruned.restore(store, RUN_PATH) == ["last"]
    assert whole(folder)["last"] == 9  # the last pruned one


def test_killed_prune_and_undelete_lose_no_checkpoint(store, folder, python):
    before = whole(folder)
    template = store.parent / "template"
    for change in ("put", "restore"):
        if change == "restore":
            pruned.put(store, RUN_PATH, ["best", "last"])
        store.rename(template)
        number = 0
        killed = True
        while killed:
            number += 1
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(template, store)
            done = python(PUT_AND_DIE, change, store, RUN_PATH, number)
            killed = done.returncode == -signal.SIGKILL
            assert killed or done.returncode == 0, done.stderr

            in_trash = [whole(part) for part in parts(store)]
            assert {name: step for each in (*in_trash, whole(folder)) for name, step in each.items()} == before
            if parts(store):
                pruned.restore(store, RUN_PATH)
            assert whole(folder) == before
        assert number > 8
        shutil.rmtree(store)
        template.rename(store)


def test_reader_never_finds_a_manifest_without_its_files(store, folder):
    with runfolio.resume(folder, checkpoint=None, store=store) as run:
        run.checkpoint(step=3, weights=torch.zeros(3))
    manifest = (folder / "checkpoints" / "last.json").read_text()
    tensors = manifests.read(folder, "last").file_names[0]
    for number in range(200):  # each checkpoint has a file of its own
        shutil.copy(folder / "checkpoints" / tensors, folder / "checkpoints" / f"own-{number}.state.safetensors")
        own = manifest.replace(tensors, f"own-{number}.state.safetensors").replace('"last"', f'"own-{number}"')
        (folder / "checkpoints" / f"own-{number}.json").write_text(own)
    names = [name for name in manifests.names(folder) if name.startswith("own-")]
    pruning = threading.Thread(target=pruned.put, args=(store, RUN_PATH, names))
    pruning.start()
    verified = 0
    while pruning.is_alive():
        for name in names:
            try:
                manifests.read(folder, name).verify()
                verified += 1
            except (NotFound, DamagedFile):
                assert name not in manifests.names(folder)
    pruning.join()

    assert verified > 0
    assert not set(names) & set(manifests.names(folder))


def test_damaged_checkpoint_is_left_in_the_run(store, folder):
    (folder / "checkpoints" / "best.json").write_text("{")

    assert pruned.put(store, RUN_PATH, ["best", "last"]) == ["last"]
    assert manifests.names(folder) == ["best", "previous", "step-2"]


def test_checkpoint_without_its_file_can_be_pruned(store, folder):
    (folder / "checkpoints" / manifests.read(folder, "best").file_names[0]).unlink()

    assert pruned.put(store, RUN_PATH, ["best"]) == ["best"]
    assert pruned.restore(store, RUN_PATH) == ["best"]
    with pytest.raises(DamagedFile):
        manifests.read(folder, "best").verify()


def test_prune_and_undelete_follow_no_links(store, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    tensors = folder / "checkpoints" / manifests.read(folder, "best").file_names[0]
    tensors.rename(outside / "file")
    tensors.symlink_to(outside / "file")
    assert pruned.put(store, RUN_PATH, ["best"]) == []

    (store / ".trash" / ".pruned").mkdir(parents=True, exist_ok=True)
    (store / ".trash" / ".pruned" / "digits").symlink_to(outside)
    for change in (lambda: pruned.put(store, RUN_PATH, ["last"]), lambda: pruned.restore(store, RUN_PATH)):
        with pytest.raises(StoreError, match="is a link"):
            change()
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert manifests.names(folder) == sorted(ALL)


def test_missing_checkpoint_says_how_to_restore_it(store, folder):
    pruned.put(store, RUN_PATH, ["best", "last"])
    restores = "checkpoints were pruned, and `runfolio undelete digits/net` restores best, last"
    with pytest.raises(NotFound, match=f"no checkpoint 'last' in .*; it has previous, step-2; {restores}"):
        manifests.read(folder, "last")

    pruned.put(store, RUN_PATH, ["previous", "step-2"])
    with pytest.raises(NotFound, match=f"it has none; {restores}, previous, step-2; "):
        runfolio.resume(folder, store=store)
    pruned.purge(store, RUN_PATH)
    with pytest.raises(NotFound, match=r"it has none$"):
        manifests.read(folder, "last")


def test_purge_frees_the_space_that_the_checkpoints_used(store, folder):
    used = disk_use.DiskUseCounter().count(folder).checkpoints
    pruned.put(store, RUN_PATH, ALL)
    left = disk_use.DiskUseCounter().count(folder).checkpoints

    assert pruned.purge(store, RUN_PATH) >= used - left > 0
    assert list((store / ".trash").iterdir()) == []
    with pytest.raises(RunfolioError):
        pruned.purge(store, RUN_PATH)


def test_disk_use_counts_a_shared_file_once_and_follows_no_link(store, folder, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(1_000_000))
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "link").symlink_to(tmp_path / "large")
    (folder / "media").mkdir(exist_ok=True)
    (folder / "media" / "large").write_bytes(os.urandom(1_000_000))
    twin = Path(shutil.copytree(folder, store / "twin", copy_function=os.link, symlinks=True))

    counter = disk_use.DiskUseCounter()
    first, second = counter.count(folder), counter.count(twin)
    assert 1_000_000 <= first.media < 1_100_000
    assert first.artifacts < 100_000
    assert second.media < 100_000
    assert first.total == sum((first.checkpoints, first.media, first.points, first.artifacts, first.other))

"""Recorded data of training runs, and reactions to changed images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import runfolio
from runfolio import RecordedRun
from runfolio.errors import ConfigError
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.data import describe

from .photos import fill, picture
from .test_resume import curves, interrupted

ZIPS = Path(__file__).parents[3] / "shared" / "data"
COUNTS = {"train/ham": 20, "train/spam": 20, "test/ham": 3, "test/spam": 3}


@pytest.fixture
def food(tmp_path: Path) -> Path:
    return fill(tmp_path / "food", COUNTS)


@pytest.fixture
def settings(tiny) -> Callable[..., TrainSettings]:
    def make(data: Path | str, **changes) -> TrainSettings:
        name = f"folder:{data}" if isinstance(data, Path) else data
        return tiny(**{"data": name, "data_fraction": 1, "image_size": 16, "epochs": 1, "watch": 0} | changes)

    return make


@pytest.fixture
def train(store: Path, settings) -> Callable[..., RecordedRun]:
    def train(data: Path | str, **changes) -> RecordedRun:
        folder = run_experiment(settings(data, **changes), store=store)
        return runfolio.open(store).run(folder)

    return train


@pytest.fixture
def stopped(store: Path, settings, food: Path) -> RecordedRun:
    """Return a run that was interrupted in its third epoch."""
    describe(f"folder:{food}")  # inspects the images, so that the progress display only counts batches
    return interrupted(settings(food, epochs=4, batch_size=8, augment="trivial"), store, after_batches=10)


def fingerprints(run: RecordedRun) -> dict[str, str | None]:
    return {name: facts.fingerprint for name, facts in run.data.items()}


def test_run_records_training_validation_and_test_data(train, food: Path):
    run = train(food)

    assert {name: (facts.items, facts.source) for name, facts in run.data.items()} == {
        "train": (32, f"folder:{food}"),
        "val": (8, f"folder:{food}"),
        "test": (6, f"folder:{food}"),
    }
    assert [(item.name, item.label) for item in run.data["test"].listing()][:2] == [
        ("test/ham/0.png", "ham"),
        ("test/ham/1.png", "ham"),
    ]
    images = {item.name for name in ("train", "val") for item in run.data[name].listing()}
    assert images == {path.relative_to(food).as_posix() for path in (food / "train").rglob("*.png")}


def test_equal_folders_have_equal_fingerprints(train, food: Path, tmp_path: Path):
    copied = shutil.copytree(food, tmp_path / "elsewhere" / "meals")
    for path in copied.rglob("*.png"):
        os.utime(path, (1, 1))

    assert fingerprints(train(copied)) == fingerprints(train(food))


def test_changed_image_changes_the_fingerprint(train, food: Path):
    before = fingerprints(train(food))
    path = food / "test" / "ham" / "1.png"
    path.write_bytes(path.read_bytes() + b"\0")
    after = fingerprints(train(food))

    assert (after["train"], after["val"]) == (before["train"], before["val"])
    assert after["test"] != before["test"]


def test_other_seed_splits_the_same_images_differently(train, food: Path):
    one, other = (fingerprints(train(food, seed=seed)) for seed in (1, 2))

    assert one["test"] == other["test"]
    assert one["train"] != other["train"]


def test_digits_have_a_fingerprint_of_their_pixels(trained: RecordedRun, train):
    assert {name: facts.source for name, facts in trained.data.items()} == dict.fromkeys(
        ("train", "val", "test"), "digits"
    )
    assert trained.data["test"].items == 359
    assert fingerprints(train("digits", data_fraction=0.02))["test"] == trained.data["test"].fingerprint


def test_described_fingerprint_equals_that_of_a_run(train, food: Path):
    description = describe(f"folder:{food}")
    with pytest.warns(match="val-fraction is 0"):
        run = train(food, val_fraction=0)

    assert fingerprints(run) == {
        "train": description.train.fingerprint,
        "test": description.test.fingerprint,
    }


def edit(food: Path) -> None:
    picture(12345).save(food / "train" / "ham" / "3.png")


def remove(food: Path) -> None:
    (food / "train" / "spam" / "0.png").unlink()


def add(food: Path) -> None:
    picture(999).save(food / "train" / "spam" / "new.png")


def relabel(food: Path) -> None:
    (food / "train" / "ham" / "3.png").rename(food / "train" / "spam" / "from-ham.png")


def spoil_the_test(food: Path) -> None:
    picture(4711).save(food / "test" / "spam" / "2.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit, r"1 changed \(train/ham/3.png\)"),
        (remove, r"1 removed \(train/spam/0.png\)"),
        (add, r"1 added \(train/spam/new.png\)"),
        (relabel, r"1 relabelled \(train/ham/3.png -> train/spam/from-ham.png\)"),
        (spoil_the_test, r"1 changed \(test/spam/2.png\)"),
    ],
)
def test_run_is_not_resumed_on_changed_images(stopped: RecordedRun, food: Path, store: Path, change, message):
    before = {path: path.stat().st_mtime_ns for path in stopped.folder.rglob("*")}
    change(food)

    with pytest.raises(
        ConfigError, match=rf"the images of run .* changed since it was started: {message}; undo .*--ch"
    ):
        run_experiment(resume=stopped.id, store=store)

    assert {path: path.stat().st_mtime_ns for path in stopped.folder.rglob("*")} == before


def test_run_is_resumed_if_only_time_stamps_changed(stopped: RecordedRun, food: Path, store: Path):
    for path in food.rglob("*.png"):
        os.utime(path, (1, 1))
    (food / "train" / "ham" / ".hidden.png").write_bytes(b"")

    run_experiment(resume=stopped.id, store=store)


@pytest.mark.parametrize("change", [edit, relabel, spoil_the_test])
def test_run_continues_with_changed_images_on_request(stopped: RecordedRun, food: Path, store: Path, change):
    recorded = stopped.data
    change(food)

    with pytest.warns(match="continues although its images changed: 1"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)

    run = runfolio.open(store).run(stopped.id)
    assert run.state == "finished"
    assert any("continues although its images changed" in entry.content["text"] for entry in run.media("text"))
    now_other = [name for name, facts in run.data.items() if facts.earlier]
    assert [run.data[name].earlier[0].fingerprint for name in now_other] == [
        recorded[name].fingerprint for name in now_other
    ]
    assert len(now_other) == 1
    assert [run.data[name].items for name in run.data] == [recorded[name].items for name in recorded]


def test_resumed_run_ignores_new_images(store: Path, settings, tmp_path: Path):
    food = fill(tmp_path / "food", {"ham": 30, "spam": 30})  # the split depends on all images
    ours = settings(food, epochs=4, batch_size=8, augment="trivial")
    folder = run_experiment(ours, store=tmp_path / "straight")
    straight = runfolio.open(tmp_path / "straight").run(folder)
    stopped = interrupted(ours, store, after_batches=12)
    for number in range(5):
        picture(100_000 + number).save(food / "ham" / f"0-{number}.png")

    with pytest.warns(match="continues although its images changed: 5 added"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)

    resumed = runfolio.open(store).run(stopped.id)
    assert fingerprints(resumed) == fingerprints(stopped) == fingerprints(straight)
    assert curves(resumed) == curves(straight)
    ours, theirs = (run.checkpoint("last").tensors("model") for run in (resumed, straight))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_resumed_run_ignores_new_validation_images(store: Path, settings, food: Path):
    fill(food / "valid", {"ham": 4, "spam": 4}, seed=300_000)
    ours = settings(food, epochs=2, batch_size=8, augment="trivial")
    with pytest.warns(match="valid/ .8 images. for validation"):
        folder = run_experiment(ours, store=food.parent / "straight")
    straight = runfolio.open(food.parent / "straight").run(folder)
    stopped = interrupted(ours, store, after_batches=7)
    picture(100_000).save(food / "valid" / "ham" / "0-new.png")

    with pytest.warns(match="continues although its images changed: 1 added"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)

    resumed = runfolio.open(store).run(stopped.id)
    assert fingerprints(resumed) == fingerprints(stopped) == fingerprints(straight)
    assert curves(resumed) == curves(straight)


def test_run_with_missing_images_is_not_resumed(stopped: RecordedRun, food: Path, store: Path):
    remove(food)

    with pytest.raises(ConfigError, match=r"does not contain all of its images: train/spam/0.png"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)


def test_run_with_an_additional_class_is_not_resumed(stopped: RecordedRun, food: Path, store: Path):
    for part in ("train", "test"):
        fill(food / part, {"eggs": 5}, seed=777)

    with pytest.raises(ConfigError, match="cannot continue with images of different classes"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)


def test_changed_images_are_refused_without_the_listing(stopped: RecordedRun, food: Path, store: Path):
    shutil.rmtree(stopped.folder / "data")
    edit(food)

    with pytest.raises(ConfigError, match="but the changes are unknown"):
        run_experiment(resume=stopped.id, store=store, changed_data=True)


@pytest.mark.skipif(not ZIPS.is_dir(), reason="the zips of photos are not here")
def test_both_zips_of_photos_share_given_test_data(train):
    tenth, fifth = (f"zip:{ZIPS / name}.zip" for name in ("pizza_steak_sushi", "pizza_steak_sushi_20_percent"))
    one, other = (fingerprints(train(data, test_data=tenth, image_size=8)) for data in (tenth, fifth))

    assert one["train"] != other["train"]
    assert one["test"] == other["test"] == fingerprints(train(tenth, image_size=8))["test"]

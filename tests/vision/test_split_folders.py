"""Recognition of folders for training, validation and test, with their notices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import runfolio
from runfolio.errors import ConfigError
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.data import ImageSource, load_data
from runfolio.vision.prepare import prepare

from .photos import fill, picture

PARTS = {"train": 4, "val": 2, "test": 3}
"""Number of images of each of two classes."""


def divided(root: Path, folders: dict[str, str], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Write a folder whose parts (`train`, `val`, `test`) have different names."""
    for seed, (part, folder) in enumerate(folders.items()):
        fill(root / folder, dict.fromkeys(classes, PARTS[part]), seed=100_000 * seed)
    return root


def load(folder: Path, **options) -> ImageSource:
    return load_data(f"folder:{folder}", with_validation=True, **options)


def sizes(source: ImageSource) -> tuple[int, int, int]:
    val = 0 if source.val is None else len(source.val)
    return len(source.train) - val, val, len(source.test)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Train", "Valid", "Test"),
        ("TRAINING", "validation", "TESTING"),
        ("trn", "dev", "tst"),
        ("tr", "val", "te"),
        ("train_set", "val-set", "test set"),
        ("01_imagesTrain", "02_imagesVal", "03_imagesTest"),
        ("train2017", "val2017", "test2017"),
    ],
)
def test_parts_are_recognised_in_any_usual_spelling(tmp_path, train, val, test):
    source = load(divided(tmp_path, {"train": train, "val": val, "test": test}))

    assert source.classes == ("cat", "dog")
    assert sizes(source) == (8, 4, 6)
    assert source.notices == (
        f"used: {train}/ (8 images) for training, {val}/ (4 images) for validation, {test}/ (6 images) for test",
    )


def test_plain_names_of_parts_need_no_notice(tmp_path):
    assert load(divided(tmp_path, {"train": "train", "test": "test"})).notices == ()


def test_a_folder_repeated_inside_itself_is_one_part(tmp_path):
    names = {part: f"{part}_set/{part}_set" for part in ("train", "test")}

    assert sizes(load(divided(tmp_path, names))) == (8, 0, 6)


def test_other_folder_with_the_same_classes_is_the_test_folder(tmp_path):
    source = load(divided(tmp_path, {"train": "Training", "test": "unseen"}))

    assert sizes(source) == (8, 0, 6)
    assert source.notices == ("used: Training/ (8 images) for training, unseen/ (6 images) for test",)


def test_parts_inside_each_class_folder_are_recognised(tmp_path):
    for seed, name in enumerate(("cat", "dog")):
        fill(tmp_path / name, {"Train": 4, "Test": 3}, seed=50_000 * seed)

    source = load(tmp_path)

    assert (source.classes, sizes(source)) == (("cat", "dog"), (8, 0, 6))
    assert source.notices == ("used: */Train/ (8 images) for training, */Test/ (6 images) for test",)


def test_without_a_test_folder_a_fifth_of_training_is_kept(tmp_path):
    fill(tmp_path / "train", {"cat": 10, "dog": 10})
    fill(tmp_path / "valid", {"cat": 2, "dog": 2}, seed=50)

    source = load(tmp_path)

    assert sizes(source) == (16, 4, 4)
    assert all(source.test.reference(index).startswith("train/") for index in range(4))
    assert source.notices[1] == "no test folder: 4 images of train/ are the test images of every run"


def test_a_validation_folder_of_other_classes_is_named(tmp_path):
    divided(tmp_path, {"train": "train", "test": "test"}, ("cat", "cow", "dog"))
    divided(tmp_path, {"val": "val"}, ("cat", "dog", "hen"))

    source = load(tmp_path)

    assert sizes(source) == (12, 4, 9)
    assert source.notices[1:] == ("left out: val/hen/ (only in this folder)", "val/ has no images of: cow")


def test_left_out_folders_are_named(tmp_path):
    divided(tmp_path, {"train": "train", "test": "test"})
    fill(tmp_path, {"unlabelled": 3})
    picture().save(tmp_path / "cover.png")
    picture().save(tmp_path / "train" / "stray.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "train" / "hen").mkdir()

    (notice,) = load(tmp_path).notices

    assert notice == (
        "left out: labels/ (no images), 1 image outside of the class folders, such as cover.png, "
        "train/hen/ (no images), 1 image in train/ outside of the class folders, such as stray.png, "
        "unlabelled/ (3 images without class folders)"
    )


def test_empty_classes_and_loose_images_are_named(tmp_path):
    fill(tmp_path, {"cat": 5, "dog": 5})
    (tmp_path / "hen").mkdir()
    picture().save(tmp_path / "cover.png")

    assert load(tmp_path).notices == (
        "left out: hen/ (no images), 1 image outside of the class folders, such as cover.png",
    )


def test_parts_without_class_folders_are_refused(tmp_path):
    fill(tmp_path, {"Train": 5, "Test": 5})

    with pytest.raises(ConfigError, match=r"Test/ and Train/ of .* have images but no class folders; inside them"):
        load(tmp_path)


def test_test_images_without_classes_are_named_in_the_error(tmp_path):
    divided(tmp_path, {"train": "train"})
    fill(tmp_path, {"test": 5})

    with pytest.raises(ConfigError, match=r"has train/ but no test/; .*test/ \(5 images without class folders\)"):
        load(tmp_path)


def test_a_class_with_the_name_of_a_part_is_named(tmp_path):
    fill(tmp_path, {"train": 5, "bus": 5})

    source = load(tmp_path)

    assert source.classes == ("bus", "train")
    assert source.notices == ("folders used as classes, although they have the names of data splits: train",)


def test_classes_with_equal_subfolders_give_a_notice(tmp_path):
    fill(tmp_path / "2023", {"cat": 5, "dog": 5})
    fill(tmp_path / "2024", {"cat": 5, "dog": 5}, seed=50)

    source = load(tmp_path)

    assert source.classes == ("2023", "2024")
    assert source.notices[0].startswith("2023/, 2024/ were used as classes, but all have the same folders (cat, dog)")


@pytest.fixture
def food(tmp_path: Path) -> Path:
    return divided(tmp_path / "food", {"train": "train", "val": "valid", "test": "test"})


def settings_for(food: Path, **changes) -> TrainSettings:
    options = {"data": f"folder:{food}", "image_size": 8, "hidden_units": 4, "epochs": 1, "device": "cpu", **changes}
    return TrainSettings(**options)


def test_validation_folder_is_used_for_validation(food):
    prepared = prepare(settings_for(food))

    assert (len(prepared.train), len(prepared.val), len(prepared.test)) == (8, 4, 6)
    assert all(item.name.startswith("valid/") for item in prepared.listing("val"))
    assert all(item.name.startswith("train/") for item in prepared.listing("train"))


def test_data_fraction_does_not_reduce_the_validation_folder(food):
    prepared = prepare(settings_for(food, data_fraction=0.5))

    assert (len(prepared.train), len(prepared.val)) == (4, 4)


@pytest.mark.parametrize("division", [{"val_fraction": 0.25}, {"fold": "1/4"}])
def test_requested_split_replaces_the_validation_folder(food, division):
    prepared = prepare(settings_for(food, **division))

    assert (len(prepared.train), len(prepared.val)) == (6, 2)
    assert all(item.name.startswith("train/") for item in prepared.listing("val"))
    assert prepared.source.notices[-1] == (
        "valid/ (4 images) left out: --val-fraction or --fold splits the training images instead"
    )


def test_unreadable_validation_images_are_left_out(food):
    (food / "valid" / "cat" / "0.png").write_bytes(b"no picture")
    (food / "train" / "cat" / "0.png").write_bytes(b"no picture")

    prepared = prepare(settings_for(food, skip_bad_images=True))

    assert (len(prepared.train), len(prepared.val)) == (7, 3)
    assert all(item.name.startswith("valid/") for item in prepared.listing("val"))


def test_validation_images_cannot_be_test_data(food):
    with pytest.raises(ConfigError, match="4 of the 4 images of test-data"):
        load(food, test_data=f"folder:{food / 'valid'}")


def test_run_records_the_use_of_folders(food, tmp_path):
    with pytest.warns(match="used: .* valid/"):
        folder = run_experiment(settings_for(food), store=tmp_path / "runs")

    run = runfolio.open(tmp_path / "runs").run(folder)
    texts = [entry.content["text"] for entry in run.media("text") if entry.name == "notice"]
    assert any("valid/ (4 images) for validation" in text for text in texts)
    assert {part: facts.items for part, facts in run.data.items()} == {"train": 8, "val": 4, "test": 6}
    assert np.isfinite(run.flat_summary["val/loss"])

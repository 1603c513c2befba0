"""Data `folder:PATH`: accepted, ignored and refused content."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.model_loading import installed_loader
from runfolio.vision import TrainSettings, run_experiment, sample_test_images
from runfolio.vision.data import ImageSet, ImageSource, load_data

from .photos import fill, picture


def references(images: ImageSet) -> list[str]:
    return [images.reference(index) for index in range(len(images))]


def load(folder: Path, **options) -> ImageSource:
    return load_data(f"folder:{folder}", **options)


def test_train_and_test_have_one_folder_per_class(tmp_path):
    fill(tmp_path / "train", {"sushi": 3, "pizza": 2})
    fill(tmp_path / "test", {"sushi": 1, "pizza": 1}, seed=50)

    source = load(tmp_path)

    assert source.classes == ("pizza", "sushi")
    assert references(source.train) == [f"train/pizza/{i}.png" for i in range(2)] + [
        f"train/sushi/{i}.png" for i in range(3)
    ]
    assert source.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert references(source.test) == ["test/pizza/0.png", "test/sushi/0.png"]
    assert (source.channels, source.image_size) == (3, (224, 224))
    assert np.asarray(source.train.image(1)).tolist() == np.asarray(picture(1001)).tolist()


def test_one_folder_of_classes_is_split_the_same_for_every_run(tmp_path):
    fill(tmp_path, {"pizza": 10, "sushi": 20})

    source, again = load(tmp_path), load(tmp_path)

    assert np.bincount(source.test.labels).tolist() == [2, 4]
    assert np.bincount(source.train.labels).tolist() == [8, 16]
    assert not set(references(source.train)) & set(references(source.test))
    assert references(again.test) == references(source.test)


def test_folder_is_found_from_any_working_folder(tmp_path, monkeypatch):
    fill(tmp_path / "food", {"pizza": 5, "sushi": 5})
    monkeypatch.chdir(tmp_path)
    source = load_data("folder:food")

    monkeypatch.chdir("/")

    assert references(load_data(source.name).test) == references(source.test)


def test_single_top_level_folder_is_skipped(tmp_path):
    fill(tmp_path / "food-v2" / "train", {"pizza": 2, "sushi": 2})
    fill(tmp_path / "food-v2" / "test", {"pizza": 1, "sushi": 1}, seed=50)

    assert len(load(tmp_path).test) == 2


def test_class_can_be_named_train(tmp_path):
    fill(tmp_path, {"train": 5, "bus": 5, "tram": 5})

    assert load(tmp_path).classes == ("bus", "train", "tram")


def test_hidden_and_other_files_and_empty_folders_are_ignored(tmp_path):
    fill(tmp_path, {"pizza": 5, "sushi": 5, "__MACOSX/pizza": 1, ".cache": 1})
    (tmp_path / "empty").mkdir()
    for name in ("README.md", "pizza/Thumbs.db", "pizza/.DS_Store", "sushi/._0.png", "sushi/notes.txt"):
        (tmp_path / name).write_bytes(b"no picture")

    source = load(tmp_path)

    assert source.classes == ("pizza", "sushi")
    assert len(source.train) + len(source.test) == 10


def test_file_endings_ignore_case_and_subfolders_are_searched(tmp_path):
    fill(tmp_path, {"pizza/monday": 3, "pizza/tuesday": 3, "sushi": 5})
    picture().save(tmp_path / "pizza" / "IMG_1.JPG", format="jpeg")

    source = load(tmp_path)

    assert np.bincount(source.train.labels).sum() + len(source.test) == 12
    assert source.classes == ("pizza", "sushi")


def test_links_are_followed_without_endless_loops(tmp_path):
    fill(tmp_path / "elsewhere", {"pizza": 5, "sushi": 5})
    (tmp_path / "food").mkdir()
    for name in ("pizza", "sushi"):
        (tmp_path / "food" / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "pizza" / "again").symlink_to(tmp_path / "elsewhere" / "pizza")

    source = load(tmp_path / "food")

    assert len(source.train) + len(source.test) == 10


def test_image_can_have_a_name_that_is_not_utf8(tmp_path):
    fill(tmp_path, {"pizza": 5, "sushi": 5})
    odd = os.fsdecode(os.fsencode(tmp_path / "pizza") + b"/caf\xe9.png")
    picture(77).save(odd, format="png")

    source = load(tmp_path)

    everything = references(source.train) + references(source.test)
    assert "pizza/caf\N{REPLACEMENT CHARACTER}.png" in everything
    assert all(name.encode() for name in everything)


def test_invalid_data_is_refused_with_the_expected_layout(tmp_path):
    fill(tmp_path / "one", {"pizza": 3})
    (tmp_path / "none").mkdir()
    (tmp_path / "food.zip").write_bytes(b"")

    for folder, kind, message in [
        ("one", ConfigError, "images of only one class (pizza); give a folder with two or more folders of images"),
        ("none", ConfigError, "no images in folders; give a folder with two or more folders of images"),
        ("nowhere", NotFound, "nowhere does not exist; check the path"),
        ("food.zip", NotFound, f"is a file, not a folder; did you mean zip:{tmp_path / 'food.zip'}?"),
    ]:
        with pytest.raises(kind) as refusal:
            load(tmp_path / folder)
        assert message in str(refusal.value)


def test_path_without_a_kind_is_refused_with_the_kind(tmp_path):
    with pytest.raises(NotFound, match=f"did you mean folder:{tmp_path}"):
        load_data(str(tmp_path))


def test_class_of_only_one_part_is_named(tmp_path):
    fill(tmp_path / "train", {"pizza": 2, "sushi": 2, "ramen": 2})
    fill(tmp_path / "test", {"pizza": 1, "sushi": 1, "steak": 1}, seed=50)
    (tmp_path / "test" / "ramen").mkdir()

    with pytest.raises(
        ConfigError, match="only in train/: ramen and only in test/: steak; add the missing class folders"
    ):
        load(tmp_path)


def test_a_missing_part_is_named_with_the_remedy(tmp_path):
    fill(tmp_path / "a" / "train", {"pizza": 2, "sushi": 2})
    fill(tmp_path / "b" / "test", {"pizza": 2, "sushi": 2})

    with pytest.raises(ConfigError, match="has train/ but no test/; add one, or give test images with --test-data"):
        load(tmp_path / "a")
    with pytest.raises(
        ConfigError, match="has test/ but no train/; give a different folder, or use this one as --test-data"
    ):
        load(tmp_path / "b")

    assert len(load(tmp_path / "a", test_data=f"folder:{tmp_path / 'b'}").test) == 4


def test_class_too_small_for_a_test_is_named(tmp_path):
    fill(tmp_path, {"pizza": 10, "sushi": 1})

    with pytest.raises(ConfigError, match=r"class 'sushi' of .* has too few images to split off a test image"):
        load(tmp_path)


def test_one_test_set_is_shared_by_several_data_sets(tmp_path):
    fill(tmp_path / "small", {"pizza": 4, "sushi": 4})
    fill(tmp_path / "shared" / "train", {"pizza": 2, "sushi": 2}, seed=100)
    fill(tmp_path / "shared" / "test", {"pizza": 3, "sushi": 3}, seed=200)
    tested_on = f"folder:{tmp_path / 'shared'}"

    source = load(tmp_path / "small", test_data=tested_on)

    assert len(source.train) == 8  # no images are needed for test
    assert references(source.test) == references(load_data(tested_on).test)


def test_run_records_its_test_set(tmp_path, store):
    fill(tmp_path / "small", {"pizza": 10, "sushi": 10})
    fill(tmp_path / "tests", {"pizza": 3, "sushi": 4}, seed=200)
    settings = TrainSettings(
        data=f"folder:{tmp_path / 'small'}",
        test_data=f"folder:{tmp_path / 'tests'}",
        image_size=8,
        hidden_units=4,
        epochs=1,
        device="cpu",
    )
    folder = run_experiment(settings, store=store)

    run = runfolio.open(store).run(folder)

    assert (run.flat_summary["train/images"], run.flat_summary["val/images"], run.flat_summary["test/images"]) == (
        16,
        4,
        7,
    )
    drawn = sample_test_images(installed_loader(run.checkpoint()), 7)
    assert sorted(sample.reference for sample in drawn) == sorted(
        [f"pizza/{i}.png" for i in range(3)] + [f"sushi/{i}.png" for i in range(4)]
    )


def test_a_test_set_without_parts_is_used_whole(tmp_path):
    fill(tmp_path / "data", {"pizza": 4, "sushi": 4})
    fill(tmp_path / "test-only", {"pizza": 3, "sushi": 3}, seed=200)

    assert len(load(tmp_path / "data", test_data=f"folder:{tmp_path / 'test-only'}").test) == 6


def test_classes_that_differ_between_data_and_test_data_are_named(tmp_path):
    fill(tmp_path / "data", {"pizza": 4, "sushi": 4})
    fill(tmp_path / "other", {"pizza": 3, "ramen": 3}, seed=200)
    ours, theirs = f"folder:{tmp_path / 'data'}", f"folder:{tmp_path / 'other'}"

    with pytest.raises(ConfigError) as refusal:
        load_data(ours, test_data=theirs)

    assert str(refusal.value) == (
        f"the classes of data and test-data differ, only in {ours}: sushi and only in {theirs}: ramen; "
        "they must be the same"
    )


def test_training_images_cannot_test(tmp_path):
    fill(tmp_path, {"pizza": 4, "sushi": 4})

    with pytest.raises(ConfigError, match=r"8 of the 8 images of test-data .* are also training images"):
        load(tmp_path, test_data=f"folder:{tmp_path}")


def test_classes_in_another_order_are_mapped(tmp_path):
    fill(tmp_path, {str(name): 5 for name in range(10)})

    source = load_data("digits", test_data=f"folder:{tmp_path}")
    reverse = load(tmp_path, test_data="digits")

    assert [source.classes[label] for label in source.test.labels[:6]] == ["0"] * 5 + ["1"]
    assert reverse.test.reference(12) == "digits test image 12"
    assert reverse.test.labels.tolist() == load_data("digits").test.labels.tolist()

"""Description of data."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runfolio.vision.data import SharedImage, describe

from .photos import fill, picture

SHARED = Path(__file__).parents[3] / "shared" / "data"


def local(name: str) -> str:
    """Return the name of a zip next to a developer's checkout, and skip the test if it is missing."""
    path = SHARED / f"{name}.zip"
    if not path.exists() and not os.environ.get("CI"):
        pytest.skip(f"{path} is not there")
    return f"zip:{path}"


def test_images_are_counted_and_measured(tmp_path):
    fill(tmp_path / "train", {"pizza": 3, "sushi": 2})
    fill(tmp_path / "test", {"pizza": 1, "sushi": 1}, seed=50)
    picture(9, 40, 30).convert("L").save(tmp_path / "train" / "sushi" / "large.png")

    description = describe(f"folder:{tmp_path}")

    assert description.classes == ("pizza", "sushi")
    assert (description.channels, description.image_size) == (3, (224, 224))
    assert (description.train.images, description.train.class_counts) == (6, {"pizza": 3, "sushi": 3})
    assert (description.train.width, description.train.height) == ((12, 12, 40), (8, 8, 30))
    assert description.train.modes == {"RGB": 5, "L": 1}
    assert (description.test.images, description.test.class_counts) == (2, {"pizza": 1, "sushi": 1})
    assert (description.shared, description.train.duplicates, description.bad_images) == ((), (), ())


def test_duplicate_images_are_named(tmp_path):
    fill(tmp_path / "train", {"pizza": 3, "sushi": 2})
    fill(tmp_path / "test", {"pizza": 1, "sushi": 1}, seed=50)
    for name in ("train/sushi/twin.png", "test/pizza/seen.png"):
        shutil.copy(tmp_path / "train" / "pizza" / "0.png", tmp_path / name)

    description = describe(f"folder:{tmp_path}")

    assert description.train.duplicates == (("train/pizza/0.png", "train/sushi/twin.png"),)
    assert description.shared == (SharedImage("train/pizza/0.png", "test/pizza/seen.png"),)


def test_bad_images_are_listed_and_not_counted(tmp_path):
    fill(tmp_path, {"pizza": 5, "sushi": 5})
    (tmp_path / "pizza" / "bad.png").write_bytes(b"no picture")

    description = describe(f"folder:{tmp_path}")

    assert description.train.images + description.test.images == 10
    (line,) = description.bad_images
    assert "bad.png is not an image" in line


def test_data_in_memory_is_described():
    description = describe("digits")

    assert (description.train.images, description.test.images) == (1438, 359)
    assert description.train.width == description.train.height == (8, 8, 8)
    assert description.train.modes == {"L": 1438}
    assert description.shared == ()


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("pizza_steak_sushi", [78, 75, 72], [25, 19, 31]),
        ("pizza_steak_sushi_20_percent", [154, 146, 150], [46, 58, 46]),
    ],
)
def test_photos_of_the_course_match_their_description(name, train, test):
    description = describe(local(name))

    assert description.classes == ("pizza", "steak", "sushi")
    assert list(description.train.class_counts.values()) == train
    assert list(description.test.class_counts.values()) == test
    assert description.train.modes == {"RGB": sum(train)}
    assert description.train.width.largest == description.train.height.largest == 512
    assert (description.bad_images, description.shared) == ((), ())


def test_no_small_test_image_is_a_large_training_image():
    description = describe(local("pizza_steak_sushi_20_percent"), test_data=local("pizza_steak_sushi"))

    assert (description.train.images, description.test.images, description.shared) == (450, 75, ())

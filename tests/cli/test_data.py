"""`data`: a look at images before anything is trained on them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runfolio.vision.data import describe


def photo(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    """Return an image that differs for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pets(tmp_path) -> Path:
    """train/ and test/ with cats and dogs; one cat is in both, one dog is there twice, one file is broken."""
    root = tmp_path / "pets"
    for number in range(4):
        photo(root / "train" / "cat" / f"{number}.png", number)
        photo(root / "train" / "dog" / f"{number}.png", 10 + number, (64, 48))
    photo(root / "train" / "dog" / "again.png", 10, (64, 48))
    photo(root / "test" / "cat" / "seen.png", 2)
    photo(root / "test" / "dog" / "new.png", 99)
    (root / "test" / "dog" / "broken.png").write_text("not an image")
    return root


def test_data_shows_counts_sizes_and_duplicates(runfolio, pets):
    done = runfolio("data", f"folder:{pets}", "--image-size", "16", "--out", "batch.png")
    description = describe(f"folder:{pets}")

    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines == [
        f"folder:{pets}: 2 classes",
        "",
        "class  train  test",
        "──────────────────",
        "cat        4     1",
        "dog        5     1",
        "all        9     2",
        "",
        "pixels  width                height               mode",
        "──────────────────────────────────────────────────────",
        "train   40 to 64, median 64  30 to 48, median 48  RGB",
        "test    40                   30                   RGB",
        "",
        "1 test image is a training image too, so test results are too good: test/cat/seen.png = train/cat/2.png",
        "1 training image repeats another: train/dog/0.png = train/dog/again.png",
        f"fingerprint  train {description.train.fingerprint[:8]}, test {description.test.fingerprint[:8]}",
        "",
        "drew a batch of images to batch.png",
    ]
    broken, left_out = done.stderr.splitlines()
    assert "broken.png is not an image" in broken
    assert left_out == "warning: 1 bad file left out; to train on the others, add --skip-bad-images"


def test_data_in_which_nothing_is_amiss(runfolio, tmp_path):
    done = runfolio("data", "digits")

    assert "all    1,438   359" in done.stdout
    assert "no duplicate images" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.glob("*.png")) == []  # pictures are drawn where they are asked for


def test_data_shows_validation_images_and_what_was_taken_for_what(runfolio, tmp_path):
    for part, names in {"Train": range(4), "valid": range(4, 6), "Test": range(6, 9)}.items():
        for number in names:
            photo(tmp_path / "pets" / part / "cat" / f"{number}.png", number)
            photo(tmp_path / "pets" / part / "dog" / f"{number}.png", 100 + number)

    done = runfolio("data", f"folder:{tmp_path / 'pets'}")

    assert "all        8    4     6" in done.stdout
    taken = "used: Train/ (8 images) for training, valid/ (4 images) for validation, Test/ (6 images) for test"
    assert taken in done.stdout.splitlines()


def test_json_holds_all_of_it(runfolio, pets):
    described = json.loads(runfolio("data", f"folder:{pets}", "--json").stdout)

    assert described["classes"] == ["cat", "dog"]
    assert described["train"]["class_counts"] == {"cat": 4, "dog": 5}
    assert described["train"]["width"] == {"smallest": 40, "median": 64, "largest": 64}
    assert described["shared"] == [{"train": "train/cat/2.png", "test": "test/cat/seen.png"}]
    assert described["train"]["duplicates"] == [["train/dog/0.png", "train/dog/again.png"]]
    assert len(described["bad_images"]) == 1


def test_picture_has_two_more_rows_with_augmentation(runfolio, pets, tmp_path):
    for augment in ("none", "trivial"):
        done = runfolio("data", f"folder:{pets}", "--augment", augment, "--out", f"{augment}.png")
        assert done.exit_code == 0, done.output

    with Image.open(tmp_path / "none.png") as plain, Image.open(tmp_path / "trivial.png") as augmented:
        assert plain.width == augmented.width
        assert augmented.height > plain.height * 1.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("digit", "no data 'digit'; did you mean digits?"),
        ("folder:nowhere", "nowhere does not exist; check the path"),
        ("digits --augment trivail", "augment is 'trivail'; it must be one of"),
        ("digits --model tinyvg", "did you mean tinyvgg?"),
        ("digits --out batch.doc", "cannot write batch.doc"),
    ],
)
def test_a_wrong_word_is_one_line(runfolio, words, message):
    done = runfolio("data", *words.split())

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


def test_an_evaluation_of_other_data_names_the_classes_that_differ(runfolio, trained, pets):
    done = runfolio("evaluate", "large", f"folder:{pets}", "--skip-bad-images", "--store", trained)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "the model does not have cat, dog; the data does not have 0, 1, 2, 3, 4 and 5 more" in done.stderr
    refused = runfolio("evaluate", "large", f"folder:{pets}", "--store", trained)
    assert "broken.png is not an image" in refused.stderr
    assert "or give --skip-bad-images" in refused.stderr

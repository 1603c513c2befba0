"""Images of more than 8 bits, and images of few levels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import runfolio
from runfolio import RecordedRun
from runfolio.errors import DamagedFile
from runfolio.query.model_loading import installed_loader
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.batches.loaders import PreparedImages
from runfolio.vision.data import load_data
from runfolio.vision.data.pictures import to_channels
from runfolio.vision.data.transform import ImageTransform, check_transform

from .photos import fill, picture

Pixels = NDArray[np.float64]
Make = Callable[[Pixels], Image.Image]

KINDS: dict[str, tuple[Make, str]] = {
    "12 bits": (lambda pixels: Image.fromarray((pixels * 4095).astype(np.uint16)), "png"),
    "16 bits": (lambda pixels: Image.fromarray((pixels * 65535).astype(np.uint16)), "png"),
    "32 bits": (lambda pixels: Image.fromarray((pixels * 1e6 - 2e5).astype(np.int32)), "tif"),
    "floats": (lambda pixels: Image.fromarray((pixels * 3 - 1).astype(np.float32)), "tif"),
}


def eight_bits(pixels: Pixels) -> Image.Image:
    return Image.fromarray((pixels * 255).astype(np.uint8))


def write(root: Path, make: Make, ending: str) -> Path:
    """Write 15 images of dark and 15 of bright noise, which include the extreme values."""
    random = np.random.default_rng(0)
    for name, low in (("bright", 0.6), ("dark", 0.0)):
        (root / name).mkdir(parents=True)
        for number in range(15):
            pixels = random.uniform(low, low + 0.4, (8, 8))
            pixels[0, 0], pixels[0, 1] = 0.0, 1.0
            make(pixels).save(root / name / f"{number:02}.{ending}")
    return root


def prepared_pixels(folder: Path) -> torch.Tensor:
    source = load_data(f"folder:{folder}")
    transform = ImageTransform.for_source(source, 8)
    images = PreparedImages(source.train, np.arange(len(source.train)), transform)
    return torch.stack([images.pixels(index) for index in range(len(images))]).int()


@pytest.mark.parametrize("kind", KINDS)
def test_deep_pixels_are_scaled_by_the_range_of_the_data(tmp_path, kind):
    plain = prepared_pixels(write(tmp_path / "plain", eight_bits, "png"))

    deep = prepared_pixels(write(tmp_path / "deep", *KINDS[kind]))

    assert (deep - plain).abs().max() <= 1


@pytest.fixture
def train(tmp_path: Path) -> Callable[[str, Make, str], RecordedRun]:
    def train(name: str, make: Make, ending: str) -> RecordedRun:
        settings = TrainSettings(
            data=f"folder:{write(tmp_path / name, make, ending)}",
            model="mlp",
            image_size=8,
            epochs=8,
            lr=0.01,
            batch_size=8,
            device="cpu",
            watch=0,
        )
        folder = run_experiment(settings, store=tmp_path / "runs")
        return runfolio.open(tmp_path / "runs").run(folder)

    return train


def test_deep_images_train_and_predict_as_well_as_in_eight_bits(train, tmp_path):
    plain = train("plain", eight_bits, "png")
    with pytest.warns(
        match="30 of 30 images have more than 8 bits; the range of the training images, -1 to 2, is scaled"
    ):
        deep = train("deep", *KINDS["floats"])

    accuracy = plain.metric("train/acc").values[-1]
    assert accuracy > 0.9
    assert deep.metric("train/acc").values[-1] == pytest.approx(accuracy, abs=0.1)
    classifier = installed_loader(deep.checkpoint())
    assert classifier.transform.value_range == (-1, 2)
    predictions = classifier.predict(sorted((tmp_path / "deep").rglob("*.tif")))
    assert np.mean([Path(entry.image).parent.name == entry.label for entry in predictions]) > 0.8


def test_transforms_recorded_without_a_range_read_as_before():
    transform = ImageTransform(channels=1, height=1, width=3, mean=(0.0,), std=(1.0,))
    deep = Image.fromarray(np.array([[0, 0x7FFF, 0xFFFF]], dtype=np.uint16))

    assert "value_range" not in transform.as_meta()
    assert check_transform(transform.as_meta()).pixels(deep).tolist() == [[[0, 127, 255]]]


def test_values_outside_of_the_range_are_clipped_and_nan_is_black():
    picture = Image.fromarray(np.array([[-5, 0, 5, 10, 20, np.nan]], dtype=np.float32))

    assert np.asarray(to_channels(picture, 1, (0, 10))).tolist() == [[0, 0, 128, 255, 255, 0]]


def test_images_of_few_levels_are_named(tmp_path):
    fill(tmp_path, {"cat": 5, "dog": 5})
    picture().convert("1").save(tmp_path / "cat" / "mask.png")

    (notice,) = load_data(f"folder:{tmp_path}").notices

    assert notice.startswith("1 of 11 images have fewer than 8 levels, such as cat/mask.png (2); they may be masks")


def test_deep_images_darkened_by_an_outlier_are_named(tmp_path):
    write(tmp_path, lambda pixels: Image.fromarray((pixels * 100).astype(np.uint16)), "png")
    Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16)).save(tmp_path / "dark" / "hot.png")

    deep, few = load_data(f"folder:{tmp_path}").notices

    assert "0 to 65535" in deep
    assert few.startswith("31 of 31 images have fewer than 8 levels")


def test_image_without_finite_values_is_bad(tmp_path):
    fill(tmp_path, {"cat": 5, "dog": 5})
    Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)).save(tmp_path / "cat" / "empty.tif")

    with pytest.raises(DamagedFile, match=r"empty.tif has no finite value; repair or remove the file"):
        load_data(f"folder:{tmp_path}")

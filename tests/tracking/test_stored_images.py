"""Images and histograms: each kind is stored as in `docs/limits.md`, and never changed silently."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.content import media
from runfolio.tracking.pipeline.media_content import histogram, image_copy, png
from runfolio.tracking.pipeline.stored_file import StoredFile

from ..docs.limits import rows_of

RAMP = np.linspace(0, 1, 64)[None].repeat(4, 0)


def pixels(stored: StoredFile) -> Any:
    with Image.open(io.BytesIO(stored.content)) as picture:
        return np.asarray(picture)


def file(picture: Image.Image, path: Path, **options: Any) -> Image.Image:
    picture.save(path, **options)
    return Image.open(path)


def test_integers_of_8_bits_and_booleans_are_exact():
    for dtype in (np.uint8, np.int64):
        levels = np.arange(256).reshape(16, 16).astype(dtype)
        assert np.array_equal(pixels(png(levels)), levels)
    assert pixels(png(np.array([[True, False]]))).tolist() == [[255, 0]]
    assert png(np.zeros((2, 2), np.uint8)).notes == {}


@given(
    array=arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=8).filter(lambda s: 3 not in s))
)
def test_uint16_is_exact(array: Any):
    stored = png(array)
    assert pixels(stored).dtype == np.uint16
    assert np.array_equal(pixels(stored), array)
    assert (stored.notes, stored.warnings) == ({}, ())


def test_integers_of_16_bits_in_one_channel_are_exact():
    depth = np.array([[0, 1], [300, 65535]])
    assert np.array_equal(pixels(png(depth)), depth)
    assert np.array_equal(pixels(png(torch.tensor(depth)[None])), depth)


@pytest.mark.parametrize(
    ("array", "levels"),
    [
        (np.array([[-5, 0, 5, 5]]), 65535),
        (np.array([[0, 35000, 70000]]), 65535),
        (np.stack([RAMP * 60000] * 3, -1).astype(np.uint16), 255),
        ((RAMP * 255).astype(np.float32), 65535),
        (torch.linspace(-2, 2.6, 64)[None, None].repeat(3, 16, 1), 255),
        (np.array([[-1e308, 0, 1e308, 1e308]]), 65535),
    ],
    ids=["negative", "beyond 16 bits", "uint16 in colour", "floats to 255", "normalised", "widest"],
)
def test_other_ranges_are_scaled_with_a_note(array: Any, levels: int):
    stored = png(array)
    values = array.double().permute(1, 2, 0).numpy() if isinstance(array, torch.Tensor) else array.astype(float)
    low, high = stored.notes["range"]

    assert (low, high) == (values.min(), values.max())
    shares = (values / 2 - low / 2) / (high / 2 - low / 2)
    assert np.abs(pixels(stored) - shares * levels).max() <= 0.51
    assert "so it is scaled" in stored.warnings[0]


@given(
    array=arrays.arrays(np.float64, (3, 5), elements=st.floats(allow_nan=True, allow_infinity=True), fill=st.nothing())
)
def test_any_floats_are_stored_without_an_error(array: Any):
    stored = png(array)
    assert pixels(stored).shape == (3, 5)
    assert stored.notes.get("not_finite", 0) == int((~np.isfinite(array)).sum())


def test_floats_of_0_to_1_are_256_levels():
    levels = np.arange(256).reshape(16, 16) / 255
    stored = png(levels + 1e-4)  # interpolation may slightly exceed the range
    assert np.array_equal(pixels(stored), np.arange(256).reshape(16, 16))
    assert stored.notes == {}


def test_pixels_that_are_not_finite_are_counted():
    stored = png(np.array([[math.nan, math.inf, -math.inf, 0.5]]))
    assert pixels(stored).tolist() == [[0, 255, 0, 128]]
    assert stored.notes["not_finite"] == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_modes_of_png_are_exact(mode: str):
    picture = Image.new(mode, (3, 2), 1)
    stored = png(picture)
    with Image.open(io.BytesIO(stored.content)) as read_back:
        assert read_back.mode == mode
        assert np.array_equal(np.asarray(read_back), np.asarray(picture))
    assert stored.notes == {}


def test_modes_of_numbers_are_stored_as_their_numbers():
    depth = Image.fromarray(np.array([[0, 70000]], np.int32))
    assert png(depth).notes == {"range": [0, 70000]}
    assert png(Image.fromarray(np.array([[0, 255]], np.float32))).notes == {"range": [0, 255]}
    swapped = Image.frombytes("I;16B", (2, 1), np.array([1, 60000], ">u2").tobytes())
    assert pixels(png(swapped)).tolist() == [[1, 60000]]


@pytest.mark.parametrize(("mode", "stored_mode"), [("CMYK", "RGB"), ("HSV", "RGB"), ("PA", "RGBA"), ("La", "LA")])
def test_other_modes_are_converted_with_a_note(mode: str, stored_mode: str):
    stored = png(Image.new(mode, (3, 2)))
    with Image.open(io.BytesIO(stored.content)) as read_back:
        assert read_back.mode == stored_mode
    assert stored.notes == {"mode": mode}


def test_exif_orientation_is_applied(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    with file(Image.new("RGB", (60, 20)), path, exif=exif) as picture:
        for image in (picture, picture.copy(), str(path)):
            assert pixels(png(image_copy(image))).shape == (60, 20, 3)


def test_image_of_a_pillow_plugin_is_stored():
    """Image of a plugin such as pillow_heif, whose class is in another package."""
    picture = type("PluginImage", (Image.Image,), {"__module__": "plugin"})()
    picture.__setstate__(Image.new("L", (4, 2), 7).__getstate__())
    assert pixels(png(image_copy(picture))).tolist() == [[7] * 4] * 2


def test_number_of_frames_is_recorded(tmp_path: Path):
    path = tmp_path / "film.gif"
    frames = [Image.new("L", (4, 4), level) for level in (0, 100, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    stored = png(image_copy(path))
    assert (stored.notes["frames"], len(stored.warnings)) == (3, 1)


@pytest.mark.parametrize("refused", [np.zeros((2, 2), complex), np.ma.masked_array([[1.0]], [[True]])])
def test_complex_and_masked_images_are_refused(refused: Any):
    with pytest.raises(ConfigError, match=r"complex numbers; pass|masked array cannot be stored; pass"):
        png(refused)


def test_change_of_an_image_is_recorded_and_reported_once(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        for step in range(3):
            run.log_image("normalised", RAMP * 4 - 2, step=step)
        run.log_image("plain", RAMP)
    entries, _ = media.read(run.folder)
    assert [entry.content.get("range") for entry in entries] == [[-2.0, 2.0]] * 3 + [None]
    (warning,) = [record.message for record in caplog.records]
    assert "image 'normalised' has values outside of 0 to 1" in warning


IMAGE_ROWS = {
    "integers from 0 to 255, booleans": test_integers_of_8_bits_and_booleans_are_exact,
    "single-channel uint16, and integers from 0 to 65,535": test_integers_of_16_bits_in_one_channel_are_exact,
    "other integers": test_other_ranges_are_scaled_with_a_note,
    "floats from 0 to 1": test_floats_of_0_to_1_are_256_levels,
    "other floats": test_other_ranges_are_scaled_with_a_note,
    "NaN and infinite pixels": test_pixels_that_are_not_finite_are_counted,
    "Pillow images in the modes `1`, `L`, `LA`, `P`, `RGB`, `RGBA`, `I;16`": test_modes_of_png_are_exact,
    "Pillow images in the modes `I`, `F`, `I;16B`": test_modes_of_numbers_are_stored_as_their_numbers,
    "Pillow images in other modes (`CMYK`, `YCbCr`, `HSV`, `PA` ...)": test_other_modes_are_converted_with_a_note,
    "EXIF orientation of Pillow images and files": test_exif_orientation_is_applied,
    "files with several frames": test_number_of_frames_is_recorded,
    "complex numbers, masked arrays": test_complex_and_masked_images_are_refused,
}


def test_every_documented_kind_of_image_is_tested():
    assert sorted(rows_of("Images")) == sorted(IMAGE_ROWS)


HISTOGRAMS: dict[str, list[tuple[Any, float | None, float | None, int]]] = {
    "numbers of any dtype and shape": [
        (torch.tensor([1e300, -1e300], dtype=torch.float64), -1e300, 1e300, 2),
        (torch.ones(2, 3, dtype=torch.bfloat16), 1.0, 1.0, 6),
        (np.array([1, 3], np.int8), 1.0, 3.0, 2),
        (torch.tensor([True, False]), 0.0, 1.0, 2),
    ],
    "complex numbers": [
        (torch.tensor([1 + 5j, 2 - 5j]), -5.0, 5.0, 4),
        (np.array([1 + 5j]).conj(), -5.0, 1.0, 2),
    ],
    "NaN and infinities": [(np.array([math.nan, math.inf, 1.0]), 1.0, 1.0, 1)],
    "constants, and ranges without room for 64 bins": [
        (np.full(10, 1e17), 1e17, 1e17, 10),
        (torch.full((10,), torch.finfo(torch.float32).min), -3.4028234663852886e38, -3.4028234663852886e38, 10),
        (np.array([-1.7e308, 1.7e308]), -1.7e308, 1.7e308, 2),
        (np.array([0, 5e-324]), 0.0, 5e-324, 2),
        (np.array([1.0, 1.0]), 1.0, 1.0, 2),
    ],
    "no values": [(np.zeros(0), None, None, 0)],
}
"""Values with their minimum, maximum and count, by the row of the table in `docs/limits.md`."""


@pytest.mark.parametrize("row", HISTOGRAMS)
def test_histogram_counts_as_documented(row: str):
    for values, low, high, count in HISTOGRAMS[row]:
        content = histogram(values)
        assert (content["min"], content["max"], sum(content["counts"])) == (low, high, count)
        assert all(left < right for left, right in zip(content["edges"], content["edges"][1:], strict=False))


@pytest.mark.parametrize("refused", [np.ma.masked_array([1.0], [True]), np.array(["a"]), object()])
def test_histogram_refuses_values_that_are_not_numbers(refused: Any):
    with pytest.raises(ConfigError, match=r"not an array of numbers|masked array cannot be stored; pass"):
        histogram(refused)


def test_every_documented_kind_of_histogram_is_tested():
    assert sorted(rows_of("Histograms")) == sorted([*HISTOGRAMS, "masked arrays, strings, objects"])

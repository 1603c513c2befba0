"""Reading of image files, valid and damaged."""

from __future__ import annotations

import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runfolio.errors import DamagedFile, NotFound
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.pictures import read_picture, to_channels
from runfolio.vision.data.transform import ImageTransform, check_transform

RAMP = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp", "tiff"])
def test_the_common_formats_are_read(tmp_path, ending):
    RAMP.save(tmp_path / f"ramp.{ending}")

    grey = to_channels(read_picture(tmp_path / f"ramp.{ending}"), 1)

    assert np.asarray(grey, dtype=int) == pytest.approx(np.asarray(RAMP, dtype=int), abs=6)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn 90 degrees clockwise
    RAMP.resize((8, 4)).save(tmp_path / "sideways.jpg", exif=exif)

    assert read_picture(tmp_path / "sideways.jpg").size == (4, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
@pytest.mark.parametrize(("channels", "kind"), [(1, "L"), (3, "RGB")])
def test_picture_is_converted_to_the_channels_of_the_model(mode, channels, kind):
    assert to_channels(Image.new(mode, (3, 2)), channels).mode == kind


def test_grey_pictures_of_16_bits_keep_their_contrast():
    picture = Image.fromarray(np.array([[0, 0x7FFF, 0xFFFF]], dtype=np.uint16))

    assert np.asarray(to_channels(picture, 1)).tolist() == [[0, 127, 255]]


def test_transparent_pixels_become_white():
    assert to_channels(Image.new("RGBA", (1, 1), (255, 0, 0, 0)), 3).getpixel((0, 0)) == (255, 255, 255)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png() -> bytes:
    """Return a few bytes that declare 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def test_a_text_is_not_an_image(tmp_path):
    path = written(tmp_path / "notes.png", b"not a picture")

    with pytest.raises(DamagedFile) as refusal:
        read_picture(path)

    assert str(refusal.value) == (f"{path} is not an image of a known format; give PNG, JPEG, GIF, WEBP, BMP or TIFF")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp", "tiff"])
def test_truncated_file_is_named_with_the_reason(tmp_path, ending):
    RAMP.resize((64, 64)).save(tmp_path / f"whole.{ending}")
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    path = written(tmp_path / f"cut.{ending}", whole[: len(whole) * 2 // 3])

    with pytest.raises(DamagedFile, match=f"cut.{ending} (cannot be read as an image: .+|is not an image)"):
        read_picture(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = written(tmp_path / "bomb.png", huge_png())

    with pytest.raises(DamagedFile, match="has too many pixels to decode; scale it down first"):
        read_picture(path)


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"P5 1 1 255 \x00", b""])
def test_rare_formats_are_not_decoded(tmp_path, content):
    with pytest.raises(DamagedFile, match="not an image of a known format"):
        read_picture(written(tmp_path / "rare", content))


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound, match=r"no image .*missing.png"):
        read_picture(tmp_path / "missing.png")


def test_folder_is_not_an_image(tmp_path):
    with pytest.raises(DamagedFile, match="is not a file"):
        read_picture(tmp_path)


def test_reading_in_threads_does_not_disable_other_warnings(tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGB", (4, 4)).save(path)
    before = list(warnings.filters)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(read_picture, [path] * 2000))
    finally:
        sys.setswitchinterval(switch)

    assert warnings.filters == before


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a photo of 1600 x 1200 pixels that is stored rotated, as 1200 x 1600."""
    path = tmp_path_factory.mktemp("large") / "sideways.jpg"
    rng = np.random.default_rng(0)
    waves = np.add.outer(np.sin(np.arange(1600) / 90), np.cos(np.arange(1200) / 70))[..., None] * [40, 30, 20]
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = 128 + waves + rng.normal(0, 4, (1600, 1200, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, exif=exif, quality=92)
    return path


@pytest.mark.parametrize(
    ("at_least", "size"), [(None, (1600, 1200)), (601, (1600, 1200)), (600, (800, 600)), (1, (200, 150))]
)
def test_jpeg_is_downscaled_at_decoding_but_not_below_the_target(large, at_least, size):
    assert read_picture(large, at_least).size == size


def test_other_formats_are_decoded_whole(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    assert read_picture(tmp_path / "small.png", 8).size == (64, 64)


def test_downscaled_decoding_looks_like_full_decoding(large):
    whole = ImageTransform(channels=3, height=224, width=224, mean=(0.5,) * 3, std=(0.5,) * 3, resize=256)
    quick = replace(whole, reducing_gap=2.0)
    assert (whole.at_least, quick.at_least) == (None, 512)
    images = ImageFiles(large.parent, (large.name,), np.zeros(1, np.int64))
    before, after = (decoder.pixels_of(images, 0).float() for decoder in (whole, quick))
    assert not torch.equal(before, after)
    assert (before - after).abs().mean() < 0.5


def test_old_records_use_full_decoding():
    transform = ImageTransform(channels=3, height=8, width=9, mean=(0.5,) * 3, std=(0.5,) * 3, reducing_gap=2.0)
    meta = transform.as_meta()
    assert check_transform(meta) == transform
    del meta["reducing_gap"]
    assert check_transform(meta).at_least is None

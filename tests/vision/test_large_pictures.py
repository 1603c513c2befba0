"""Pictures that claim or take much memory: refused by name before they are decoded, or read within a bound."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runfolio.errors import DamagedFile
from runfolio.record.content.picture_bounds import MAX_DECODED_BYTES, decoded_bytes
from runfolio.vision.data.pictures import read_picture, to_channels, value_bands
from runfolio.vision.data.transform import ImageTransform


def png(path: Path, width: int, height: int, depth: int, kind: int) -> Path:
    """Write a PNG of one colour; `kind` is 0 for grey, 2 for RGB, 3 for a palette, 6 for RGBA."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[kind]
    row = bytes(1 + width * channels * depth // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    palette = (b"PLTE", bytes(range(6))) if kind == 3 else None
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)), palette, (b"IDAT", data)]
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in [*filter(None, chunks), (b"IEND", b"")]:
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("width", "height", "depth", "kind", "said"),
    [
        (9_400, 9_400, 16, 0, "claims 9,400 x 9,400 pixels of mode I;16, which take 530,160,000 bytes to decode"),
        (6_000, 6_000, 8, 6, "claims 6,000 x 6,000 pixels of mode RGBA, which take 288,000,000 bytes to decode"),
        (1, 70_000_000, 8, 2, "claims 1 x 70,000,000 pixels of mode RGB, which take 280,000,000 bytes to decode"),
        (50_000, 50_000, 8, 2, "has too many pixels to decode"),
    ],
)
def test_picture_of_too_many_bytes_is_refused_by_its_header(tmp_path, width, height, depth, kind, said):
    path = png(tmp_path / "large.png", 1, 1, depth, kind)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    content = path.read_bytes().replace(struct.pack(">IIBBBBB", 1, 1, depth, kind, 0, 0, 0), header)
    checksum = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    path.write_bytes(content[:29] + checksum + content[33:])

    with pytest.raises(DamagedFile) as refusal:
        read_picture(path)

    assert f"{path} {said}" in str(refusal.value)
    assert "scale it down first" in str(refusal.value)


STRANGE = {
    "FITS": b"SIMPLE  =                    T" + b" " * 2850,
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "PSD": b"8BPS\0\1" + bytes(100),
    "ICNS": b"icns\0\0\0\x10" + bytes(100),
    "PDF": b"%PDF-1.7\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><!ENTITY a "a"></svg>',
}


@pytest.mark.parametrize("kind", STRANGE)
def test_other_formats_are_never_decoded(tmp_path, kind):
    path = tmp_path / "picture.png"
    path.write_bytes(STRANGE[kind])

    with pytest.raises(DamagedFile, match=r"is not an image of a known format; give PNG, JPEG, GIF, WEBP, BMP or TIFF"):
        read_picture(path)


@pytest.mark.parametrize(("mode", "channels"), [("I;16", 1), ("RGBA", 3), ("P", 3), ("CMYK", 3), ("F", 1), ("LA", 3)])
def test_large_pictures_are_converted_as_small_ones(mode, channels):
    numbers = np.random.RandomState(0)
    small = Image.effect_noise((64, 40), 80)
    if mode == "I;16":
        small = Image.fromarray(numbers.randint(0, 65_536, (40, 64)).astype(np.uint16))
    elif mode == "P":
        small.putpalette(numbers.randint(0, 256, 768).tolist())
        small.info["transparency"] = 7
    else:
        small = small.convert(mode)
    tiled = Image.new(mode, (64 * 20, 40 * 25))
    if mode == "P":
        tiled.putpalette(small.getpalette() or [])
        tiled.info["transparency"] = 7
    for x in range(20):
        for y in range(25):
            tiled.paste(small, (64 * x, 40 * y))
    assert tiled.width * tiled.height > 1024 * 1024

    converted, expected = np.asarray(to_channels(tiled, channels)), np.asarray(to_channels(small, channels))

    assert (converted == np.tile(expected, (25, 20) if channels == 1 else (25, 20, 1))).all()
    if mode == "F":
        assert sum(map(len, value_bands(tiled))) == tiled.width * tiled.height


def test_tall_picture_is_refused_before_it_is_resized(tmp_path):
    path = png(tmp_path / "tall.png", 1, 65_000, 8, 0)
    transform = ImageTransform(channels=1, height=224, width=224, mean=(0.5,), std=(0.5,), resize=256)

    with pytest.raises(DamagedFile, match=r"resizing 1 x 65,000 pixels to .* needs 17,039,360,000 bytes"):
        transform(read_picture(path))
    assert transform.pixels(Image.new("L", (4000, 3000))).shape == (1, 224, 224)


def test_memory_of_a_progressive_jpeg_counts_its_coefficients(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "plain.jpg")
    Image.new("RGB", (80, 60)).save(tmp_path / "progressive.jpg", progressive=True)

    with Image.open(tmp_path / "plain.jpg") as plain, Image.open(tmp_path / "progressive.jpg") as progressive:
        assert decoded_bytes(progressive) == decoded_bytes(plain) + 80 * 60 * 3 * 2


@pytest.mark.parametrize(("side", "depth", "kind"), [(6_600, 16, 0), (5_700, 8, 6)])
def test_largest_pictures_are_inspected_and_converted_within_the_bound(tmp_path, python_torch, side, depth, kind):
    path = png(tmp_path / "largest.png", side, side, depth, kind)
    script = """
import sys
from pathlib import Path
from runfolio.vision.data.inspection import inspect_images
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.pictures import read_picture, to_channels
import numpy as np

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

before = peak()
path = Path(sys.argv[1])
(found,) = inspect_images(ImageFiles(path.parent, (path.name,), np.zeros(1, np.int64)))
assert not found.problem, found.problem
to_channels(read_picture(path), 3)
print(peak() - before)
"""
    done = python_torch(script, path)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.25 * MAX_DECODED_BYTES

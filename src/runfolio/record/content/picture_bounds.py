"""Bounds of image files: the formats that are decoded, and the memory that decoding one may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""Formats by their names in Pillow. Decoders of other formats run programs, or trust the size that a file claims."""
MAX_DECODED_BYTES = 256 * 1024 * 1024

_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes per pixel in Pillow by mode; four in every other mode."""
_DECODER_BYTES = {"WEBP": 12, "TIFF": 3}
"""Additional bytes per pixel of decoders that decode a whole image or strip at once."""
_COLOR_BYTES = 4
_ORIENTATION = 0x0112


def excess(picture: Image.Image) -> str | None:
    """Return the reason why a picture is too large to decode, as the end of a sentence; None if it is small enough.

    The picture is open; its pixels may be decoded already.
    """
    needed = decoded_bytes(picture)
    if needed <= MAX_DECODED_BYTES:
        return None
    return (
        f"claims {picture.width:,} x {picture.height:,} pixels of {picture.mode}, which take {needed:,} bytes to decode"
        f" and convert (at most {MAX_DECODED_BYTES:,}); scale it down first"
    )


def decoded_bytes(picture: Image.Image) -> int:
    """Return the bytes of a picture's decoded pixels and of a copy that is turned upright or converted.

    A progressive JPEG is decoded from all of its coefficients, which take two bytes each.
    """
    pixels = picture.width * picture.height
    bytes_a_pixel = _BYTES_A_PIXEL.get(picture.mode, 4) + _DECODER_BYTES.get(picture.format or "", 0)
    if picture.mode != "RGB" or _is_turned(picture):
        bytes_a_pixel += _COLOR_BYTES
    coefficients = 2 * len(picture.getbands()) * pixels if picture.info.get("progressive") else 0
    return pixels * bytes_a_pixel + coefficients


def _is_turned(picture: Image.Image) -> bool:
    # A PNG without EXIF data at its start would be decoded to look for some at its end.
    if picture.format == "PNG" and "exif" not in picture.info:
        return False
    return picture.getexif().get(_ORIENTATION, 1) != 1

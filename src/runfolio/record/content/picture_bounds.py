"""Limits for image files: the formats that are decoded, and the memory that decoding may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""Accepted formats by their Pillow names. Decoders of other formats run programs, or trust the size that a file
states."""
MAX_DECODED_BYTES = 256 * 1024 * 1024

_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes per pixel by Pillow mode. All other modes take four bytes."""
_DECODER_BYTES = {"WEBP": 12, "TIFF": 3}
"""Additional bytes per pixel for decoders that decode a whole image or strip at once."""
_COLOR_BYTES = 4
_ORIENTATION = 0x0112


def excess(picture: Image.Image) -> str | None:
    """Return the reason why a picture is too large to decode, or None if it is small enough.

    The reason is worded as the end of a sentence. The picture must be open, and its pixels may already be decoded.
    """
    needed = decoded_bytes(picture)
    if needed <= MAX_DECODED_BYTES:
        return None
    return (
        f"claims {picture.width:,} x {picture.height:,} pixels of mode {picture.mode}, which take {needed:,} bytes"
        f" to decode; the limit is {MAX_DECODED_BYTES:,} bytes, so scale it down first"
    )


def decoded_bytes(picture: Image.Image) -> int:
    """Return the memory in bytes for the decoded pixels of a picture and for a rotated or converted copy.

    During decoding, all coefficients of a progressive JPEG are in memory. Each coefficient takes two bytes.
    """
    pixels = picture.width * picture.height
    bytes_a_pixel = _BYTES_A_PIXEL.get(picture.mode, 4) + _DECODER_BYTES.get(picture.format or "", 0)
    if picture.mode != "RGB" or _is_turned(picture):
        bytes_a_pixel += _COLOR_BYTES
    coefficients = 2 * len(picture.getbands()) * pixels if picture.info.get("progressive") else 0
    return pixels * bytes_a_pixel + coefficients


def _is_turned(picture: Image.Image) -> bool:
    # Without this check, Pillow would decode the whole PNG to look for EXIF data at its end.
    if picture.format == "PNG" and "exif" not in picture.info:
        return False
    return picture.getexif().get(_ORIENTATION, 1) != 1

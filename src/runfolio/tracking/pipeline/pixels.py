"""Conversion of pixels to PNG. Values that PNG does not support are scaled or converted, which the record notes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

_UNCHANGED = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Pillow modes that PNG supports."""
_CONVERTED = {"PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
"""Unsupported modes that are not converted to RGB, with the modes that they are converted to."""
_HALF_LEVEL = 0.5 / 255
_SCALED = "has values outside of 0 to 1 (floats) or 0 to 255, so it is scaled; its `range` is stored in the record"
_NOT_FINITE = "has pixels that are not finite: NaN is stored as black, and infinities as the ends of the range"
_FRAMES = "has several frames; only the first is stored"


class StoredImage(NamedTuple):
    """An image as PNG, with notes for the record (`docs/format.md`, Media)."""

    png: bytes
    notes: dict[str, Any]
    warnings: tuple[str, ...]
    """Descriptions of the changes. Each one completes a sentence that starts with the image's name."""


def stored_picture(picture: Image.Image) -> StoredImage:
    """Return a Pillow image as PNG, rotated upright and converted to a mode that PNG supports."""
    import numpy as np
    from PIL import ImageOps

    frames = getattr(picture, "n_frames", 1)
    notes: dict[str, Any] = {"frames": frames} if frames > 1 else {}
    warnings = (_FRAMES,) if frames > 1 else ()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or (picture.mode.startswith("I;16") and picture.mode != "I;16"):
        pixels = np.asarray(picture)
        stored = stored_pixels(pixels.astype(np.uint16) if picture.mode.startswith("I;") else pixels)
        return stored._replace(notes=stored.notes | notes, warnings=stored.warnings + warnings)
    if picture.mode not in _UNCHANGED:
        notes["mode"] = picture.mode
        picture = picture.convert(_CONVERTED.get(picture.mode, "RGB"))
    return StoredImage(_png(picture), notes, warnings)


def stored_pixels(array: Any) -> StoredImage:
    """Return an array of booleans, integers or floats as PNG: [height, width] or [height, width, 3|4].

    Integers from 0 to 255 are stored unchanged. With one channel, this also applies to integers up to 65,535. Floats
    from 0 to 1 are stored as 256 levels. Other values are scaled from their range to 256 levels, or to 65,536 levels
    with one channel.
    """
    import numpy as np
    from PIL import Image

    if array.dtype.kind == "b":
        return StoredImage(_png(Image.fromarray(array * np.uint8(255))), {}, ())
    is_single = array.ndim == 2
    if array.dtype.kind in "iu" and array.min() >= 0:
        highest = array.max()
        if highest <= 255 and not (is_single and array.dtype == np.uint16):
            return StoredImage(_png(Image.fromarray(array.astype(np.uint8))), {}, ())
        if highest <= 65535 and is_single:
            return StoredImage(_png(Image.fromarray(array.astype(np.uint16))), {}, ())
    return _scaled(array, is_single=is_single)


def _scaled(array: Any, *, is_single: bool) -> StoredImage:
    import numpy as np
    from PIL import Image

    pixels = array.astype(np.float64)
    finite = pixels[np.isfinite(pixels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    notes: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    if array.dtype.kind == "f" and low >= -_HALF_LEVEL and high <= 1 + _HALF_LEVEL:
        low, high, levels = 0.0, 1.0, 255
    else:
        notes["range"], warnings, levels = [low, high], (_SCALED,), 65535 if is_single else 255
    if finite.size < pixels.size:
        notes["not_finite"] = int(pixels.size - finite.size)
        warnings = (*warnings, _NOT_FINITE)
    pixels = np.clip(np.nan_to_num(pixels, nan=low, posinf=high, neginf=low), low, high)
    # Divided by 2, because the width of the range may exceed float64.
    shares = (pixels / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else np.zeros_like(pixels)
    kind = np.uint8 if levels == 255 else np.uint16
    return StoredImage(_png(Image.fromarray((shares * levels + 0.5).astype(kind))), notes, warnings)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()

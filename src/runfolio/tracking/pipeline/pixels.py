"""Conversion of pixels to PNG. Values that PNG does not support are scaled or converted, and the change is recorded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.tracking.pipeline.stored_file import StoredFile

if TYPE_CHECKING:
    from PIL import Image

_UNCHANGED = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Pillow modes that PNG supports."""
_CONVERTED = {"PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
"""Mode to which a Pillow mode that PNG does not support is converted. Modes that are not listed here are converted to
RGB."""
_HALF_LEVEL = 0.5 / 255
_SCALED = "has values outside of 0 to 1 (floats) or 0 to 255, so it is scaled; its `range` is stored in the record"
_NOT_FINITE = "has pixels that are not finite: NaN is stored as black, and infinities as the ends of the range"
_FRAMES = "has several frames; only the first is stored"


class Levels(NamedTuple):
    """Mapping from the values of arrays to pixel levels."""

    dtype: Any
    """Type of the stored pixels."""
    low: float
    """Value that is stored as 0."""
    high: float | None
    """Value that is stored as the highest level, or None if the values are stored unchanged."""
    notes: dict[str, Any]
    warnings: tuple[str, ...]


def stored_picture(picture: Image.Image) -> StoredFile:
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
    return StoredFile(png_bytes(picture), notes, warnings)


def stored_pixels(array: Any) -> StoredFile:
    """Return an array of booleans, integers or floats as PNG. Its shape is [height, width] or [height, width, 3|4].

    Integers from 0 to 255 are stored unchanged. If there is only one channel, integers up to 65,535 are also stored
    unchanged. Floats from 0 to 1 are stored as 256 levels. Other values are scaled from their range to 256 levels, or
    to 65,536 levels if there is only one channel.
    """
    from PIL import Image

    levels = levels_of([array], is_single=array.ndim == 2)
    return StoredFile(png_bytes(Image.fromarray(to_levels(array, levels))), levels.notes, levels.warnings)


def levels_of(arrays: Sequence[Any], *, is_single: bool) -> Levels:
    """Return one mapping to pixel levels for the values of all arrays. The arrays have the same dtype.

    Args:
        is_single: True if the arrays have one channel, which may be stored with 16 bits.
    """
    import numpy as np

    kind = arrays[0].dtype.kind
    if kind == "b":
        return Levels(np.uint8, 0.0, 1.0, {}, ())
    if kind in "iu" and min(array.min() for array in arrays) >= 0:
        highest = max(array.max() for array in arrays)
        if highest <= 255 and not (is_single and arrays[0].dtype == np.uint16):
            return Levels(np.uint8, 0.0, None, {}, ())
        if highest <= 65535 and is_single:
            return Levels(np.uint16, 0.0, None, {}, ())
    return _scaled(arrays, is_single=is_single)


def _scaled(arrays: Sequence[Any], *, is_single: bool) -> Levels:
    import numpy as np

    lows, highs, not_finite = [], [], 0
    for array in arrays:
        finite = array[np.isfinite(array)]
        not_finite += array.size - finite.size
        if finite.size:
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    notes: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    dtype: Any = np.uint8
    if arrays[0].dtype.kind == "f" and low >= -_HALF_LEVEL and high <= 1 + _HALF_LEVEL:
        low, high = 0.0, 1.0
    else:
        notes["range"], warnings, dtype = [low, high], (_SCALED,), np.uint16 if is_single else np.uint8
    if not_finite:
        notes["not_finite"] = int(not_finite)
        warnings = (*warnings, _NOT_FINITE)
    return Levels(dtype, low, high, notes, warnings)


def to_levels(array: Any, levels: Levels) -> Any:
    """Convert the values of an array to pixel levels."""
    import numpy as np

    low, high = levels.low, levels.high
    if high is None:
        return array.astype(levels.dtype)
    pixels = np.clip(np.nan_to_num(array.astype(np.float64), nan=low, posinf=high, neginf=low), low, high)
    # All values are divided by 2, because the width of the range may exceed the largest float64.
    shares = (pixels / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else np.zeros_like(pixels)
    return (shares * np.iinfo(levels.dtype).max + 0.5).astype(levels.dtype)


def png_bytes(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()

"""Read image files, and convert pictures to the channels of a model. A deep picture has more than 8 bits per channel.
This module does not need torch."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from runfolio.errors import DamagedFile, NotFound
from runfolio.record.base.layout import expand_home
from runfolio.record.content.picture_bounds import FORMATS, MAX_DECODED_BYTES, excess

ValueRange = tuple[float, float]
"""Lowest and highest value of pictures with more than 8 bits per channel."""

_Read = TypeVar("_Read")

JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow formats that can be scaled down while decoding. MPO is a JPEG file with several pictures."""
_FIRST_TRANSPOSED = 5
"""First EXIF orientation that swaps width and height."""
_MODE_OF_CHANNELS = {1: "L", 3: "RGB"}
CHANNELS = tuple(_MODE_OF_CHANNELS)
_COLOR_BYTES = 4
"""Number of bytes that a colour pixel takes in Pillow."""
_BAND_PIXELS = 1024 * 1024
"""Maximum number of pixels that are converted at a time, since a conversion copies the pixels several times."""


def read_picture(path: str | Path, at_least: int | None = None) -> Image.Image:
    """Decode a picture, and rotate it upright according to EXIF. If the file is an animation, the first frame is read.

    Args:
        path: Path of the file.
        at_least: Minimum size of each side in pixels. To save time, a JPEG is scaled down by 2, 4 or 8 while decoding,
            if both sides remain at least this long. If None, pictures are not scaled.

    Raises:
        NotFound: The file does not exist.
        DamagedFile: The file is not an image in one of `FORMATS`, is truncated, or needs too much memory.
    """
    path = expand_home(path)
    if not path.exists():
        raise NotFound(f"no image {path}; check the path")
    if not path.is_file():  # opening a pipe would block
        raise DamagedFile(f"{path} is not a file")
    return _translated(lambda: _decode(path, str(path), at_least), str(path))


def read_bytes(content: bytes, name: str, at_least: int | None = None) -> Image.Image:
    """Decode the content of an image file, as `read_picture` does.

    Args:
        content: Content of the file.
        name: Name that error messages use for the picture.
        at_least: Minimum size of each side in pixels (see `read_picture`).

    Raises:
        DamagedFile: The content is not a usable image.
    """
    return _translated(lambda: _decode(io.BytesIO(content), name, at_least), name)


def upright_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of the upright picture of a JPEG file without decoding its pixels.

    Raises:
        DamagedFile: The file is not a usable image.
    """
    return _translated(lambda: _upright_size(path), str(path))


def upright(picture: Image.Image) -> Image.Image:
    """Rotate a picture upright according to its EXIF orientation."""
    with _warnings_silenced:
        return ImageOps.exif_transpose(picture)


def _translated(read: Callable[[], _Read], name: str) -> _Read:
    """Call `read`, translate Pillow's errors, and return the result."""
    try:
        # Pillow's warnings (huge picture, invalid EXIF) do not help users, and runfolio has its own limits.
        with _warnings_silenced:
            return read()
    except DamagedFile:
        raise
    except UnidentifiedImageError:
        raise DamagedFile(f"{name} is not an image of a known format; give {_either(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise DamagedFile(f"{name} has too many pixels to decode; scale it down first") from None
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes cause errors of many types: OSError, SyntaxError, ...
        raise DamagedFile(f"{name} cannot be read as an image: {_reason(error)}") from None


def is_deep(mode: str) -> bool:
    """Return whether a Pillow mode stores floats, or integers with more than 8 bits."""
    return mode == "F" or mode.startswith("I")


def value_bands(picture: Image.Image) -> Iterator[NDArray[np.floating]]:
    """Yield the finite values of a deep picture as flat arrays, one per band of rows. Bands without finite values are
    omitted."""
    for _, band in _bands(picture):
        values = np.asarray(band, dtype=np.float64).ravel()
        if len(finite := values[np.isfinite(values)]):
            yield finite


def to_channels(picture: Image.Image, channels: int, value_range: ValueRange | None = None) -> Image.Image:
    """Convert a picture to one channel (grey) or three channels (colour) with 8 bits each, on a white background.

    Args:
        picture: Picture of any mode.
        channels: 1 for grey, or 3 for colour.
        value_range: Values of a deep picture that become black and white. Values outside this range are clipped. The
            default is 0 and 65,535 for 16 bits, and 0 and 255 otherwise.
    """
    mode = _MODE_OF_CHANNELS[channels]
    if picture.mode == mode:
        return picture
    if picture.width * picture.height <= _BAND_PIXELS:
        return _converted(picture, mode, value_range)
    result = Image.new(mode, picture.size)
    for top, band in _bands(picture):
        result.paste(_converted(band, mode, value_range), (0, top))
    return result


def check_resize(size: tuple[int, int], target: int | tuple[int, int]) -> None:
    """Check that resizing a picture does not need too much memory.

    Args:
        size: (width, height) of the picture.
        target: New (width, height), or new length of the shorter side if the aspect ratio is kept.

    Raises:
        DamagedFile: Resizing needs too much memory. The message does not name the picture.
    """
    width, height = size
    if isinstance(target, int):
        target = (max(target, width * target // height), max(target, height * target // width))
    needed = _COLOR_BYTES * target[0] * max(height, target[1])  # Pillow first resizes all rows, then all columns
    if needed > MAX_DECODED_BYTES:
        raise DamagedFile(
            f"resizing {width:,} x {height:,} pixels to {target[0]:,} x {target[1]:,} needs {needed:,} bytes"
            f" (at most {MAX_DECODED_BYTES:,}); first crop the picture to a less extreme aspect ratio"
        )


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield bands of rows of a picture, each with the number of its first row."""
    rows = max(1, _BAND_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _converted(picture: Image.Image, mode: str, value_range: ValueRange | None) -> Image.Image:
    if is_deep(picture.mode) and value_range is not None:
        picture = _scaled(picture, value_range)
    if picture.mode.startswith("I;16"):  # Pillow's conversion would clip all values above 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        front = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return picture.convert(mode)


def _scaled(picture: Image.Image, value_range: ValueRange) -> Image.Image:
    low, high = value_range
    shares = (np.asarray(picture, dtype=np.float64) - low) / ((high - low) or 1)
    return Image.fromarray(np.rint(np.nan_to_num(shares).clip(0, 1) * 255).astype(np.uint8))


class _WarningSilencer(AbstractContextManager[None]):
    """Context manager that silences warnings while any thread is inside.

    `warnings.catch_warnings` is not thread-safe. Threads can restore the filters in the wrong order, which would
    silence the process permanently.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(kind, error, trace)


_warnings_silenced = _WarningSilencer()
os.register_at_fork(after_in_child=_warnings_silenced.__init__)  # the threads do not exist in a forked process


def _decode(file: Path | io.BytesIO, name: str, at_least: int | None) -> Image.Image:
    with Image.open(file, formats=FORMATS) as picture:
        if at_least is not None:
            picture.draft(None, (at_least, at_least))  # formats other than JPEG ignore the call
        _check_size(picture, name)
        picture.load()
        _check_size(picture, name)  # the orientation of a PNG can be at the end of the file
        ImageOps.exif_transpose(picture, in_place=True)
        return picture.copy() if picture.readonly else picture  # Pillow maps read-only pixels from the file


def _upright_size(path: Path) -> tuple[int, int]:
    with Image.open(path, formats=FORMATS) as picture:
        is_transposed = picture.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_TRANSPOSED
        return (picture.height, picture.width) if is_transposed else picture.size


def _check_size(picture: Image.Image, name: str) -> None:
    if reason := excess(picture):
        raise DamagedFile(f"{name} {reason}")


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]

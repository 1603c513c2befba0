"""Image files and pictures of any mode, brought to the channels a model wants. Needs Pillow only."""

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
"""Lowest and highest value of pictures of more than 8 bits."""

_Read = TypeVar("_Read")

_FIRST_ON_ITS_SIDE = 5
"""Orientations of EXIF from this one on exchange width and height."""
_KIND_OF_CHANNELS = {1: "L", 3: "RGB"}
CHANNELS = tuple(_KIND_OF_CHANNELS)
_COLOR_BYTES = 4
"""Bytes of a pixel in colour."""
_BAND_PIXELS = 1024 * 1024
"""Pixels that are converted at a time: a conversion takes a few copies of them."""


def read_picture(path: str | Path, at_least: int | None = None) -> Image.Image:
    """The decoded picture, turned upright by its EXIF orientation; of an animation, the first frame.

    Args:
        at_least: A JPEG may be scaled down by 2, 4 or 8 while it is decoded, which is faster, as long as neither side
            gets fewer pixels than this. None: not.

    Raises:
        NotFound: There is no such file.
        DamagedFile: It is no image of a format in `FORMATS`, is cut short, or takes too much memory to decode.
    """
    path = expand_home(path)
    if not path.exists():
        raise NotFound(f"no image {path}; check the path")
    if not path.is_file():  # opening a pipe would wait for ever
        raise DamagedFile(f"{path} is not a file")
    return _translated(lambda: _decode(path, str(path), at_least), str(path))


def read_bytes(content: bytes, name: str, at_least: int | None = None) -> Image.Image:
    """The picture of a file's content, as `read_picture`.

    Args:
        name: Name of the picture in errors.
    """
    return _translated(lambda: _decode(io.BytesIO(content), name, at_least), name)


def upright_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a picture's file turned upright; its pixels are not decoded.

    Raises:
        DamagedFile: As `read_picture`.
    """
    return _translated(lambda: _upright_size(path), str(path))


def upright(picture: Image.Image) -> Image.Image:
    """Return the picture turned by its EXIF orientation."""
    with _warnings_silenced:
        return ImageOps.exif_transpose(picture)


def _translated(read: Callable[[], _Read], name: str) -> _Read:
    """Return what `read` returns, with errors of Pillow as ours."""
    try:
        # Pillow's own warnings (huge, odd EXIF) say nothing a user can act on; the limit below is ours.
        with _warnings_silenced:
            return read()
    except DamagedFile:
        raise
    except UnidentifiedImageError:
        raise DamagedFile(f"{name} is not an image of a known format; give {_either(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise DamagedFile(f"{name} claims far more pixels than can be decoded; scale it down first") from None
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # decoders raise almost anything on damaged bytes: OSError, SyntaxError, struct.error ...
        raise DamagedFile(f"{name} cannot be read as an image: {_reason(error)}") from None


def is_deep(mode: str) -> bool:
    """Return whether pictures of Pillow's mode hold integers of more than 8 bits, or floats."""
    return mode == "F" or mode.startswith("I")


def value_bands(picture: Image.Image) -> Iterator[NDArray[np.floating]]:
    """Return the finite values of a deep picture, flat, band of rows by band; bands without any are left out."""
    for _, band in _bands(picture):
        values = np.asarray(band, dtype=np.float64).ravel()
        if len(finite := values[np.isfinite(values)]):
            yield finite


def to_channels(picture: Image.Image, channels: int, value_range: ValueRange | None = None) -> Image.Image:
    """The picture in grey (1) or colour (3), 8 bits a channel; what is transparent lies on white.

    Args:
        value_range: Values of a deep picture that become black and white; those outside of it are clipped. None: 0 and
            65,535 of 16 bits, else 0 and 255.
    """
    kind = _KIND_OF_CHANNELS[channels]
    if picture.mode == kind:
        return picture
    if picture.width * picture.height <= _BAND_PIXELS:
        return _converted(picture, kind, value_range)
    result = Image.new(kind, picture.size)
    for top, band in _bands(picture):
        result.paste(_converted(band, kind, value_range), (0, top))
    return result


def check_resize(size: tuple[int, int], target: int | tuple[int, int]) -> None:
    """Check that a picture does not become too large when it is resized.

    Args:
        size: (width, height) of the picture.
        target: (width, height) afterwards, or pixels of the shorter side of a picture that keeps its shape.

    Raises:
        DamagedFile: It does; the message does not name the picture.
    """
    width, height = size
    if isinstance(target, int):
        target = (max(target, width * target // height), max(target, height * target // width))
    needed = _COLOR_BYTES * target[0] * max(height, target[1])  # Pillow resizes all rows, then the columns
    if needed > MAX_DECODED_BYTES:
        raise DamagedFile(
            f"{width:,} x {height:,} pixels take {needed:,} bytes when they are resized to {target[0]:,} x"
            f" {target[1]:,} (at most {MAX_DECODED_BYTES:,}); cut the picture to a more even shape first"
        )


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Return a picture cut into bands of rows, each with the number of its first row."""
    rows = max(1, _BAND_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _converted(picture: Image.Image, kind: str, value_range: ValueRange | None) -> Image.Image:
    if is_deep(picture.mode) and value_range is not None:
        picture = _scaled(picture, value_range)
    if picture.mode.startswith("I;16"):  # Pillow's own conversion clips all but the darkest 256 of 65,536 greys
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        front = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return picture.convert(kind)


def _scaled(picture: Image.Image, value_range: ValueRange) -> Image.Image:
    low, high = value_range
    shares = (np.asarray(picture, dtype=np.float64) - low) / ((high - low) or 1)
    return Image.fromarray(np.rint(np.nan_to_num(shares).clip(0, 1) * 255).astype(np.uint8))


class _WarningSilencer(AbstractContextManager[None]):
    """No warnings while any thread is inside.

    `warnings.catch_warnings` alone is not for threads: they put the filters back in the wrong order, and the process
    may stay silent for good.
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
os.register_at_fork(after_in_child=_warnings_silenced.__init__)  # a thread inside stays behind in the parent


def _decode(file: Path | io.BytesIO, name: str, at_least: int | None) -> Image.Image:
    with Image.open(file, formats=FORMATS) as picture:
        if at_least is not None:
            picture.draft(None, (at_least, at_least))  # which other formats pass over
        _check_size(picture, name)
        picture.load()
        _check_size(picture, name)  # a PNG may say only at its end that it must be turned
        ImageOps.exif_transpose(picture, in_place=True)
        return picture.copy() if picture.readonly else picture  # else its pixels would change with the file


def _upright_size(path: Path) -> tuple[int, int]:
    with Image.open(path, formats=FORMATS) as picture:
        is_on_its_side = picture.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_ON_ITS_SIDE
        return (picture.height, picture.width) if is_on_its_side else picture.size


def _check_size(picture: Image.Image, name: str) -> None:
    if reason := excess(picture):
        raise DamagedFile(f"{name} {reason}")


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]

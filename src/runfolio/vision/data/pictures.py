"""Image files and pictures of any mode, brought to the channels a model wants. Needs Pillow only."""

from __future__ import annotations

import io
import os
import threading
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from runfolio.errors import DamagedFile, NotFound
from runfolio.record.base.layout import expand_home

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 89_000_000
"""Larger pictures are refused before they are decoded: a few kilobytes can claim gigabytes."""

ValueRange = tuple[float, float]
"""Lowest and highest value of pictures of more than 8 bits."""

_KIND_OF_CHANNELS = {1: "L", 3: "RGB"}


def read_picture(path: str | Path, at_least: int | None = None) -> Image.Image:
    """The decoded picture, turned upright by its EXIF orientation; of an animation, the first frame.

    Args:
        at_least: A JPEG may be scaled down by 2, 4 or 8 while it is decoded, which is faster, as long as neither side
            gets fewer pixels than this. None: not.

    Raises:
        NotFound: There is no such file.
        DamagedFile: It is no image of a format in `FORMATS`, is cut short, or claims more than `MAX_PIXELS`.
    """
    path = expand_home(path)
    if not path.exists():
        raise NotFound(f"no image {path}; check the path")
    return _read(path, str(path), at_least)


def read_bytes(content: bytes, name: str, at_least: int | None = None) -> Image.Image:
    """The picture of a file's content, as `read_picture`.

    Args:
        name: Name of the picture in errors.
    """
    return _read(io.BytesIO(content), name, at_least)


def upright(picture: Image.Image) -> Image.Image:
    """Return the picture turned by its EXIF orientation."""
    with _warnings_silenced:
        return ImageOps.exif_transpose(picture)


def _read(file: Path | io.BytesIO, name: str, at_least: int | None) -> Image.Image:
    try:
        # Pillow's own warnings (huge, odd EXIF) say nothing a user can act on; the limit below is ours.
        with _warnings_silenced:
            return _decode(file, name, at_least)
    except DamagedFile:
        raise
    except UnidentifiedImageError:
        raise DamagedFile(f"{name} is not an image of a known format; give {_either(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # decoders raise almost anything on damaged bytes: OSError, SyntaxError, struct.error ...
        raise DamagedFile(f"{name} cannot be read as an image: {_reason(error)}") from None


def is_deep(mode: str) -> bool:
    """Return whether pictures of Pillow's mode hold integers of more than 8 bits, or floats."""
    return mode == "F" or mode.startswith("I")


def values_of(picture: Image.Image) -> NDArray[np.floating]:
    """Return the finite values of a deep picture, flat."""
    values = np.asarray(picture, dtype=np.float64).ravel()
    return values[np.isfinite(values)]


def to_channels(picture: Image.Image, channels: int, value_range: ValueRange | None = None) -> Image.Image:
    """The picture in grey (1) or colour (3), 8 bits a channel; what is transparent lies on white.

    Args:
        value_range: Values of a deep picture that become black and white; those outside of it are clipped. None: 0 and
            65,535 of 16 bits, else 0 and 255.
    """
    kind = _KIND_OF_CHANNELS[channels]
    if picture.mode == kind:
        return picture
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
        if picture.width * picture.height > MAX_PIXELS:
            raise _too_large(name)
        if at_least is not None:
            picture.draft(None, (at_least, at_least))  # which other formats pass over
        picture.load()
        return ImageOps.exif_transpose(picture)


def _too_large(name: str) -> DamagedFile:
    return DamagedFile(f"{name} claims more than {MAX_PIXELS:,} pixels; scale it down first")


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]

"""A full look at every image file: can it be decoded, how large is it, is it the same as another?

What was found is kept in the user's cache by path, size, inode and times of change, so a second look at the same files
is over at once. Losing the cache costs time and nothing else.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import PIL
from PIL.Image import Image

from runfolio._version import __version__
from runfolio.errors import DamagedFile, NotFound
from runfolio.record.content.file_cache import FileCache, is_current, stamp
from runfolio.record.content.hashing import content_digest
from runfolio.vision.data.files import ImageFiles, printable
from runfolio.vision.data.pictures import is_deep, read_picture, upright_size, value_bands

if TYPE_CHECKING:
    from rich.progress import Progress

_FOLDER = "images"
MIN_LEVELS = 8
"""Images of fewer levels are masks or drawings, or hold values that were meant to be scaled."""
_CACHE_VERSION = f"runfolio {__version__} (3), Pillow {PIL.__version__}"
"""Another version of either may judge a file differently; the number counts changes of `ImageInspection`."""
_ENOUGH_PIXELS = 2048
"""Pixels of the shorter side that a look at a large JPEG keeps (see `read_picture`)."""
_CHUNK_FILES = 1024
"""Files handed to the threads together, so that Ctrl-C need not wait for all of them."""


class ImageInspection(NamedTuple):
    """What a look at one file found."""

    as_of: Sequence[int]
    """See `file_cache.stamp`; empty of what is no file to be read."""
    digest: str
    """BLAKE2 of the file's bytes: equal for equal files."""
    width: int = 0
    """Of the picture turned upright, in pixels, as is `height`."""
    height: int = 0
    mode: str = ""
    """Pillow's name for the kind of its pixels: `RGB`, `L`, `RGBA`, ..."""
    problem: str = ""
    """Why it cannot be used as an image; empty where it can."""
    levels: int = MIN_LEVELS
    """Number of different values or colours, counted up to `MIN_LEVELS`."""
    low: float = 0.0
    """Lowest value of a picture of more than 8 bits; `high` is the highest."""
    high: float = 0.0


def inspect_images(images: ImageFiles, progress: Progress | None = None) -> list[ImageInspection]:
    """A finding for each image, in order; only files that are new or changed since an earlier look are read.

    Args:
        progress: Gets a task for as long as files are read.
    """
    cache = FileCache(_FOLDER, images.root, _CACHE_VERSION, ImageInspection)
    inspections = cache.load()
    changed = {name for name in images.names if not is_current(inspections.get(name), images.root / name)}
    if changed:
        names = sorted(changed)
        inspections.update(zip(names, _read_all(images.root, names, progress), strict=True))
        cache.save(inspections)
    return [inspections[name] for name in images.names]


def _read_all(root: Path, names: Sequence[str], progress: Progress | None) -> Iterable[ImageInspection]:
    task = progress.add_task(f"checking the images of {printable(root.name)}", total=len(names)) if progress else None
    try:
        with ThreadPoolExecutor() as threads:
            for first in range(0, len(names), _CHUNK_FILES):
                for finding in threads.map(
                    _inspect_file, [root / name for name in names[first : first + _CHUNK_FILES]]
                ):
                    yield finding
                    if progress and task is not None:
                        progress.advance(task)
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def _inspect_file(path: Path) -> ImageInspection:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            return ImageInspection((), "", problem=f"{printable(str(path))} is not a file")
        with path.open("rb") as file:
            digest = content_digest(file)
    except OSError as error:
        reason = "the link leads nowhere" if path.is_symlink() and not path.exists() else error.strerror
        return ImageInspection((), "", problem=f"{printable(str(path))} cannot be read: {reason}")
    try:
        picture = read_picture(path, _ENOUGH_PIXELS)
        width, height = picture.size if min(picture.size) < _ENOUGH_PIXELS else upright_size(path)
    except (DamagedFile, NotFound) as error:
        return ImageInspection(stamp(status), digest, problem=printable(str(error)))
    if not is_deep(picture.mode):
        colors = picture.getcolors(MIN_LEVELS - 1)  # None as soon as there are more
        levels = MIN_LEVELS if colors is None else len(colors)
        return ImageInspection(stamp(status), digest, width, height, picture.mode, levels=levels)
    levels, low, high = _levels_and_range(picture)
    if not levels:
        return ImageInspection(stamp(status), digest, problem=f"{printable(str(path))} holds no finite value")
    return ImageInspection(
        stamp(status),
        digest,
        width,
        height,
        picture.mode,
        levels=levels,
        low=low,
        high=high,
    )


def _levels_and_range(picture: Image) -> tuple[int, float, float]:
    """Return the number of levels of a deep picture, counted up to `MIN_LEVELS`, and its least and greatest value."""
    levels: set[float] = set()
    low, high = math.inf, -math.inf
    for values in value_bands(picture):
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        if len(levels) < MIN_LEVELS:
            levels.update(np.unique(values)[:MIN_LEVELS].tolist())
    return min(len(levels), MIN_LEVELS), low, high

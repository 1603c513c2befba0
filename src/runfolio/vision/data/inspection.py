"""Inspection of image files. It finds damaged files, and measures sizes and digests.

The cached results are keyed by path, size, inode and modification times, so a file is inspected again only after a
change.
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
from runfolio.vision.data.pictures import JPEG_FORMATS, is_deep, read_picture, upright_size, value_bands

if TYPE_CHECKING:
    from rich.progress import Progress

_FOLDER = "images"
MIN_LEVELS = 8
"""Minimum number of levels (distinct values or colours) of an ordinary image. An image with fewer levels is probably a
mask or a drawing, or its values have an unexpected range."""
_CACHE_VERSION = f"runfolio {__version__} (3), Pillow {PIL.__version__}"
"""Version of the cached results. Inspections with other package versions may have different results. The number in
parentheses is increased when the fields of `ImageInspection` change."""
_MIN_DECODED_PIXELS = 2048
"""Minimum length of each side, in pixels, when a JPEG is scaled down while decoding (see `read_picture`)."""
_CHUNK_FILES = 1024
"""Maximum number of files that are submitted to the threads at once. The limit shortens the reaction time to Ctrl-C."""


class ImageInspection(NamedTuple):
    """Result of inspecting one file."""

    as_of: Sequence[int]
    """Stamp of the file (see `file_cache.stamp`), or an empty string if the file cannot be read."""
    digest: str
    """BLAKE2 digest of the file."""
    width: int = 0
    """Width of the upright picture in pixels."""
    height: int = 0
    """Height of the upright picture in pixels."""
    mode: str = ""
    """Pillow mode: `RGB`, `L`, `RGBA`, ..."""
    problem: str = ""
    """Reason why the file is not usable, or an empty string if it is usable."""
    levels: int = MIN_LEVELS
    """Number of distinct values or colours, counted up to `MIN_LEVELS`."""
    low: float = 0.0
    """Lowest value of a picture with more than 8 bits per channel."""
    high: float = 0.0
    """Highest value of a picture with more than 8 bits per channel."""


def inspect_images(images: ImageFiles, progress: Progress | None = None) -> list[ImageInspection]:
    """Inspect images, and return the results in order. Only new and changed files are read.

    Args:
        images: Files to inspect.
        progress: Progress display for reading files.
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
                for inspection in threads.map(
                    _inspect_file, [root / name for name in names[first : first + _CHUNK_FILES]]
                ):
                    yield inspection
                    if progress and task is not None:
                        progress.advance(task)
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def _inspect_file(path: Path) -> ImageInspection:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
            return ImageInspection((), "", problem=f"{printable(str(path))} is not a file")
        with path.open("rb") as file:
            digest = content_digest(file)
    except OSError as error:
        reason = "the link is broken" if path.is_symlink() and not path.exists() else error.strerror
        return ImageInspection((), "", problem=f"{printable(str(path))} cannot be read: {reason}")
    try:
        picture = read_picture(path, _MIN_DECODED_PIXELS)
        width, height = upright_size(path) if picture.format in JPEG_FORMATS else picture.size
    except (DamagedFile, NotFound) as error:
        return ImageInspection(stamp(status), digest, problem=printable(str(error)))
    if not is_deep(picture.mode):
        colors = picture.getcolors(MIN_LEVELS - 1)  # getcolors returns None if there are more colours
        levels = MIN_LEVELS if colors is None else len(colors)
        return ImageInspection(stamp(status), digest, width, height, picture.mode, levels=levels)
    levels, low, high = _levels_and_range(picture)
    if not levels:
        return ImageInspection(stamp(status), digest, problem=f"{printable(str(path))} has no finite value")
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
    """Return the number of levels (at most `MIN_LEVELS`), the lowest value and the highest value of a picture with more
    than 8 bits."""
    levels: set[float] = set()
    low, high = math.inf, -math.inf
    for values in value_bands(picture):
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        if len(levels) < MIN_LEVELS:
            levels.update(np.unique(values)[:MIN_LEVELS].tolist())
    return min(len(levels), MIN_LEVELS), low, high

"""Conversion of the arguments of SummaryWriter's methods to images, videos, sounds, meshes, curves and array files."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.base import files
from runfolio.record.base.layout import slug
from runfolio.record.base.record_path import RecordPath
from runfolio.tracking.pipeline import media_content
from runfolio.tracking.pipeline.plain_texts import text_of
from runfolio.tracking.pipeline.stored_file import StoredFile

_GRID_COLUMNS = 8
_NAME_BYTES = 50


def image_grid(image: Any, dataformats: str) -> Any:
    """Combine images into one grid and return it as an array of shape [height, width, channels].

    Raises:
        ConfigError: The axes in `dataformats` (N, C, H and W) do not match the array or do not describe an image.
    """
    import numpy as np

    array, axes = media_content.as_numbers(image), dataformats.upper()
    if array.ndim != len(axes) or len(set(axes)) != len(axes) or not {"H", "W"} <= set(axes) <= set("NCHW"):
        raise ConfigError(f"an image of shape {array.shape} does not have the axes {dataformats!r}")
    for missing in (axis for axis in "CN" if axis not in axes):
        array, axes = array[None], missing + axes
    batch = np.transpose(array, [axes.index(axis) for axis in "NHWC"])
    count, height, width, channels = batch.shape
    columns = min(count, _GRID_COLUMNS)
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width, channels), batch.dtype)
    grid[:count] = batch
    grid = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def rescaled(image: Any, factor: float) -> StoredFile:
    """Return an image as PNG, with its width and height multiplied by `factor`."""
    from PIL import Image

    stored = media_content.png(image)
    if factor == 1:
        return stored
    with Image.open(io.BytesIO(stored.content)) as picture:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        return media_content.png(picture.resize(size))._replace(notes=stored.notes, warnings=stored.warnings)


def video_grid(video: Any) -> Any:
    """Combine videos [N, frames, channels, height, width] into one video [frames, height, width, channels].

    Raises:
        ConfigError: The array does not have these five axes.
    """
    import numpy as np

    array = media_content.as_numbers(video)
    if array.ndim != 5 or 0 in array.shape:
        raise ConfigError(
            f"a video must have the shape [batch, frames, channels, height, width], but its shape is {array.shape}"
        )
    return np.stack([image_grid(array[:, number], "NCHW") for number in range(array.shape[1])])


def sound(values: Any) -> Any:
    """Return the samples of a sound as an array with one axis.

    Raises:
        ConfigError: The array has several axes that are longer than 1.
    """
    samples = media_content.as_numbers(values).squeeze()
    if samples.ndim != 1:
        raise ConfigError(f"a sound must have one axis, its samples, but its shape is {samples.shape}")
    return samples


def single_meshes(*parts: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the vertices, faces and colors of each mesh in a batch. Each part has the axes [N, number, 3] or is None.

    Raises:
        ConfigError: A part has different axes.
    """
    arrays = [None if part is None else media_content.as_numbers(part) for part in parts]
    shapes = [array.shape for array in arrays if array is not None]
    if not shapes or any(len(shape) != 3 or shape[0] != shapes[0][0] for shape in shapes):
        raise ConfigError(f"each part of a mesh must have the shape [batch, count, 3], but the shapes are {shapes}")
    for index in range(shapes[0][0]):
        yield tuple(None if array is None else array[index] for array in arrays)


def raw_histogram(
    lowest: float, highest: float, count: float, total: float, total_of_squares: float, limits: Any, counts: Any
) -> dict[str, Any]:
    """Return binned numbers in the record's format for histograms. Empty bins at both ends are omitted.

    Args:
        limits: Upper edge of each bin.
    """
    import numpy as np

    ends = np.asarray(media_content.as_numbers(limits), dtype=np.float64)
    bins = np.asarray(media_content.as_numbers(counts), dtype=np.float64)
    if ends.shape != bins.shape or ends.ndim != 1:
        raise ConfigError(f"bucket_limits of shape {ends.shape} do not match bucket_counts of shape {bins.shape}")
    used = np.flatnonzero(bins)
    if not used.size or not count:
        statistics = dict.fromkeys(("mean", "std", "min", "max"))
        return {"edges": [], "counts": [], **statistics, "nan": 0, "inf": 0}
    first, last = used[0], used[-1]
    inner = ends[first:last]
    low = ends[first - 1] if first else min(lowest, np.nextafter(ends[0], -np.inf))
    mean = total / count
    return {
        "edges": [float(low), *inner.tolist(), float(min(ends[last], max(highest, np.nextafter(low, np.inf))))],
        "counts": bins[first : last + 1].astype(int).tolist(),
        "mean": mean,
        "std": math.sqrt(max(0.0, total_of_squares / count - mean**2)),
        "min": lowest,
        "max": highest,
        "nan": 0,
        "inf": 0,
    }


def table(rows: Any, header: Any) -> dict[str, Any]:
    """Convert the metadata of an embedding to strings. Each row is one label or a list of labels for one point."""

    def cells(row: Any) -> list[str]:
        return [text_of(cell, "metadata") for cell in (row if isinstance(row, (list, tuple)) else [row])]

    return {"header": None if header is None else cells(header), "metadata": [cells(row) for row in rows]}


def artifact_name(tag: str, step: int) -> str:
    """Return a file name that is unique for a tag and a step."""
    safe = slug(tag).encode()[:_NAME_BYTES].decode(errors="ignore")
    digest = "" if safe == tag else "-" + hashlib.blake2b(tag.encode(errors="replace"), digest_size=4).hexdigest()
    return f"{safe}{digest}-{step}"


def write_files(folder: Path, details: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write `details` to `about.json`, and each array that is not None to an `.npy` file."""
    import numpy as np

    files.write_json(RecordPath(folder, "about.json"), details)
    for name, values in arrays.items():
        if values is not None:
            np.save(folder / f"{name}.npy", media_content.as_numbers(values), allow_pickle=False)

"""Files from which TensorBoard's projector shows embeddings.

Source: tensorboard/plugins/projector/projector_config.proto in the package `tensorboard`, as protobuf text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.base.record_path import RecordPath
from runfolio.tracking.pipeline import media_content

_CONFIG = "projector_config.pbtxt"
_TENSORS, _METADATA, _SPRITE = "tensors.tsv", "metadata.tsv", "sprite.png"
_BREAKS = str.maketrans("\t\n\r", "   ")


def write_projector_files(
    folder: Path, points: Any, header: Sequence[str] | None, rows: Sequence[Sequence[str]], images: Any
) -> None:
    """Write the points as `tensors.tsv`, their metadata as `metadata.tsv` and their images as `sprite.png`.

    Args:
        points: Array of shape [count, dimensions].
        header: Names of the columns of `rows`, or None for a single column.
        rows: Metadata of each point, or an empty list if there is none.
        images: Images of the points, of shape [count, channels, height, width], or None.

    Raises:
        ConfigError: A shape is wrong, or the number of rows or images is not the number of points.
    """
    values = media_content.as_numbers(points)
    if values.ndim != 2:
        raise ConfigError(f"an embedding must have the shape [points, dimensions], but its shape is {values.shape}")
    if rows and len(rows) != len(values):
        raise ConfigError(f"{len(rows)} rows of metadata do not match {len(values)} points")
    (folder / _TENSORS).write_text("".join("\t".join(map(repr, row)) + "\n" for row in values.tolist()), "ascii")
    if rows:
        lines = [*([header] if header else []), *rows]
        text = "".join("\t".join(cell.translate(_BREAKS) for cell in line) + "\n" for line in lines)
        (folder / _METADATA).write_text(text, "utf-8", "replace")
    if images is not None:
        (folder / _SPRITE).write_bytes(_sprite(images, len(values)))


def add_to_config(run_folder: Path, name: str, embedding: Path) -> None:
    """Add an embedding to the projector's configuration in the folder of a run.

    Args:
        run_folder: Folder of the run.
        name: Name under which the projector shows the embedding.
        embedding: Folder with the files that `write_projector_files` wrote, below the folder of the run.

    Raises:
        OSError: The configuration cannot be written.
    """
    place = embedding.relative_to(run_folder).as_posix()
    lines = [f"tensor_name: {_quote(name)}", f"tensor_path: {_quote(f'{place}/{_TENSORS}')}"]
    if (embedding / _METADATA).exists():
        lines.append(f"metadata_path: {_quote(f'{place}/{_METADATA}')}")
    if (embedding / _SPRITE).exists():
        height, width = _image_size(embedding)
        dims = f"single_image_dim: {width} single_image_dim: {height}"
        lines.append(f"sprite {{ image_path: {_quote(f'{place}/{_SPRITE}')} {dims} }}")
    block = "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
    config = RecordPath(run_folder, _CONFIG)
    earlier = (run_folder / _CONFIG).read_text("utf-8") if (run_folder / _CONFIG).is_file() else ""
    if block not in earlier:
        config.replace(lambda temporary: temporary.write_bytes((earlier + block).encode()), label="projector")


def _sprite(images: Any, count: int) -> bytes:
    """Return the images in a square grid as PNG, in the order of the points."""
    import numpy as np

    pictures = media_content.as_numbers(images)
    if pictures.ndim != 4 or len(pictures) != count:
        raise ConfigError(
            f"images of points must have the shape [{count}, channels, height, width], but their shape is"
            f" {pictures.shape}"
        )
    side = math.ceil(math.sqrt(count))
    _, channels, height, width = pictures.shape
    grid = np.zeros((side * side, channels, height, width), pictures.dtype)
    grid[:count] = pictures
    grid = grid.reshape(side, side, channels, height, width).transpose(0, 3, 1, 4, 2)
    return media_content.png(grid.reshape(side * height, side * width, channels)).content


def _image_size(embedding: Path) -> tuple[int, int]:
    """Return the height and width of one image of the sprite."""
    import numpy as np

    shape = np.load(embedding / "images.npy", mmap_mode="r", allow_pickle=False).shape
    return shape[2], shape[3]


def _quote(text: str) -> str:
    """Return a string of protobuf text: bytes outside of printable ASCII are escaped."""
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in text.encode(errors="replace")
    )
    return f'"{escaped}"'

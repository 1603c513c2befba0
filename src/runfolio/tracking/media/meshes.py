"""Conversion of meshes and point clouds to a file: binary PLY, or the unchanged file that the user passed."""

from __future__ import annotations

from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.content.media_types import MESHES
from runfolio.tracking.pipeline.media_content import as_numbers, own_copy
from runfolio.tracking.pipeline.plain_texts import is_tensor
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.pipeline.user_files import file_content, stored_unchanged

MOST_VERTICES = 5_000_000
MOST_FACES = 10_000_000
_NOT_FINITE = "has vertices that are not finite; they are stored as 0"


def mesh_copy(vertices: Any, faces: Any, colors: Any) -> bytes | tuple[Any, Any, Any]:
    """Return a copy of a mesh: the bytes of a file, or a tuple of vertices, faces and colors. Missing faces or colors
    are None.

    Raises:
        ConfigError: The file cannot be read, the shape of an array is wrong, or the mesh exceeds the limits.
    """
    content = file_content(vertices, "a mesh")
    if content is not None:
        if faces is not None or colors is not None:
            raise ConfigError("a mesh file contains its own faces and colors; pass only the file")
        return content
    points = _rows(vertices, "vertices", (3,), MOST_VERTICES)
    triangles = None if faces is None else _rows(faces, "faces", (3,), MOST_FACES)
    shades = None if colors is None else _rows(colors, "colors", (3, 4), MOST_VERTICES)
    if shades is not None and len(shades) != len(points):
        raise ConfigError(
            f"there are {len(points):,} vertices but {len(shades):,} colors; pass a color for each vertex"
        )
    return own_copy(points), _optional_copy(triangles), _optional_copy(shades)


def stored_mesh(copied: bytes | tuple[Any, Any, Any]) -> StoredFile:
    """Return the file unchanged, or vertices, faces and colors as binary PLY.

    Positions are float32, colors are 8-bit red, green and blue, and faces are lists of three int32. Viewers such as
    MeshLab, Blender, Open3D and three.js can read this format.

    Raises:
        ConfigError: The file is not a mesh, or the values are not valid positions, colors or faces.
    """
    import numpy as np

    if isinstance(copied, bytes):
        return stored_unchanged(copied, MESHES, "a mesh")
    vertices, faces, colors = copied
    points = as_numbers(vertices)
    if points.dtype.kind == "c":
        raise ConfigError("vertices must not be complex numbers; pass real coordinates")
    with np.errstate(over="ignore"):
        points = points.astype("<f4")
    finite = np.isfinite(points).all(axis=1)
    notes: dict[str, Any] = {"vertices": len(points), "faces": 0 if faces is None else len(faces)}
    if not finite.all():
        notes["not_finite"] = int((~finite).sum())
        points[~finite] = 0
    fields: list[tuple[str, str]] = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    if colors is not None:
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    rows = np.empty(len(points), np.dtype(fields))
    for axis, column in zip("xyz", points.T, strict=True):
        rows[axis] = column
    if colors is not None:
        for name, column in zip(("red", "green", "blue"), _bytes_of(as_numbers(colors)).T, strict=False):
            rows[name] = column
    body = rows.tobytes()
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        body += _face_rows(as_numbers(faces), len(points)).tobytes()
    content = "\n".join([*header, "end_header\n"]).encode() + body
    return StoredFile(content, notes, (_NOT_FINITE,) if "not_finite" in notes else (), ".ply")


def _rows(values: Any, what: str, widths: tuple[int, ...], most: int) -> Any:
    array = values if is_tensor(values) else as_numbers(values)
    if array.ndim != 2 or array.shape[1] not in widths or (what == "vertices" and not len(array)):
        width = " or ".join(map(str, widths))
        raise ConfigError(f"{what} have the shape {tuple(array.shape)}; it must be [number, {width}]")
    if len(array) > most:
        raise ConfigError(
            f"there are {len(array):,} {what}, but the limit is {most:,}; simplify the mesh, or log a part of it"
        )
    return array


def _optional_copy(values: Any) -> Any:
    return None if values is None else own_copy(values)


def _bytes_of(colors: Any) -> Any:
    """Convert colors to bytes. The colors are floats from 0 to 1, or integers from 0 to 255."""
    import numpy as np

    highest = 1 if colors.dtype.kind == "f" else 255
    if colors.dtype.kind == "c" or (colors.size and not (np.min(colors) >= 0 and np.max(colors) <= highest)):
        raise ConfigError("colors must be floats from 0 to 1, or integers from 0 to 255")
    return np.rint(colors * 255).astype(np.uint8) if highest == 1 else colors.astype(np.uint8)


def _face_rows(faces: Any, vertices: int) -> Any:
    import numpy as np

    if faces.dtype.kind not in "iu":
        raise ConfigError(f"faces have the type {faces.dtype}; pass vertex indices, which are integers")
    if len(faces) and not (faces.min() >= 0 and faces.max() < vertices):
        raise ConfigError(
            f"faces have vertex indices from {faces.min()} to {faces.max()}; they must be from 0 to {vertices - 1}"
        )
    rows = np.empty(len(faces), np.dtype([("count", "u1"), ("vertices", "<i4", 3)]))
    rows["count"], rows["vertices"] = 3, faces
    return rows

"""Conversion of a PLY file from `Run.log_mesh` to the mesh tensors that TensorBoard expects."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

VERTEX, FACE, COLOR = 1, 2, 3
"""Kinds of mesh tensors, as numbered in TensorBoard's `plugins/mesh/plugin_data.proto`."""
_HEADER = re.compile(
    rb"ply\nformat binary_little_endian 1\.0\nelement vertex (\d{1,9})\n"
    rb"property float x\nproperty float y\nproperty float z\n"
    rb"(property uchar red\nproperty uchar green\nproperty uchar blue\n)?"
    rb"(?:element face (\d{1,9})\nproperty list uchar int vertex_indices\n)?end_header\n"
)


class MeshTensor(NamedTuple):
    """Tensor that contains the vertices, the faces, or the colors of the vertices of a mesh."""

    kind: int
    rows: Any
    """Array [n, 3] of float32 (vertices), int32 (faces) or uint8 (colors)."""


def mesh_tensors(content: bytes) -> list[MeshTensor]:
    """Return the vertices, and also the faces and colors if the file has any.

    If the file has a different layout, return an empty list.
    """
    import numpy as np

    header = _HEADER.match(content)
    if header is None:
        return []
    vertex = np.dtype([("position", "<f4", 3), *([("color", "u1", 3)] if header[2] else [])])
    face = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])
    vertices, faces = int(header[1]), int(header[3] or 0)
    if len(content) - header.end() != vertices * vertex.itemsize + faces * face.itemsize:
        return []
    points = np.frombuffer(content, vertex, vertices, header.end())
    tensors = [MeshTensor(VERTEX, points["position"])]
    if faces:
        rows = np.frombuffer(content, face, faces, header.end() + points.nbytes)
        tensors.append(MeshTensor(FACE, rows["vertices"]))
    if header[2]:
        tensors.append(MeshTensor(COLOR, points["color"]))
    return tensors

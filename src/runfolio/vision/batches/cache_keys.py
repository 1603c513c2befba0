"""Keys of cached values: ids of images, and digests of everything else that affects the values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from runfolio.errors import DamagedFile
from runfolio.vision.batches.cache_rows import ID_BYTES
from runfolio.vision.data.base import ImageSet, RelabelledImages
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.inspection import inspect_images

if TYPE_CHECKING:
    import torch
    from rich.progress import Progress

_VERSIONED_PACKAGES = ("torch", "torchvision", "timm", "pillow")
"""Packages whose versions can affect the cached values."""


def digest_of(*parts: bytes) -> str:
    """Return the BLAKE2b-128 digest of the parts and their lengths, in hex."""
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that can affect the cached values."""
    versions = {}
    for name in _VERSIONED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """Return the BLAKE2b-128 digest of the tensors' names, types, shapes and contents, in hex."""
    import torch

    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


def image_ids(images: ImageSet, chosen: Iterable[int], progress: Progress | None = None) -> list[bytes]:
    """Return a 16-byte id for each chosen image. Images with the same content have the same id.

    Only new and changed files are read.

    Args:
        progress: Progress display for reading files.

    Raises:
        DamagedFile: A file cannot be read as an image.
    """
    while isinstance(images, RelabelledImages):
        images = images.images
    indices = np.fromiter(chosen, dtype=np.int64)
    if isinstance(images, ImageFiles):
        return _ids_of_files(images.only(indices), progress)
    digests = images.digests()
    return [bytes.fromhex(digests[int(index)]) for index in indices]


def view_ids(ids: Sequence[bytes], indices: Iterable[int], view: int) -> list[bytes]:
    """Return the ids of one augmented version (view) of each image. An id depends on the index of the image, because
    the augmentation does."""
    return [
        bytes.fromhex(digest_of(row_id, index.to_bytes(8, "little"), view.to_bytes(8, "little")))
        for row_id, index in zip(ids, indices, strict=True)
    ]


def _ids_of_files(images: ImageFiles, progress: Progress | None) -> list[bytes]:
    findings = inspect_images(images, progress)
    for finding in findings:
        if finding.problem:
            raise DamagedFile(f"{finding.problem}; repair or remove the file")
    return [bytes.fromhex(finding.digest) for finding in findings]

"""What kept rows belong to: an image by its content, and everything that made something else of it."""

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
"""Another version of these may make other numbers of the same image."""


def digest_of(*parts: bytes) -> str:
    """BLAKE2b-128 of parts that are told apart, in hex."""
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Of the packages that decide what is made of an image."""
    versions = {}
    for name in _VERSIONED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """Of names and contents."""
    import torch

    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


def image_ids(images: ImageSet, chosen: Iterable[int], progress: Progress | None = None) -> list[bytes]:
    """Of each chosen image, 16 bytes that are the same for the same content.

    Files are known from an earlier look, unless they changed since.

    Args:
        progress: Gets a task for as long as files are read.

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
    """The ids of one augmented view of images, whose changes are drawn from their index too."""
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

"""Labelled images that are files below one folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from runfolio.record.content.hashing import digests
from runfolio.vision.data.pictures import read_picture


@dataclass(frozen=True)
class ImageFiles:
    root: Path
    names: tuple[str, ...]
    """The files below `root`, with `/`."""
    labels: NDArray[np.int64]
    """[n] class indices."""
    contents: tuple[str, ...] = ()
    """The digest of each file, once they were looked at (see `inspection`)."""

    @property
    def in_files(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def image(self, index: int, at_least: int | None = None) -> Image:
        """The decoded picture.

        Raises:
            NotFound, DamagedFile: As `read_picture`; the file was there and whole when training began.
        """
        return read_picture(self.path(index), at_least)

    def reference(self, index: int) -> str:
        return printable(self.names[index])

    def only(self, indices: NDArray[np.int64]) -> ImageFiles:
        """The images at `indices`, in that order."""
        contents = tuple(self.contents[index] for index in indices) if self.contents else ()
        return ImageFiles(self.root, tuple(self.names[index] for index in indices), self.labels[indices], contents)

    def digests(self) -> Sequence[str]:
        return self.contents or [file.digest for file in digests(self.root, self.names)]


def printable(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 become a question mark in a box."""
    return os.fsencode(name).decode("utf-8", "replace")

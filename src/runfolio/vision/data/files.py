"""Labelled image files in one folder."""

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
    """Set of image files."""

    root: Path
    names: tuple[str, ...]
    """Paths relative to `root`, with `/` as separator."""
    labels: NDArray[np.int64]
    """Class indices, [n]."""
    contents: tuple[str, ...] = ()
    """Digest of each file, or empty until the files are inspected (see `inspection`)."""

    @property
    def in_files(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def image(self, index: int, at_least: int | None = None) -> Image:
        """Return the decoded picture.

        Raises:
            NotFound: The file was removed after its inspection.
            DamagedFile: The file was damaged after its inspection.
        """
        return read_picture(self.path(index), at_least)

    def reference(self, index: int) -> str:
        return printable(self.names[index])

    def only(self, indices: NDArray[np.int64]) -> ImageFiles:
        """Return the images at `indices`, in this order."""
        contents = tuple(self.contents[index] for index in indices) if self.contents else ()
        return ImageFiles(self.root, tuple(self.names[index] for index in indices), self.labels[indices], contents)

    def digests(self) -> Sequence[str]:
        return self.contents or [file.digest for file in digests(self.root, self.names)]


def printable(name: str) -> str:
    """Return a file name that can be printed. Bytes that are not UTF-8 become replacement characters."""
    return os.fsencode(name).decode("utf-8", "replace")

"""Folders of small pictures, and zips of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, width: int = 12, height: int = 8) -> Image.Image:
    """Return a picture of coloured noise, determined by the seed."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8))


def fill(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Write `counts[name]` different PNG pictures into `folder/name`."""
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(seed + 1000 * label + number).save(folder / name / f"{number}.png")
    return folder


def zipped(counts: dict[str, int]) -> bytes:
    """Write a zip with different pictures in several folders."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for label, (name, count) in enumerate(counts.items()):
            for number in range(count):
                with file.open(f"{name}/{number}.png", "w") as member:
                    picture(1000 * label + number).save(member, format="png")
    return content.getvalue()

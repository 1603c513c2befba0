"""Labelled images, loaded by name. A new kind of source needs two things: a module that returns an `ImageSource`, and
an entry in `sources`."""

from __future__ import annotations

from runfolio.vision.data.base import ImageSet, ImageSource
from runfolio.vision.data.describe import DataDescription, SharedImage, SizeRange, SplitDescription, describe
from runfolio.vision.data.sources import load_data

__all__ = [
    "DataDescription",
    "ImageSet",
    "ImageSource",
    "SharedImage",
    "SizeRange",
    "SplitDescription",
    "describe",
    "load_data",
]

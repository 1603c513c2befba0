"""Labelled images by name. A new source is one module with a function that returns an `ImageSource`."""

from __future__ import annotations

from collections.abc import Callable

from runfolio.errors import NotFound, did_you_mean
from runfolio.vision.data.base import ImageSet, ImageSource
from runfolio.vision.data.digits import digits

__all__ = ["ImageSet", "ImageSource", "load_data"]

_SOURCES: dict[str, Callable[[], ImageSource]] = {"digits": digits}


def load_data(name: str) -> ImageSource:
    """The images of that name.

    Raises:
        NotFound: There is no such data; the message names the nearest.
    """
    if name not in _SOURCES:
        raise NotFound(f"no data {name!r}; {did_you_mean(name, _SOURCES)}")
    return _SOURCES[name]()

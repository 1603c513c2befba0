"""Listing of the images that a run uses. The run records this listing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runfolio.record.base.files import plain_json
from runfolio.record.content.data_listings import Item, Listing
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.files import ImageFiles


def listing(images: ImageSet, chosen: Iterable[int], classes: Sequence[str]) -> Listing:
    """Return a listing with the name, content digest and class of each chosen image."""
    return Listing(items(images, chosen, classes))


def items(images: ImageSet, chosen: Iterable[int], classes: Sequence[str]) -> list[Item]:
    """Return the name, content digest and class of each chosen image, in the same order."""
    contents = images.digests()
    return [Item(_name(images, index), contents[index], classes[int(images.labels[index])]) for index in chosen]


def names(images: ImageSet, chosen: Iterable[int]) -> list[str]:
    """Return the names of the chosen images, as in their listing."""
    return [_name(images, index) for index in chosen]


def digests(images: ImageSet, chosen: Iterable[int]) -> list[str]:
    """Return the digests of the contents of the chosen images, as in their listing."""
    contents = images.digests()
    return [contents[index] for index in chosen]


def _name(images: ImageSet, index: int) -> str:
    """Return the name of an image. Unlike `images.reference(index)`, this name preserves bytes that are not UTF-8."""
    return plain_json(images.names[index]) if isinstance(images, ImageFiles) else images.reference(index)

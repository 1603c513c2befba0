"""Images as a listing: what a run records of the data it was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runfolio.record.base.files import plain_json
from runfolio.record.content.data_listings import Item, Listing
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.files import ImageFiles


def listing(images: ImageSet, chosen: Iterable[int], classes: Sequence[str]) -> Listing:
    """The images at the indices `chosen`: name, digest of the content, class."""
    return Listing(items(images, chosen, classes))


def items(images: ImageSet, chosen: Iterable[int], classes: Sequence[str]) -> list[Item]:
    """As `listing`, in the order of `chosen`."""
    contents = images.digests()
    return [Item(_name(images, index), contents[index], classes[int(images.labels[index])]) for index in chosen]


def _name(images: ImageSet, index: int) -> str:
    """Unlike a reference, whole where it is no Unicode."""
    return plain_json(images.names[index]) if isinstance(images, ImageFiles) else images.reference(index)

"""What is in a set of images, before anything is trained on it: counts, sizes, and images that are there twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.inspection import inspect_images
from runfolio.vision.data.listing import listing
from runfolio.vision.data.sources import load_data

if TYPE_CHECKING:
    from rich.progress import Progress


class SizeRange(NamedTuple):
    """Of one side of the images, in pixels."""

    smallest: int
    median: float
    largest: int


class SharedImage(NamedTuple):
    """An image of the test set that trains or validates as well, byte for byte."""

    train: str
    """The reference of the first such training image."""
    test: str


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """What one part of the data holds."""

    images: int
    class_counts: dict[str, int]
    """By class, in the order of the classes."""
    width: SizeRange
    height: SizeRange
    modes: dict[str, int]
    """Images by Pillow's name for the kind of their pixels (`RGB`, `L`, `RGBA`, ...), most frequent first."""
    duplicates: tuple[tuple[str, ...], ...]
    """References of images that are equal to one another, a group each."""
    fingerprint: str
    """Of names, contents and classes; a run that trains on all of them (or tests on them) records the same."""


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """What a name of data leads to."""

    name: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    """(height, width) in pixels that a training uses when it asks for no other."""
    train: SplitDescription
    val: SplitDescription | None
    """Images of the data's own validation folder."""
    test: SplitDescription
    shared: tuple[SharedImage, ...]
    """Test images that training has seen: a test on them flatters."""
    notices: tuple[str, ...]
    """Remarks on how the folders were understood, on files left out and on unusual images, one line each."""
    bad_images: tuple[str, ...]
    """Files that cannot be read, a line each; they are in no count above."""


class _ImageSummary(NamedTuple):
    """What is told of one image."""

    digest: str
    """The same for equal images."""
    width: int
    height: int
    mode: str


def describe(name: str, *, test_data: str | None = None, progress: Progress | None = None) -> DataDescription:
    """Count, measure and compare the images of that name; bad ones are listed, not refused.

    Args:
        name, test_data: As `load_data`.
        progress: Gets a task for what takes long.

    Raises:
        NotFound, ConfigError, DamagedFile, DownloadFailed: As `load_data`.
    """
    source = load_data(name, test_data=test_data, with_validation=True, skip_bad_images=True, progress=progress)
    train, test = _summaries(source.train), _summaries(source.test)
    val = np.empty(0, dtype=np.int64) if source.val is None else source.val
    own = np.setdiff1d(np.arange(len(train)), val)
    return DataDescription(
        name=source.name,
        classes=source.classes,
        channels=source.channels,
        image_size=source.image_size,
        train=_describe_split(source.train, train, own, source.classes),
        val=_describe_split(source.train, train, val, source.classes) if len(val) else None,
        test=_describe_split(source.test, test, np.arange(len(test)), source.classes),
        shared=_shared(source.train, train, source.test, test),
        notices=source.notices,
        bad_images=source.bad_images,
    )


def _summaries(images: ImageSet) -> list[_ImageSummary]:
    if isinstance(images, ImageFiles):
        return [
            _ImageSummary(inspection.digest, inspection.width, inspection.height, inspection.mode)
            for inspection in inspect_images(images)
        ]
    pictures = (images.image(index) for index in range(len(images)))
    return [
        _ImageSummary(digest, picture.width, picture.height, picture.mode)
        for digest, picture in zip(images.digests(), pictures, strict=True)
    ]


def _describe_split(
    images: ImageSet, all_summaries: Sequence[_ImageSummary], chosen: NDArray[np.int64], classes: Sequence[str]
) -> SplitDescription:
    counts = np.bincount(images.labels[chosen], minlength=len(classes)).tolist()
    summaries = [all_summaries[index] for index in chosen]
    return SplitDescription(
        images=len(chosen),
        class_counts=dict(zip(classes, counts, strict=True)),
        width=_range(summary.width for summary in summaries),
        height=_range(summary.height for summary in summaries),
        modes=dict(Counter(summary.mode for summary in summaries).most_common()),
        duplicates=_duplicates(images, all_summaries, chosen),
        fingerprint=listing(images, chosen.tolist(), classes).fingerprint,
    )


def _range(lengths: Iterable[int]) -> SizeRange:
    ordered = sorted(lengths)
    return SizeRange(ordered[0], median(ordered), ordered[-1])


def _duplicates(
    images: ImageSet, summaries: Sequence[_ImageSummary], chosen: NDArray[np.int64]
) -> tuple[tuple[str, ...], ...]:
    groups: dict[_ImageSummary, list[int]] = defaultdict(list)
    for index in chosen.tolist():
        groups[summaries[index]].append(index)
    return tuple(tuple(images.reference(index) for index in group) for group in groups.values() if len(group) > 1)


def _shared(
    train: ImageSet, train_summaries: Sequence[_ImageSummary], test: ImageSet, test_summaries: Sequence[_ImageSummary]
) -> tuple[SharedImage, ...]:
    trained = {summary: index for index, summary in reversed(list(enumerate(train_summaries)))}
    return tuple(
        SharedImage(train.reference(trained[summary]), test.reference(index))
        for index, summary in enumerate(test_summaries)
        if summary in trained
    )

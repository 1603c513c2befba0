"""Description of image data: counts, sizes and duplicates."""

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
    """Range of the widths or the heights of images, in pixels."""

    smallest: int
    median: float
    largest: int


class SharedImage(NamedTuple):
    """Test image that is byte for byte identical to a training or validation image."""

    train: str
    """Readable name of the first identical training or validation image."""
    test: str
    """Readable name of the test image."""


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """Description of one part of the data."""

    images: int
    class_counts: dict[str, int]
    """Number of images by class, in the order of the classes."""
    width: SizeRange
    height: SizeRange
    modes: dict[str, int]
    """Number of images by Pillow mode (`RGB`, `L`, `RGBA`, ...), most frequent first."""
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of identical images, by their readable names."""
    fingerprint: str
    """Digest of the names, contents and classes of all images. A run that uses this data records the same digest."""


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Description of all parts of the data."""

    name: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    """Default size of images for training, (height, width) in pixels."""
    train: SplitDescription
    val: SplitDescription | None
    """Images of the validation folder, or None if there is no such folder."""
    test: SplitDescription
    shared: tuple[SharedImage, ...]
    """Test images that are also training or validation images. They make the test result too optimistic."""
    notices: tuple[str, ...]
    """Remarks about the interpretation of folders, ignored files and unusual images. Each remark is one line."""
    bad_images: tuple[str, ...]
    """Files that cannot be read and are not counted. Each entry is one line."""


class _ImageSummary(NamedTuple):
    """Digest, size and mode of one image."""

    digest: str
    """Digest of the image. Identical images have the same digest."""
    width: int
    height: int
    mode: str


def describe(name: str, *, test_data: str | None = None, progress: Progress | None = None) -> DataDescription:
    """Count, measure and compare the images. Unreadable images are listed.

    Args:
        name: Name of the data, as in `load_data`.
        test_data: Name of the data with the test images, as in `load_data`.
        progress: Progress display for long tasks.

    Raises:
        NotFound: The data does not exist.
        ConfigError: The folders do not have the expected structure.
        DamagedFile: An archive, or all images of a class, cannot be read.
        DownloadFailed: The data could not be downloaded.
    """
    source = load_data(name, test_data=test_data, with_validation=True, skip_bad_images=True, progress=progress)
    train, test = _summaries(source.train), _summaries(source.test)
    val = np.empty(0, dtype=np.int64) if source.val is None else source.val
    training = np.setdiff1d(np.arange(len(train)), val)
    return DataDescription(
        name=source.name,
        classes=source.classes,
        channels=source.channels,
        image_size=source.image_size,
        train=_describe_split(source.train, train, training, source.classes),
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
    first_index = {summary: index for index, summary in reversed(list(enumerate(train_summaries)))}
    return tuple(
        SharedImage(train.reference(first_index[summary]), test.reference(index))
        for index, summary in enumerate(test_summaries)
        if summary in first_index
    )

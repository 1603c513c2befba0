"""Load data by name, choose the test images, and check for unreadable files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, DamagedFile, NotFound, did_you_mean
from runfolio.record.base.layout import expand_home
from runfolio.vision._extras import vision_extra
from runfolio.vision.data.base import ImageSet, ImageSource, RelabelledImages
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.folder import ImageFolder, differing_classes, open_folder
from runfolio.vision.data.inspection import ImageInspection, inspect_images
from runfolio.vision.data.pixel_values import find_value_range, pixel_notices
from runfolio.vision.data.zip_source import open_zip

if TYPE_CHECKING:
    from rich.progress import Progress

COURSE_ZIPS = {
    "pizza_steak_sushi": "https://github.com/mrdbourke/pytorch-deep-learning/raw/main/data/pizza_steak_sushi.zip"
    "#sha256=5e9596fcc939a32996e59bbed8ec690ae39203bbcbc08292a92d44e4c4a27652",
    "pizza_steak_sushi_20_percent": "https://github.com/mrdbourke/pytorch-deep-learning/raw/main/data/"
    "pizza_steak_sushi_20_percent.zip#sha256=4c7589efc2b369364d602906c5bd2d563dfd73e1e0083565ffb23dd731eb9d88",
}
"""Zip files with 10 % and 20 % of the images of three Food-101 classes.

Source: https://github.com/mrdbourke/pytorch-deep-learning (MIT); the digests come from the Git LFS pointers of this
repository.
"""

OpenedData = ImageSource | ImageFolder
"""Data before its test images are chosen."""


def _open_digits(_: Progress | None) -> ImageSource:
    # This module is imported lazily, since scikit-learn and torchvision take seconds to import.
    with vision_extra("the data digits"):
        from runfolio.vision.data.digits import digits
    return digits()


def _open_published(name: str, progress: Progress | None) -> ImageSource:
    with vision_extra("data of torchvision"):
        from runfolio.vision.data.published import open_published
    return open_published(name, progress)


_NAMED_SOURCES: dict[str, Callable[[Progress | None], OpenedData]] = {
    "digits": _open_digits,
    **{name: functools.partial(open_zip, url) for name, url in COURSE_ZIPS.items()},
}
_KINDS: dict[str, tuple[str, Callable[[str, Progress | None], OpenedData]]] = {
    "folder": ("PATH", lambda path, _: open_folder(path)),
    "zip": ("PATH_OR_URL", open_zip),
    "torchvision": ("NAME", _open_published),
}


def load_data(
    name: str,
    *,
    test_data: str | None = None,
    with_validation: bool = False,
    skip_bad_images: bool = False,
    progress: Progress | None = None,
) -> ImageSource:
    """Load data by name, and check that each file can be decoded.

    Args:
        name: Name of the data, such as `digits`, `folder:PATH` or `zip:PATH_OR_URL` (see the setting `data`).
        test_data: Name of a different data set that provides the test images. If this data set is not divided into
            training and test images, all its images are used.
        with_validation: If true, the images of a validation folder are added to the training set. The field `val`
            contains their indices.
        skip_bad_images: If true, unreadable files are left out and listed in `bad_images`. If false, such files raise
            an error.
        progress: Progress display for downloads and for reading many files.

    Raises:
        NotFound: The data does not exist; the message lists similar names.
        ConfigError: The folders do not have the expected structure, or training and test data have different classes.
        DamagedFile: An image or an archive cannot be read; the message names the file.
        DownloadFailed: The data could not be downloaded.
    """
    opened = _open(name, progress)
    if test_data is not None:
        source = _with_test_data(opened, test_data, _open(test_data, progress), with_validation=with_validation)
    elif isinstance(opened, ImageFolder):
        source = opened.source(with_validation=with_validation)
    else:
        source = opened
    return _with_readable_images(source, skip_bad_images=skip_bad_images, progress=progress)


def _open(name: str, progress: Progress | None) -> OpenedData:
    if name in _NAMED_SOURCES:
        return _NAMED_SOURCES[name](progress)
    kind, colon, location = name.partition(":")
    if colon and location and kind in _KINDS:
        return _KINDS[kind][1](location, progress)
    if (path := expand_home(name)).exists():
        raise NotFound(f"no data {name!r}; did you mean {'folder' if path.is_dir() else 'zip'}:{name}?")
    names = [*_NAMED_SOURCES, *(f"{kind}:{location}" for kind, (location, _) in _KINDS.items())]
    raise NotFound(f"no data {name!r}; {did_you_mean(name, names)}")


def _with_test_data(data: OpenedData, test_data: str, opened: OpenedData, *, with_validation: bool) -> ImageSource:
    """Return the training images of `data`, with the test images of `opened`. The name of the opened data is
    `test_data`."""
    test = opened.all_for_test() if isinstance(opened, ImageFolder) else opened.test
    if differing := differing_classes(set(data.classes), data.name, set(opened.classes), opened.name):
        raise ConfigError(f"the classes of data and test-data differ, {differing}; they must be the same")
    labels = np.array([data.classes.index(name) for name in opened.classes], dtype=np.int64)[test.labels]
    if isinstance(test, ImageFiles):
        test = replace(test, labels=labels)
    elif opened.classes != data.classes:
        test = RelabelledImages(test, labels)
    if not isinstance(data, ImageFolder):
        return replace(data, test=test)
    source = data.source_with_test(test, with_validation=with_validation)
    _check_disjoint(source.train, test, test_data)
    return source


def _check_disjoint(train: ImageSet, test: ImageSet, test_data: str) -> None:
    if not (isinstance(train, ImageFiles) and isinstance(test, ImageFiles)):
        return
    trained = {train.path(index) for index in range(len(train))}
    shared = [index for index in range(len(test)) if test.path(index) in trained]
    if shared:
        raise ConfigError(
            f"{len(shared):,} of the {len(test):,} images of test-data {test_data} are also training images, "
            f"such as {test.reference(shared[0])}; leave out test-data to split off test images"
        )


def _with_readable_images(source: ImageSource, *, skip_bad_images: bool, progress: Progress | None) -> ImageSource:
    sets = [_InspectedImages.of(source.train, progress), _InspectedImages.of(source.test, progress)]
    train, test = sets
    bad = [inspection.problem for part in sets for inspection in part.inspections if inspection.problem]
    if bad and not skip_bad_images:
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise DamagedFile(f"{bad[0]}{more}; repair or remove the file, or give --skip-bad-images")
    value_range = find_value_range(train.inspections)
    notices = (*source.notices, *pixel_notices([named for part in sets for named in part.named], value_range))
    source = replace(source, value_range=value_range, notices=notices)
    if not bad:
        return source
    for name, part in (("training", train), ("test", test)):
        for label in np.setdiff1d(np.arange(len(source.classes)), part.readable.labels):
            raise DamagedFile(
                f"class {source.classes[label]!r} has no {name} image that can be read; the first problem is: {bad[0]}"
            )
    val = None if source.val is None else np.flatnonzero(np.isin(train.good, source.val))
    return replace(source, train=train.readable, test=test.readable, val=val, bad_images=tuple(bad))


@dataclass(frozen=True)
class _InspectedImages:
    """Images, and the inspection results of their files."""

    images: ImageSet
    inspections: Sequence[ImageInspection]
    """Inspection result of each file, or empty if the images are not files."""

    @classmethod
    def of(cls, images: ImageSet, progress: Progress | None) -> Self:
        return cls(images, inspect_images(images, progress) if isinstance(images, ImageFiles) else ())

    @property
    def named(self) -> Iterator[tuple[str, ImageInspection]]:
        """Readable name and inspection result of each readable file."""
        for index, inspection in enumerate(self.inspections):
            if not inspection.problem:
                yield self.images.reference(index), inspection

    @property
    def good(self) -> NDArray[np.int64]:
        """Indices of the readable files."""
        return np.array([index for index, entry in enumerate(self.inspections) if not entry.problem], dtype=np.int64)

    @property
    def readable(self) -> ImageSet:
        """Images without unreadable files."""
        if not isinstance(self.images, ImageFiles):
            return self.images
        contents = tuple(inspection.digest for inspection in self.inspections)
        return replace(self.images, contents=contents).only(self.good)

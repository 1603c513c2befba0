"""From a name to images that can be trained on: which kind of data it is, which part tests, which files are bad."""

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
"""Three classes of Food-101, a tenth and a fifth of their images.

Source: https://github.com/mrdbourke/pytorch-deep-learning (MIT); the digests are those of its Git LFS pointers.
"""

OpenedData = ImageSource | ImageFolder
"""An `ImageFolder` where the images may still be divided one way or another."""


def _open_digits(_: Progress | None) -> ImageSource:
    # scikit-learn takes seconds to import, which other data need not spend; the same goes for torchvision below.
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
    """The images of that name, every file of them decoded once to see that it can be.

    Args:
        name: As the setting `data`: `digits`, `folder:PATH`, `zip:PATH_OR_URL`, ...
        test_data: Where the test images come from, instead of from `name`. Of data that is divided, its test part; of
            a folder that is not, all images.
        with_validation: Add the images of a validation folder to the training set, as its `val`.
        skip_bad_images: Leave files out that cannot be read, and list them in `bad_images`, instead of refusing them.
        progress: Gets a task for what takes long: a download, a first look at many files.

    Raises:
        NotFound: There is no such data; the message names the nearest.
        ConfigError: It is not laid out as it should be, or training and test images disagree on the classes.
        DamagedFile: An image, or the archive it should come in, cannot be read; the message names it.
        DownloadFailed: It could not be fetched.
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


def _with_test_data(ours: OpenedData, test_data: str, theirs: OpenedData, *, with_validation: bool) -> ImageSource:
    """The training images of `ours` with the test images of `theirs`."""
    test = theirs.all_for_test() if isinstance(theirs, ImageFolder) else theirs.test
    if differing := differing_classes(set(ours.classes), ours.name, set(theirs.classes), theirs.name):
        raise ConfigError(f"the classes of data and test-data differ, {differing}; they must be the same")
    labels = np.array([ours.classes.index(name) for name in theirs.classes], dtype=np.int64)[test.labels]
    if isinstance(test, ImageFiles):
        test = replace(test, labels=labels)
    elif theirs.classes != ours.classes:
        test = RelabelledImages(test, labels)
    if not isinstance(ours, ImageFolder):
        return replace(ours, test=test)
    source = ours.source_with_test(test, with_validation=with_validation)
    _check_disjoint(source.train, test, test_data)
    return source


def _check_disjoint(train: ImageSet, test: ImageSet, test_data: str) -> None:
    if not (isinstance(train, ImageFiles) and isinstance(test, ImageFiles)):
        return
    trained = {train.path(index) for index in range(len(train))}
    both = [index for index in range(len(test)) if test.path(index) in trained]
    if both:
        raise ConfigError(
            f"{len(both):,} of the {len(test):,} images of test-data {test_data} are training images too, "
            f"such as {test.reference(both[0])}; leave test-data out to have a part kept back for test"
        )


def _with_readable_images(source: ImageSource, *, skip_bad_images: bool, progress: Progress | None) -> ImageSource:
    looks = [_Look.at(source.train, progress), _Look.at(source.test, progress)]
    train, test = looks
    bad = [inspection.problem for look in looks for inspection in look.inspections if inspection.problem]
    if bad and not skip_bad_images:
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise DamagedFile(f"{bad[0]}{more}; repair or remove the file, or leave such out with --skip-bad-images")
    value_range = find_value_range(train.inspections)
    notices = (*source.notices, *pixel_notices([named for look in looks for named in look.named], value_range))
    source = replace(source, value_range=value_range, notices=notices)
    if not bad:
        return source
    for part, look in (("training", train), ("test", test)):
        for label in np.setdiff1d(np.arange(len(source.classes)), look.readable.labels):
            raise DamagedFile(
                f"class {source.classes[label]!r} has no {part} image that can be read; the first bad one: {bad[0]}"
            )
    val = None if source.val is None else np.flatnonzero(np.isin(train.good, source.val))
    return replace(source, train=train.readable, test=test.readable, val=val, bad_images=tuple(bad))


@dataclass(frozen=True)
class _Look:
    """Images, and what a look at their files found."""

    images: ImageSet
    inspections: Sequence[ImageInspection]
    """Empty of images that are not files."""

    @classmethod
    def at(cls, images: ImageSet, progress: Progress | None) -> Self:
        return cls(images, inspect_images(images, progress) if isinstance(images, ImageFiles) else ())

    @property
    def named(self) -> Iterator[tuple[str, ImageInspection]]:
        """The reference of each file that can be read, and its inspection."""
        for index, inspection in enumerate(self.inspections):
            if not inspection.problem:
                yield self.images.reference(index), inspection

    @property
    def good(self) -> NDArray[np.int64]:
        """Indices of the files that can be read."""
        return np.array([index for index, entry in enumerate(self.inspections) if not entry.problem], dtype=np.int64)

    @property
    def readable(self) -> ImageSet:
        """The images without files that cannot be read."""
        if not isinstance(self.images, ImageFiles):
            return self.images
        contents = tuple(inspection.digest for inspection in self.inspections)
        return replace(self.images, contents=contents).only(self.good)

"""From a name to images that can be trained on: which kind of data it is, which part tests, which files are bad."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from runfolio.errors import ConfigError, DamagedFile, NotFound, did_you_mean
from runfolio.record.base.layout import expand_home
from runfolio.vision._extras import vision_extra
from runfolio.vision.data.base import ImageSet, ImageSource, RelabelledImages
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.folder import ImageFolder, differing_classes, open_folder, photo_source
from runfolio.vision.data.inspection import inspect_images
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
    name: str, *, test_data: str | None = None, skip_bad_images: bool = False, progress: Progress | None = None
) -> ImageSource:
    """The images of that name, every file of them decoded once to see that it can be.

    Args:
        name: As the setting `data`: `digits`, `folder:PATH`, `zip:PATH_OR_URL`, ...
        test_data: Where the test images come from, instead of from `name`. Of data that is divided, its test part; of
            a folder that is not, all images.
        skip_bad_images: Leave files out that cannot be read, and list them in `bad_images`, instead of refusing them.
        progress: Gets a task for what takes long: a download, a first look at many files.

    Raises:
        NotFound: There is no such data; the message names the nearest.
        ConfigError: It is not laid out as it should be, or training and test images disagree on the classes.
        DamagedFile: An image, or the archive it should come in, cannot be read; the message names it.
        DownloadFailed: It could not be fetched.
    """
    opened = _open(name, progress)
    source = _own_split(opened) if test_data is None else _with_test_data(opened, test_data, _open(test_data, progress))
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


def _own_split(opened: OpenedData) -> ImageSource:
    return opened.source() if isinstance(opened, ImageFolder) else opened


def _with_test_data(ours: OpenedData, test_data: str, theirs: OpenedData) -> ImageSource:
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
    train = ours.all_for_training()
    _check_disjoint(train, test, test_data)
    return photo_source(ours.name, ours.classes, train, test)


def _check_disjoint(train: ImageFiles, test: ImageSet, test_data: str) -> None:
    if not isinstance(test, ImageFiles):
        return
    trained = {train.path(index) for index in range(len(train))}
    both = [index for index in range(len(test)) if test.path(index) in trained]
    if both:
        raise ConfigError(
            f"{len(both):,} of the {len(test):,} images of test-data {test_data} are training images too, "
            f"such as {test.reference(both[0])}; leave test-data out to have a part kept back for test"
        )


def _with_readable_images(source: ImageSource, *, skip_bad_images: bool, progress: Progress | None) -> ImageSource:
    train, bad_in_train = _readable(source.train, progress)
    test, bad_in_test = _readable(source.test, progress)
    bad = [*bad_in_train, *bad_in_test]
    if not bad:
        return source
    if not skip_bad_images:
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise DamagedFile(f"{bad[0]}{more}; repair or remove the file, or leave such out with --skip-bad-images")
    for part, images in (("training", train), ("test", test)):
        for label in np.setdiff1d(np.arange(len(source.classes)), images.labels):
            raise DamagedFile(
                f"class {source.classes[label]!r} has no {part} image that can be read; the first bad one: {bad[0]}"
            )
    return replace(source, train=train, test=test, bad_images=tuple(bad))


def _readable(images: ImageSet, progress: Progress | None) -> tuple[ImageSet, list[str]]:
    """The images without those that cannot be read, and why each of these cannot."""
    if not isinstance(images, ImageFiles):
        return images, []
    findings = inspect_images(images, progress)
    images = replace(images, contents=tuple(finding.digest for finding in findings))
    good = np.array([index for index, finding in enumerate(findings) if not finding.problem], dtype=np.int64)
    problems = [finding.problem for finding in findings if finding.problem]
    return (images.only(good), problems) if problems else (images, [])

"""`folder:PATH`: image files in folders that are named after their classes.

Either `train/` and `test/` with a folder a class in each, or one folder a class, of which a fixed fifth is for test.
Whatever hides behind a dot, `__MACOSX` and files that are no images by their ending are passed over; links lead on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.vision.data.base import IMAGENET_MEAN, IMAGENET_STD, ImageSet, ImageSource
from runfolio.vision.data.files import ImageFiles, printable
from runfolio.vision.data.split import split_off

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Files that end so are taken for images, in either case of letters; their content must then bear it out."""

PHOTO_SIZE = (224, 224)

_TRAIN, _TEST = "train", "test"
_TEST_FRACTION = 0.2
_TEST_SEED = 0  # never a run's own seed: all runs are tested on the same images
_IGNORED_FOLDERS = ("__MACOSX",)


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """What a folder holds, before it is decided which of its images train and which test."""

    name: str
    root: Path
    classes: tuple[str, ...]
    train: ImageFiles | None
    test: ImageFiles | None
    undivided: ImageFiles | None
    """All images of a folder that has neither `train/` nor `test/`."""

    def source(self) -> ImageSource:
        """Its own training and test images.

        Raises:
            ConfigError: `train/` or `test/` is missing, or their classes differ.
        """
        if self.undivided is None:
            train, test = self.all_for_training(), self.all_for_test()
            self._check_same_classes(train, test)
        else:
            labels = self.undivided.labels
            for_training, for_test = split_off(labels, np.arange(len(labels)), fraction=_TEST_FRACTION, seed=_TEST_SEED)
            train, test = self.undivided.only(for_training), self.undivided.only(for_test)
            self._check_each_class_is_tested(test)
        return photo_source(self.name, self.classes, train, test)

    def all_for_training(self) -> ImageFiles:
        """What trains when the test images come from elsewhere: `train/`, or all of an undivided folder.

        Raises:
            ConfigError: There is no `train/`.
        """
        images = self.undivided or self.train
        if images is None:
            raise ConfigError(f"{self.root} has test/ but no train/; name another folder, or use it as --test-data")
        return images

    def all_for_test(self) -> ImageFiles:
        """What tests a training on other images: `test/`, or all of an undivided folder.

        Raises:
            ConfigError: There is no `test/`.
        """
        images = self.undivided or self.test
        if images is None:
            raise ConfigError(f"{self.root} has train/ but no test/; add one, or name test images with --test-data")
        return images

    def _check_same_classes(self, train: ImageFiles, test: ImageFiles) -> None:
        trained, tested = ({self.classes[label] for label in np.unique(part.labels)} for part in (train, test))
        if differing := differing_classes(trained, "train/", tested, "test/"):
            raise ConfigError(
                f"train/ and test/ of {self.root} do not hold images of the same classes: {differing}; "
                "add the missing folders of images or remove the others"
            )

    def _check_each_class_is_tested(self, test: ImageFiles) -> None:
        for label in np.setdiff1d(np.arange(len(self.classes)), test.labels):
            raise ConfigError(
                f"class {self.classes[label]!r} of {self.root} has too few images to keep any for test; "
                "add some, or name test images with --test-data"
            )


def photo_source(name: str, classes: tuple[str, ...], train: ImageSet, test: ImageSet) -> ImageSource:
    """Colour photographs of any size, normalised as ImageNet's are."""
    return ImageSource(
        name=name,
        classes=classes,
        channels=len(IMAGENET_MEAN),
        image_size=PHOTO_SIZE,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=train,
        test=test,
    )


def differing_classes(ours: set[str], our_label: str, theirs: set[str], their_label: str) -> str:
    """Which classes only one of two places has, as half a sentence; empty where they agree."""
    return " and ".join(
        f"only in {label}: {', '.join(sorted(names))}"
        for label, names in ((our_label, ours - theirs), (their_label, theirs - ours))
        if names
    )


def open_folder(path: str | Path, *, name: str | None = None) -> ImageFolder:
    """Look through a folder of images.

    Args:
        name: What the data is called. Default: `folder:` and the absolute path.

    Raises:
        NotFound: There is no such folder.
        ConfigError: It holds no two classes of images; the message says what is expected.
        StoreError: It cannot be read.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "is not there"
        hint = f"did you mean zip:{path}?" if root.is_file() and root.suffix.lower() == ".zip" else "check the path"
        raise NotFound(f"the folder of images {root} {problem}; {hint}")
    try:
        return _scan_folder(name or f"folder:{root}", _below_wrapping_folders(root))
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from None


def _scan_folder(name: str, root: Path) -> ImageFolder:
    parts = [part for part in (_TRAIN, _TEST) if _holds_folders(root / part)]
    images = {part: _images_by_class(root / part) for part in parts} or {"": _images_by_class(root)}
    classes = tuple(sorted({name for by_class in images.values() for name in by_class}))
    if len(classes) < 2:
        raise ConfigError(
            f"{root} holds {_count(classes)}; give a folder with two or more folders of images ({', '.join(ENDINGS)}),"
            " or with train/ and test/ that hold such"
        )
    files = {part: _labelled(root, by_class, classes) for part, by_class in images.items()}
    return ImageFolder(
        name=name,
        root=root,
        classes=classes,
        train=files.get(_TRAIN),
        test=files.get(_TEST),
        undivided=files.get(""),
    )


def _below_wrapping_folders(root: Path) -> Path:
    # Zips often hold one folder that holds everything.
    while len(inside := _visible_entries(root)) == 1:
        (only,) = inside
        if only.name in (_TRAIN, _TEST) or not _holds_folders(Path(only.path)):
            break
        root = Path(only.path)
    return root


def _holds_folders(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() for entry in _visible_entries(folder))


def _images_by_class(folder: Path) -> dict[str, list[str]]:
    """The image files below each folder of `folder`, by the folder's name; folders without any are no class."""
    images: dict[str, list[str]] = {}
    for entry in _visible_entries(folder):
        if entry.is_dir() and (paths := list(_images_below(entry.path, frozenset()))):
            images.setdefault(printable(entry.name), []).extend(paths)
    return {name: sorted(paths) for name, paths in images.items()}


def _images_below(folder: str, above: frozenset[str]) -> Iterator[str]:
    real_path = os.path.realpath(folder)
    if real_path in above:  # a link to a folder above would be followed for ever
        return
    for entry in _visible_entries(folder):
        if entry.is_dir():
            yield from _images_below(entry.path, above | {real_path})
        elif entry.name.lower().endswith(ENDINGS):
            yield entry.path


def _visible_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.name not in _IGNORED_FOLDERS]


def _labelled(root: Path, by_class: dict[str, list[str]], classes: tuple[str, ...]) -> ImageFiles:
    labelled = [(path, label) for label, name in enumerate(classes) for path in by_class.get(name, ())]
    names = tuple(Path(path).relative_to(root).as_posix() for path, _ in labelled)
    return ImageFiles(root, names, np.array([label for _, label in labelled], dtype=np.int64))


def _count(classes: tuple[str, ...]) -> str:
    return f"images of one class only ({classes[0]})" if classes else "no images in folders"

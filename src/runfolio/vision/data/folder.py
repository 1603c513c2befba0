"""Data `folder:PATH`: image files in one folder per class.

The class folders can be inside folders for training, validation and test. `split_folders` recognises the names of such
folders. Without such folders, a fixed fifth of the images is used for testing. The field `notices` explains how the
folders were interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.record.base.layout import expand_home
from runfolio.vision.data.base import IMAGENET_MEAN, IMAGENET_STD, ImageSet, ImageSource
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.folder_layout import ClassImages, read_layout
from runfolio.vision.data.folder_tree import ENDINGS, visible_entries
from runfolio.vision.data.split import split_off
from runfolio.vision.data.split_folders import Split

PHOTO_SIZE = (224, 224)

_TEST_FRACTION = 0.2
_TEST_SEED = 0  # all runs are tested on the same images, so the seed of the run is not used


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Content of a folder, before its images are divided into training and test images."""

    name: str
    root: Path
    classes: tuple[str, ...]
    train: ImageFiles | None
    val: ImageFiles | None
    test: ImageFiles | None
    undivided: ImageFiles | None
    """All images, or None if the folder is divided into parts such as `train/` and `test/`."""
    folders: Mapping[Split, str]
    """Name of the folder of each part, such as `train/`."""
    notices: tuple[str, ...]
    """Remarks about the interpretation of ambiguous names, and about ignored files."""

    def source(self, *, with_validation: bool = False) -> ImageSource:
        """Return the training and test images of the folder.

        Without a test folder, a fixed fifth of the images is used for testing. If there is a validation folder, the
        fifth is taken from the training images. Otherwise, it is taken from all images.

        Args:
            with_validation: If true, the images of the validation folder are added to the training set. The field `val`
                contains their indices.

        Raises:
            ConfigError: Training or test images are missing, or their classes differ.
        """
        train, notices = self.all_for_training(), []
        if self.undivided is not None or (self.test is None and self.val is not None):
            labels = train.labels
            for_training, for_test = split_off(labels, np.arange(len(labels)), fraction=_TEST_FRACTION, seed=_TEST_SEED)
            train, test = train.only(for_training), train.only(for_test)
            self._check_each_class_is_tested(test)
            if self.undivided is None:
                train_folder = self.folders["train"]
                notices = [f"no test folder: {len(test):,} images of {train_folder} are the test images of every run"]
        else:
            test = self.all_for_test()
            self._check_same_classes(train, test)
        return self._source_of(train, test, notices, with_validation=with_validation)

    def source_with_test(self, test: ImageSet, *, with_validation: bool = False) -> ImageSource:
        """Return the training images of the folder, with test images from a different source.

        Raises:
            ConfigError: There are no training images.
        """
        return self._source_of(self.all_for_training(), test, [], with_validation=with_validation)

    def _source_of(
        self, train: ImageFiles, test: ImageSet, notices: Sequence[str], *, with_validation: bool
    ) -> ImageSource:
        val = None
        if self.val is not None and with_validation:
            train, val = _with_validation(train, self.val)
        elif self.val is not None:
            left_out = f"{self.folders['val']} ({len(self.val):,} images) left out"
            notices = [*notices, f"{left_out}: --val-fraction or --fold splits the training images instead"]
        source = photo_source(self.name, self.classes, train, test)
        return replace(source, val=val, notices=(*self.notices, *notices))

    def all_for_training(self) -> ImageFiles:
        """Return the images of the training folder, or all images if the folder is not divided into parts.

        Raises:
            ConfigError: There is no training folder.
        """
        images = self.undivided or self.train
        if images is None:
            raise ConfigError(self._missing_folder("train/", "give a different folder, or use this one as --test-data"))
        return images

    def all_for_test(self) -> ImageFiles:
        """Return the images of the test folder, or all images if the folder is not divided into parts. The images test
        a model that was trained on different data.

        Raises:
            ConfigError: There is no test folder.
        """
        images = self.undivided or self.test
        if images is None:
            raise ConfigError(self._missing_folder("test/", "add one, or give test images with --test-data"))
        return images

    def _missing_folder(self, part: str, remedy: str) -> str:
        remarks = f" ({'; '.join(self.notices)})" if self.notices else ""
        return f"{self.root} has {' and '.join(self.folders.values())} but no {part}; {remedy}{remarks}"

    def _check_same_classes(self, train: ImageFiles, test: ImageFiles) -> None:
        train_classes, test_classes = (
            {self.classes[label] for label in np.unique(part.labels)} for part in (train, test)
        )
        train_folder, test_folder = self.folders["train"], self.folders["test"]
        if differing := differing_classes(train_classes, train_folder, test_classes, test_folder):
            raise ConfigError(
                f"{train_folder} and {test_folder} of {self.root} do not have the same classes: {differing}; "
                "add the missing class folders or remove the others"
            )

    def _check_each_class_is_tested(self, test: ImageFiles) -> None:
        for label in np.setdiff1d(np.arange(len(self.classes)), test.labels):
            raise ConfigError(
                f"class {self.classes[label]!r} of {self.root} has too few images to split off a test image; "
                "add images, or give test images with --test-data"
            )


def photo_source(name: str, classes: tuple[str, ...], train: ImageSet, test: ImageSet) -> ImageSource:
    """Return a source of colour photographs, normalised like ImageNet."""
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


def differing_classes(first: set[str], first_label: str, second: set[str], second_label: str) -> str:
    """Describe the classes that are missing in one of two data sets. Return an empty string if the classes agree."""
    return " and ".join(
        f"only in {label}: {', '.join(sorted(names))}"
        for label, names in ((first_label, first - second), (second_label, second - first))
        if names
    )


def open_folder(path: str | Path, *, name: str | None = None) -> ImageFolder:
    """Find the images in a folder.

    Args:
        path: Path of the folder.
        name: Name of the data. The default is `folder:` and the absolute path.

    Raises:
        NotFound: The folder does not exist.
        ConfigError: The folder has fewer than two classes of images; the message describes the expected structure.
        StoreError: The folder cannot be read.
    """
    root = expand_home(path).resolve()
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        hint = f"did you mean zip:{path}?" if root.is_file() and root.suffix.lower() == ".zip" else "check the path"
        raise NotFound(f"the folder of images {root} {problem}; {hint}")
    try:
        return _scan_folder(name or f"folder:{root}", _below_wrapping_folders(root))
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from None


def _scan_folder(name: str, root: Path) -> ImageFolder:
    layout = read_layout(root)
    classes = layout.classes
    if len(classes) < 2:
        raise ConfigError(
            f"{root} has {_class_count(classes)}; give a folder with two or more folders of images"
            f" ({', '.join(ENDINGS)}), or a folder with such folders in train/ and test/"
        )
    files = {split: _labelled(root, images, classes) for split, images in layout.parts.items()}
    return ImageFolder(
        name=name,
        root=root,
        classes=classes,
        train=files.get("train"),
        val=files.get("val"),
        test=files.get("test"),
        undivided=_labelled(root, layout.undivided, classes) if layout.undivided else None,
        folders=layout.folders,
        notices=layout.notices,
    )


def _below_wrapping_folders(root: Path) -> Path:
    # Zip files often contain a single top-level folder.
    while len(entries := visible_entries(root)) == 1:
        (entry,) = entries
        if entry.name in ("train", "test") or not _has_folders(Path(entry.path)):
            break
        root = Path(entry.path)
    return root


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() for entry in visible_entries(folder))


def _labelled(root: Path, by_class: ClassImages, classes: tuple[str, ...]) -> ImageFiles:
    labelled = [(path, label) for label, name in enumerate(classes) for path in sorted(by_class.get(name, ()))]
    names = tuple(Path(path).relative_to(root).as_posix() for path, _ in labelled)
    return ImageFiles(root, names, np.array([label for _, label in labelled], dtype=np.int64))


def _with_validation(train: ImageFiles, val: ImageFiles) -> tuple[ImageFiles, NDArray[np.int64]]:
    """Return the images of both sets together, sorted by class and name, and the indices of the validation images."""
    images = ImageFiles(train.root, train.names + val.names, np.concatenate([train.labels, val.labels]))
    order = np.array(sorted(range(len(images)), key=lambda index: (images.labels[index], images.names[index])))
    return images.only(order), np.flatnonzero(order >= len(train))


def _class_count(classes: tuple[str, ...]) -> str:
    return f"images of only one class ({classes[0]})" if classes else "no images in folders"

"""Data `torchvision:NAME`: published data sets, which torchvision downloads into the cache."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from runfolio.errors import DownloadFailed, NotFound, StoreError, did_you_mean
from runfolio.record.content.hashing import digests
from runfolio.tracking.pipeline.arrays import digest
from runfolio.vision._torchvision import datasets
from runfolio.vision.data.base import ImageSource
from runfolio.vision.data.download import download
from runfolio.vision.data.fetch_claims import hold_claim
from runfolio.vision.data.folder import photo_source
from runfolio.vision.data.zip_source import data_folder, publish_folder

if TYPE_CHECKING:
    from rich.progress import Progress

_Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class _DatasetArguments:
    """Arguments that select the training part or the test part of a torchvision data set."""

    train: _Arguments = field(default_factory=lambda: MappingProxyType({"split": "train"}))
    test: _Arguments = field(default_factory=lambda: MappingProxyType({"split": "test"}))
    photos: bool = True
    """True if the images are colour files of any size. False if `dataset.data` contains images of equal size."""


_IN_MEMORY = _DatasetArguments(MappingProxyType({"train": True}), MappingProxyType({"train": False}), photos=False)
_TRAINVAL = _DatasetArguments(train=MappingProxyType({"split": "trainval"}))

_SETS = {
    "CIFAR10": _IN_MEMORY,
    "CIFAR100": _IN_MEMORY,
    "Country211": _DatasetArguments(),
    "DTD": _DatasetArguments(),
    "FashionMNIST": _IN_MEMORY,
    "FGVCAircraft": _TRAINVAL,
    "Flowers102": _DatasetArguments(),
    "Food101": _DatasetArguments(),
    "KMNIST": _IN_MEMORY,
    "MNIST": _IN_MEMORY,
    "OxfordIIITPet": _TRAINVAL,
}


@dataclass(frozen=True, eq=False)
class PublishedImages:
    """Training or test part of a torchvision data set."""

    dataset: Any
    labels: NDArray[np.int64]
    name: str

    @property
    def in_files(self) -> bool:
        return not hasattr(self.dataset, "data")

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, at_least: int | None = None) -> Image:
        return self.dataset[index][0]

    def reference(self, index: int) -> str:
        return f"{self.name} image {index}"

    def digests(self) -> list[str]:
        if not self.in_files:
            return [digest(image) for image in self.dataset.data]
        paths = [Path(path) for path in _paths(self.dataset)]
        root = Path(os.path.commonpath(paths))
        return [file.digest for file in digests(root, [path.relative_to(root).as_posix() for path in paths])]


def open_published(name: str, progress: Progress | None = None) -> ImageSource:
    """Open a torchvision data set, and download it if necessary.

    Args:
        name: Name of the class in torchvision.
        progress: Progress display, which is paused while torchvision downloads.

    Raises:
        NotFound: The data set does not exist; the message lists similar names.
        DownloadFailed: The data set could not be downloaded.
        StoreError: The disk is full or cannot be written.
    """
    if name not in _SETS:
        raise NotFound(f"no data 'torchvision:{name}'; {did_you_mean(name, _SETS)}")
    root = data_folder() / f"torchvision-{name}"
    try:
        if not root.is_dir():
            _fetch(root, name, progress)
        train, test = (_part(root, name, part) for part in ("train", "test"))
    except OSError as error:
        raise StoreError(
            f"cannot read or write {root}: {error.strerror}; check the disk, or set RUNFOLIO_CACHE"
        ) from None
    except RuntimeError:
        raise StoreError(f"{root} is incomplete; remove it, and it will be downloaded again") from None
    classes = tuple(str(entry) for entry in train.dataset.classes)
    if _SETS[name].photos:
        return photo_source(f"torchvision:{name}", classes, train, test)
    return _source_in_memory(f"torchvision:{name}", classes, train, test)


def _paths(dataset: Any) -> Sequence[str | Path]:
    """Return the files of a data set in order. The attribute that lists the files depends on the torchvision class."""
    if hasattr(dataset, "samples"):
        return [path for path, _ in dataset.samples]
    return next(getattr(dataset, name) for name in ("_image_files", "_images") if hasattr(dataset, name))


def _part(root: Path, name: str, part: str) -> PublishedImages:
    dataset = _open(name, root, part, download=False)
    labels = dataset.targets if hasattr(dataset, "targets") else dataset._labels
    return PublishedImages(dataset, np.asarray(labels, dtype=np.int64), f"{name} {part}")


def _open(name: str, root: Path, part: str, *, download: bool) -> Any:
    return getattr(datasets, name)(root, **getattr(_SETS[name], part), download=download)


def _source_in_memory(
    name: str, classes: tuple[str, ...], train: PublishedImages, test: PublishedImages
) -> ImageSource:
    pixels = np.asarray(train.dataset.data)
    pixels = pixels.reshape(*pixels.shape[:3], -1)
    statistics = [_mean_and_deviation(pixels[..., channel]) for channel in range(pixels.shape[3])]
    return ImageSource(
        name=name,
        classes=classes,
        channels=pixels.shape[3],
        image_size=(pixels.shape[1], pixels.shape[2]),
        mean=tuple(mean for mean, _ in statistics),
        std=tuple(deviation for _, deviation in statistics),
        train=train,
        test=test,
    )


def _mean_and_deviation(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    # Use a histogram, since converting all pixels to floats would take eight times the memory.
    counts = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    values = np.arange(256) / 255
    mean = float(counts @ values)
    return round(mean, 4), round(float(np.sqrt(counts @ (values - mean) ** 2)), 4)


def _fetch(root: Path, name: str, progress: Progress | None) -> None:
    """Download a data set into the folder `root`. The folder appears only when it is complete."""
    with hold_claim(root.with_name(f".{root.name}.lock")) as is_locked:
        if root.is_dir():  # another process has downloaded the data set
            return
        partial_folder = root.with_name(f".{root.name}{'' if is_locked else secrets.token_hex(4)}.begun")
        _remove_unpacked(partial_folder)
        partial_folder.mkdir(exist_ok=True)
        with _translated_errors(name), _paused(progress), redirect_stdout(io.StringIO()), _bounded_transfers():
            for part in ("train", "test"):
                _open(name, partial_folder, part, download=True)
        publish_folder(partial_folder, root)


def _remove_unpacked(partial_folder: Path) -> None:
    """Remove unpacked files of an interrupted attempt. Archives remain, since their checksums will be verified."""
    for entry in partial_folder.iterdir() if partial_folder.is_dir() else ():
        if entry.is_dir():
            shutil.rmtree(entry)


@contextmanager
def _bounded_transfers() -> Iterator[None]:
    """Make torchvision use `download` for its files, since torchvision's own downloads never time out."""
    utilities: Any = datasets.utils
    functions = utilities._urlretrieve, utilities._get_redirect_url
    utilities._urlretrieve, utilities._get_redirect_url = _retrieve, lambda url, max_hops=3: url
    try:
        yield
    finally:
        utilities._urlretrieve, utilities._get_redirect_url = functions


def _retrieve(url: str, path: str, chunk_size: int = 0) -> None:
    try:
        download(url, Path(path))
    except DownloadFailed as error:
        raise URLError(str(error)) from None  # this error makes torchvision try the next mirror


@contextmanager
def _translated_errors(name: str) -> Iterator[None]:
    """Translate the errors of a failed download into a one-line error."""
    try:
        yield
    except (URLError, ConnectionError, TimeoutError, HTTPException, RuntimeError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise DownloadFailed(
            f"cannot download torchvision:{name} ({reason}); check the network connection and try again"
        ) from None


@contextmanager
def _paused(progress: Progress | None) -> Iterator[None]:
    if progress is None or not progress.live.is_started:
        yield
        return
    progress.stop()
    try:
        yield
    finally:
        progress.start()

"""Image files in a folder. Hidden entries, `__MACOSX` and files with other suffixes are ignored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runfolio.vision.data.files import printable

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of image files. Upper case is also accepted."""

_IGNORED_FOLDERS = ("__MACOSX",)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Folder and its images."""

    name: str
    path: Path
    loose: tuple[str, ...]
    """Images directly in the folder."""
    by_folder: Mapping[str, list[str]]
    """Sorted images in and below each subfolder, keyed by the name of the subfolder."""

    @cached_property
    def class_images(self) -> dict[str, list[str]]:
        """Images by subfolder, without empty subfolders."""
        return {name: paths for name, paths in self.by_folder.items() if paths}

    @property
    def images(self) -> list[str]:
        """All images in and below the folder."""
        return sorted([*self.loose, *(path for paths in self.by_folder.values() for path in paths)])


def read_folder(path: Path, *, name: str | None = None) -> Folder:
    """Find the images in a folder.

    Args:
        path: Path of the folder.
        name: Name of the returned `Folder`. The default is the name of the folder at `path`.
    """
    by_folder: dict[str, list[str]] = {}
    outer = _Visit(os.fspath(path), os.path.realpath(path), None)
    for entry in visible_entries(path):
        if entry.is_dir():
            by_folder.setdefault(printable(entry.name), []).extend(_images_below(outer.inner(entry)))
    return Folder(
        name=name or printable(path.name),
        path=path,
        loose=loose_images(path),
        by_folder={name: sorted(paths) for name, paths in sorted(by_folder.items())},
    )


def loose_images(folder: Path) -> tuple[str, ...]:
    """Return the images directly in a folder, sorted."""
    return tuple(sorted(entry.path for entry in visible_entries(folder) if not entry.is_dir() and _is_image(entry)))


def visible_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are not hidden."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.name not in _IGNORED_FOLDERS]


@dataclass(frozen=True)
class _Visit:
    """Visited folder of a directory tree. Links to folders are followed."""

    path: str
    real_path: str
    above: _Visit | None

    def inner(self, entry: os.DirEntry[str]) -> _Visit:
        real_path = os.path.realpath(entry.path) if entry.is_symlink() else f"{self.real_path}/{entry.name}"
        return _Visit(entry.path, real_path, self)

    @property
    def is_circle(self) -> bool:
        """Return whether a link leads back to a parent folder. Following such a link would never end."""
        above = self.above
        while above is not None and above.real_path != self.real_path:
            above = above.above
        return above is not None


def _images_below(folder: _Visit) -> Iterator[str]:
    waiting = [folder]
    while waiting:
        visit = waiting.pop()
        if visit.is_circle:
            continue
        for entry in visible_entries(visit.path):
            if entry.is_dir():
                waiting.append(visit.inner(entry))
            elif _is_image(entry):
                yield entry.path


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(ENDINGS)

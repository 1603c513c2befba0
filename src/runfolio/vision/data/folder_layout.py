"""Layout of a folder of images: its parts, its classes and its ignored files. A folder is divided if it contains
folders for the parts of the data, such as `train` and `test`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runfolio.errors import ConfigError
from runfolio.vision.data.folder_tree import Folder, loose_images, read_folder, visible_entries
from runfolio.vision.data.split_folders import (
    Split,
    is_split_name,
    recognise_splits,
    split_of,
    splits_inside_classes,
)

ClassImages = Mapping[str, Sequence[str]]
"""Paths of images by class."""

_PURPOSES: Mapping[Split, str] = {"train": "training", "val": "validation", "test": "test"}
_UNAMBIGUOUS = {"train": "train/", "test": "test/"}
_MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class FolderLayout:
    """Images of a folder by part and class."""

    parts: Mapping[Split, ClassImages]
    """Images by part and class, or empty if the folder is not divided."""
    undivided: ClassImages
    """All images by class, if the folder is not divided."""
    folders: Mapping[Split, str]
    """Name of the folder of each part, such as `train/`."""
    notices: tuple[str, ...]
    """Remarks about the interpretation of ambiguous names, and about ignored files."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the training and test images, sorted."""
        divided = (self.parts[split] for split in ("train", "test") if split in self.parts)
        return tuple(sorted({name for images in (self.undivided, *divided) for name in images}))


def read_layout(root: Path) -> FolderLayout:
    """Return the layout of a folder.

    Raises:
        ConfigError: All folders are named after parts of the data, so the class folders are missing.
    """
    folders = sorted(
        (read_folder(Path(entry.path)) for entry in visible_entries(root) if entry.is_dir()),
        key=lambda folder: folder.name,
    )
    with_images = [folder for folder in folders if folder.images]
    left_out = [*_without_images(folders), *_loose(loose_images(root))]
    if inside := splits_inside_classes(with_images):
        names = {split_of(name): f"*/{name}/" for name in with_images[0].by_folder}
        return _divided(inside, {split: names.get(split, f"*/{split}/") for split in inside}, left_out)
    if splits := recognise_splits(with_images):
        names = {split: f"{folder.name}/" for split, folder in splits.items()}
        others = [folder for folder in with_images if f"{folder.name}/" not in names.values()]
        left_out += [line for folder in splits.values() for line in _left_out_of_part(folder)]
        left_out += [f"{folder.name}/ ({_content(folder)})" for folder in others]
        return _divided({split: folder.class_images for split, folder in splits.items()}, names, left_out)
    undivided: dict[str, list[str]] = {}
    for folder in with_images:
        undivided.setdefault(folder.name, []).extend(folder.images)
    notices = [*_doubts(with_images, root), *_as_notice(left_out)]
    return FolderLayout(parts={}, undivided=undivided, folders={}, notices=tuple(notices))


def _divided(parts: Mapping[Split, ClassImages], folders: Mapping[Split, str], left_out: Sequence[str]) -> FolderLayout:
    """Return the layout of a divided folder."""
    classes = {name for split in ("train", "test") for name in parts.get(split, ())}
    validation = parts.get("val", {})
    others = [f"{folders['val']}{name}/ (only in this folder)" for name in validation if name not in classes]
    missing = sorted(classes.difference(validation)) if validation else []
    notices = [
        *([_usage_notice(parts, folders)] if dict(folders) != _UNAMBIGUOUS else []),
        *_as_notice([*left_out, *others]),
        *([f"{folders['val']} has no images of: {_named(missing)}"] if missing else []),
    ]
    usable_validation = {name: images for name, images in validation.items() if name in classes}
    usable = {split: images for split, images in {**parts, "val": usable_validation}.items() if images}
    return FolderLayout(parts=usable, undivided={}, folders=folders, notices=tuple(notices))


def _usage_notice(parts: Mapping[Split, ClassImages], folders: Mapping[Split, str]) -> str:
    usages = (
        f"{folders[split]} ({_images(sum(map(len, parts[split].values())))}) for {purpose}"
        for split, purpose in _PURPOSES.items()
        if split in parts
    )
    return f"used: {', '.join(usages)}"


def _doubts(folders: Sequence[Folder], root: Path) -> list[str]:
    """Return notices if it is doubtful that the folders are class folders.

    Raises:
        ConfigError: All folders are named after parts of the data.
    """
    named = [folder.name for folder in folders if is_split_name(folder.name)]
    if len(named) == len(folders) > 1:
        raise ConfigError(
            f"{' and '.join(f'{name}/' for name in named)} of {root} have images but no class folders;"
            " inside them, create one folder of images per class"
        )
    if named:
        return [f"folders used as classes, although they have the names of data splits: {_named(named)}"]
    inside = {frozenset(folder.class_images) for folder in folders if not folder.loose}
    if len(folders) > 1 and len(inside) == 1 and not any(folder.loose for folder in folders) and len(min(inside)) > 1:
        outer, inner = _named([f"{folder.name}/" for folder in folders]), _named(sorted(min(inside)))
        doubt = f"{outer} were used as classes, but all have the same folders ({inner})"
        return [f"{doubt}; if those are the classes, name the outer folders train/ and test/"]
    return []


def _left_out_of_part(part: Folder) -> list[str]:
    empty = [f"{part.name}/{name}/ (no images)" for name, paths in part.by_folder.items() if not paths]
    return [*empty, *_loose(part.loose, f" in {part.name}/")]


def _content(folder: Folder) -> str:
    return _images(len(folder.images)) + ("" if folder.class_images else " without class folders")


def _without_images(folders: Iterable[Folder]) -> list[str]:
    return [f"{folder.name}/ (no images)" for folder in folders if not folder.images]


def _loose(images: Sequence[str], location: str = "") -> list[str]:
    if not images:
        return []
    return [f"{_images(len(images))}{location} outside of the class folders, such as {Path(images[0]).name}"]


def _as_notice(left_out: Sequence[str]) -> list[str]:
    return [f"left out: {_named(left_out)}"] if left_out else []


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"

"""Recognition of folders for training, validation and test by their usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runfolio.vision.data.folder_tree import Folder, read_folder

Split = str
"""Part of the data: `train`, `val` or `test`."""

_SPELLINGS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "tr", "trainset"),
    "val": ("val", "valid", "validation", "validate", "vld", "valset", "dev"),
    "test": ("test", "testing", "tst", "te", "testset", "holdout", "eval", "evaluation"),
}
"""Words that name a part, with the most frequent word first."""
_UNAMBIGUOUS = ("train", "training", "test", "testing")
"""Names that are recognised even if no other part is found."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def split_of(name: str) -> Split | None:
    """Return the part that a folder name means, or None. Examples of such names are `Training`, `test_set`, `02-valid`
    and `imagesTrain`."""
    matches = {split for word in _words(name) for split, spellings in _SPELLINGS.items() if word in spellings}
    return matches.pop() if len(matches) == 1 else None


def is_split_name(name: str) -> bool:
    """Return whether the name is a single word that names a part."""
    return len(_words(name)) == 1 and split_of(name) is not None


def recognise_splits(folders: Sequence[Folder]) -> dict[Split, Folder]:
    """Return the folders of the parts. The result is empty if no parts are recognised.

    If only a training folder or only a test folder is recognised, another folder can become the missing part. It must
    be the only other folder, and it must have the same classes.
    """
    candidates = [folder for folder in map(_unwrapped, folders) if folder.class_images]
    parts: dict[Split, Folder] = {}
    for split in _SPELLINGS:
        named = [folder for folder in candidates if split_of(folder.name) == split]
        if named:
            parts[split] = min(named, key=lambda folder: _rank(folder.name))
    if len(parts) != 1:
        return parts
    ((split, part),) = parts.items()
    if part.name.lower() not in _UNAMBIGUOUS:
        return {}
    others = [folder for folder in candidates if folder is not part]
    if len(others) == 1 and others[0].class_images.keys() == part.class_images.keys():
        parts["test" if split == "train" else "train"] = others[0]
    return parts


def splits_inside_classes(folders: Sequence[Folder]) -> dict[Split, dict[str, list[str]]]:
    """Return the images by part and class, if each class folder contains a folder for training and a folder for another
    part. Otherwise, return an empty dict."""
    parts: dict[Split, dict[str, list[str]]] = {}
    for folder in folders:
        inside = {name: split_of(name) for name in folder.class_images}
        splits = [split for split in inside.values() if split]
        if folder.loose or len(splits) < max(2, len(inside)) or len(set(splits)) < len(splits) or "train" not in splits:
            return {}
        for name, split in inside.items():
            if split:
                parts.setdefault(split, {})[folder.name] = folder.class_images[name]
    return parts


def _unwrapped(folder: Folder) -> Folder:
    """Return the only subfolder if its name means the same part as the folder's name, as in
    `training_set/training_set/cat`. Otherwise, return the folder."""
    if len(folder.by_folder) == 1 and not folder.loose:
        (name,) = folder.by_folder
        if split_of(name) is not None and split_of(name) == split_of(folder.name):
            return read_folder(folder.path / name, name=folder.name)
    return folder


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _rank(name: str) -> tuple[int, int, str]:
    """Return the sort key for folders of the same part. Names with fewer words come first. Among names with equally
    many words, more frequent spellings come first."""
    words, spellings = _words(name), [word for words in _SPELLINGS.values() for word in words]
    return len(words), min(spellings.index(word) for word in words if word in spellings), name.swapcase()

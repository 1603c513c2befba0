"""Files and folders that a run was given by relative paths, and that no repository holds: data, mostly.

A fresh folder lacks them, so a link stands in their place there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from runfolio.errors import NotFound
from runfolio.reproduce.recorded_start import RecordedStart

_MAX_LINKS = 1_000
_OUTPUT_FLAG = re.compile(r"-{1,2}(o|.*(out|output|save|log|dest|store|result|checkpoint).*)", re.IGNORECASE)
"""Flags that say where something goes: a link there would have the repeated run write over the results of then."""
_SCHEME = re.compile(r"[a-z_0-9]{2,}:(?!//)")
"""`folder:photos`."""


def find_links(
    start: RecordedStart,
    tree: Path,
    tree_files: AbstractSet[str],
    binary: Sequence[str],
    arguments: Sequence[str],
    required: Sequence[str],
    store: Path,
) -> dict[Path, Path]:
    """Where links are to be laid, and what they lead to.

    Args:
        tree: Where the code is laid.
        tree_files: The files of the code, relative to the tree.
        binary: Files of the code whose uncommitted changes were not kept.
        arguments: More arguments of the command.
        required: Paths that must be there.
        store: What holds the runs, which is never linked.
    Raises:
        NotFound: One of `required` is not there.
    """
    present = {path for name in tree_files for path in (name, *_parents(name))}
    links: dict[Path, Path] = {}
    for text in required:
        if not (start.folder / text).exists():
            raise NotFound(f"--link {text}: there is no {start.folder / text}")
    for text in [
        *required,
        *_named_paths(start, [*start.command[1:], *arguments]),
        *_data_paths(start),
        *_left_out_files(start, binary),
    ]:
        original = Path(os.path.normpath(start.folder / text))
        if not original.is_relative_to(start.root) or original == start.root:
            continue
        if original in store.parents or original == store or store in original.parents:
            continue
        for missing in _missing_paths(original, original.relative_to(start.root).as_posix(), present):
            if len(links) < _MAX_LINKS:
                links[tree / missing.relative_to(start.root)] = missing
    return {path: target for path, target in links.items() if not links.keys() & set(path.parents)}


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _named_paths(start: RecordedStart, words: Sequence[str]) -> Iterator[str]:
    """Whatever could be a relative path: arguments and settings."""
    flag = ""
    for word in words:
        name, _, value = word.partition("=") if word.startswith("-") else (flag, "", word)
        if not _OUTPUT_FLAG.fullmatch(name):
            yield from _relative_paths(value)
        flag = name if word.startswith("-") else ""
    for name, value in start.run.flat_config.items():
        if isinstance(value, str) and not _OUTPUT_FLAG.fullmatch(f"-{name}"):
            yield from _relative_paths(value)


def _data_paths(start: RecordedStart) -> Iterator[str]:
    """Where the data is said to come from: by whole paths, however the script named it."""
    for data in start.run.data.values():
        if path := _path(data.source or ""):
            yield path


def _relative_paths(text: str) -> Iterator[str]:
    """A relative path; a whole one leads where it led."""
    if (path := _path(text)) and not os.path.isabs(path):  # noqa: PTH117 - a text that may be anything
        yield path


def _path(text: str) -> str | None:
    path = text[match.end() :] if (match := _SCHEME.match(text)) else text
    return path if path and len(path) < 1_000 and "\0" not in path and not path.startswith("~") else None


def _left_out_files(start: RecordedStart, binary: Sequence[str]) -> Iterator[str]:
    """Files of the code that were too large, or no text: those of today."""
    left_out = start.captured.left_out if start.captured else []
    for path in [*(entry.path for entry in left_out), *binary]:
        if path:
            yield os.fspath(os.path.relpath(start.root / path, start.folder))


def _missing_paths(original: Path, name: str, present: AbstractSet[str]) -> Iterator[Path]:
    """What of a file or folder the fresh folder will lack."""
    if not original.exists():
        return
    if name not in present:
        yield original
    elif original.is_dir() and not original.is_symlink():
        for entry in sorted(original.iterdir()):
            yield from _missing_paths(entry, f"{name}/{entry.name}", present)

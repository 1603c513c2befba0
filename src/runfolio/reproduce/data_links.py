"""Links to files that a run reads but its repository does not contain. Most of these files are data.

The run reads these files by relative path. They are missing in a fresh folder, so links to them are created there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from runfolio.errors import ConfigError, NotFound
from runfolio.record.base.layout import expand_home
from runfolio.reproduce.recorded_start import RecordedStart

_MAX_LINKS = 1_000
_OUTPUT_FLAG = re.compile(r"-{1,2}(o|.*(out|output|save|log|dest|store|result|checkpoint).*)", re.IGNORECASE)
"""Pattern of flags that name an output. Outputs are never linked, because the repeated run would overwrite the original
results."""
_DATA_ENDINGS = (
    *(".arrow", ".bin", ".csv", ".db", ".gz", ".h5", ".hdf5", ".jpg", ".json", ".jsonl", ".npy", ".npz", ".parquet"),
    *(".pkl", ".png", ".pt", ".pth", ".safetensors", ".tar", ".tsv", ".txt", ".xml", ".yaml", ".yml", ".zip", ".zst"),
)
"""Suffixes of data files. An argument with one of these suffixes is the name of a file that the script reads."""
_SCHEME = re.compile(r"[a-z_0-9]{2,}:(?!//)")
"""Pattern of the prefix of a data source, such as `folder:` in `folder:photos`."""


def find_links(
    start: RecordedStart,
    tree: Path,
    tree_files: AbstractSet[str],
    binary: Sequence[str],
    arguments: Sequence[str],
    required: Sequence[str],
    store: Path,
) -> dict[Path, Path]:
    """Return the links to create, with their targets.

    Args:
        tree: Folder for the code.
        tree_files: Files of the code, relative to the folder for the code.
        binary: Code files whose uncommitted changes were not captured.
        arguments: Additional arguments of the command.
        required: Paths that must exist. `NAME=PATH` creates a link to PATH. NAME is the path that the script uses.
        store: Store of the runs, which is never linked.
    Raises:
        NotFound: A required path does not exist.
        ConfigError: A required path would be outside of the fresh folder.
    """
    present = {path for name in tree_files for path in (name, *_parents(name))}
    given = dict(text.split("=", 1) for text in required if "=" in text and not _exists(start.folder / text))
    links = {
        _link_path(start, tree, name): _existing(f"--link {name}=", expand_home(path)) for name, path in given.items()
    }
    own = [text for text in required if text.partition("=")[0] not in given]
    for text in own:
        _existing(f"--link {text}", start.folder / text)
    for text in [
        *own,
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


def missing_files(
    start: RecordedStart, tree: Path, tree_files: AbstractSet[str], links: AbstractSet[Path], arguments: Sequence[str]
) -> list[str]:
    """Return the missing data files and folders that are named in the arguments, the settings or the record.

    An argument counts as data if it has the suffix of a data file. It also counts if it named an existing file or
    folder when the run started.

    Args:
        arguments: Arguments of the repeated command.
    """
    named = [text for text in _named_paths(start, arguments) if _is_data_file(text)]
    existing = [text for text in _argument_values(arguments) if text in start.existing]
    sources = [path for path in _data_paths(start) if Path(path).is_relative_to(start.root)]
    recorded = [os.path.relpath(path, start.folder) for path in sources]
    missing = []
    for text in dict.fromkeys([*existing, *named, *recorded]):
        original = Path(os.path.normpath(start.folder / text))
        if _exists(original) or original in (start.root, *start.root.parents):
            continue
        if not original.is_relative_to(start.root):
            missing += [text] if text in existing else []
            continue
        name = original.relative_to(start.root).as_posix()
        linked = any(tree / path in links for path in (name, *_parents(name)))
        if not linked and name not in tree_files and not any(path.startswith(f"{name}/") for path in tree_files):
            missing.append(text)
    return missing


def is_output_flag(flag: str) -> bool:
    """Return whether a flag names an output, such as `--out`."""
    return _OUTPUT_FLAG.fullmatch(flag) is not None


def _is_data_file(text: str) -> bool:
    return "://" not in text and text.lower().endswith(_DATA_ENDINGS)


def _existing(option: str, path: Path) -> Path:
    if not _exists(path):
        raise NotFound(f"{option}: {path} does not exist")
    return path.absolute()


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises if a name is too long or a folder is not accessible


def _link_path(start: RecordedStart, tree: Path, name: str) -> Path:
    original = Path(os.path.normpath(start.folder / name))
    if original == start.root or not original.is_relative_to(start.root):
        raise ConfigError(f"--link {name}=...: {name} is outside of {start.root}; NAME must be a path inside it")
    return tree / original.relative_to(start.root)


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _named_paths(start: RecordedStart, words: Sequence[str]) -> Iterator[str]:
    """Yield the values of arguments and settings that may be relative paths."""
    for value in _argument_values(words):
        yield from _relative_paths(value)
    for name, value in start.run.flat_config.items():
        if isinstance(value, str) and not is_output_flag(f"-{name}"):
            yield from _relative_paths(value)


def _argument_values(words: Sequence[str]) -> Iterator[str]:
    """Yield positional arguments and the values of flags, except flags that name an output."""
    flag = ""
    for word in words:
        name, _, value = word.partition("=") if word.startswith("-") else (flag, "", word)
        if not is_output_flag(name):
            yield value
        flag = name if word.startswith("-") else ""


def _data_paths(start: RecordedStart) -> Iterator[str]:
    """Yield the recorded sources of the data, which are absolute paths."""
    for data in start.run.data.values():
        if path := _path(data.source or ""):
            yield path


def _relative_paths(text: str) -> Iterator[str]:
    """Yield the path in a string if it may be relative. An absolute path stays valid and needs no link."""
    if (path := _path(text)) and not os.path.isabs(path):  # noqa: PTH117 - the string may be anything
        yield path


def _path(text: str) -> str | None:
    path = text[match.end() :] if (match := _SCHEME.match(text)) else text
    return path if path and len(path) < 1_000 and "\0" not in path and not path.startswith("~") else None


def _left_out_files(start: RecordedStart, binary: Sequence[str]) -> Iterator[str]:
    """Yield code files that were not captured, such as large or binary files. Their current versions are linked."""
    left_out = start.captured.left_out if start.captured else []
    for path in [*(entry.path for entry in left_out), *binary]:
        if path:
            yield os.fspath(os.path.relpath(start.root / path, start.folder))


def _missing_paths(original: Path, name: str, present: AbstractSet[str]) -> Iterator[Path]:
    """Yield the file or folder if it is missing in the fresh folder. Otherwise, yield the missing entries of the
    folder."""
    if not _exists(original):
        return
    if name not in present:
        yield original
    elif original.is_dir() and not original.is_symlink():
        for entry in sorted(original.iterdir()):
            yield from _missing_paths(entry, f"{name}/{entry.name}", present)

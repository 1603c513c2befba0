"""What people say about a run after it was begun: its name, tags, notes, whether it is archived; a file an edit.

No file is ever changed, so any number of people may edit one run, also while it is being written
(`docs/format.md`, Notes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Required, TypedDict

from runfolio.errors import ConfigError, DamagedFile, RunfolioError, StoreError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import FORMAT, NOTES, new_id
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RunDocument, time_to_text
from runfolio.record.base.run_parts import Verdict
from runfolio.record.base.schema import Line, Name, Prose, Tags
from runfolio.record.liveness.heartbeats import hostname

_FILE_NAME = re.compile(r"(\d{16})-[0-9a-z]{8}\.json")
NAME_LENGTH, _TAG_LENGTH = 500, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class EditedValues(TypedDict, total=False):
    """Values that an edit sets."""

    name: Name
    tags: Tags
    notes: Prose
    archived: bool
    verdict: Verdict


class Edit(TypedDict, total=False):
    """`notes/<time>-<random>.json`."""

    set: Required[EditedValues]
    time: Line
    host: Line
    user: Line | None


class Edits(NamedTuple):
    """What all edits of a run come to."""

    values: EditedValues
    """`name`, `tags`, `notes`, `archived`, `verdict`: those that were edited."""
    problems: list[str]
    """What could not be read, a line each."""


def read(folder: Path, document: RunDocument) -> Edits:
    """The last value of each key, where the run itself did not set it later (`edited` in its `run.json`)."""
    edits = Edits(EditedValues(), [])
    try:
        edit_files = _files(folder)
    except OSError as error:
        return Edits(EditedValues(), [f"cannot list {folder / NOTES}: {error.strerror}"])
    for time_us, path in edit_files:
        try:
            values = _values(path)
        except FileNotFoundError:
            continue  # the run is being moved this very moment
        except RunfolioError as error:
            edits.problems.append(str(error))
            continue
        edits.values.update({key: value for key, value in values.items() if time_us > _edited_us(document, key)})  # type: ignore[typeddict-item]
    return edits


def find_damaged(folder: Path) -> Iterator[tuple[RecordPath, Exception]]:
    """The files of edits that cannot be read, and why not."""
    try:
        edit_files = _files(folder)
    except OSError as error:
        yield RecordPath(folder, NOTES), error
        return
    for _, path in edit_files:
        try:
            _values(path)
        except (RunfolioError, OSError) as error:
            yield path, error


def add(folder: Path, document: RunDocument, values: Mapping[str, Any]) -> None:
    """Set some of `name`, `tags`, `notes`, `archived` and `verdict`.

    Dated behind every edit there is, so that it counts although the clock of another machine may be ahead.

    Raises:
        ConfigError: The name is empty, longer than 500 characters, or more than a line.
        StoreError: The store cannot be written, or the run is gone.
    """
    if "name" in values:
        check_name(values["name"])
    try:
        notes = RecordPath(folder, NOTES)
        notes.mkdir()
        earlier = [time_us for time_us, _ in _files(folder)] + [_edited_us(document, key) for key in values]
        time_us = max(int(time.time() * 1e6), max(earlier) + 1)
        edit = {
            "runfolio": FORMAT,
            "time": time_to_text(_EPOCH + time_us * _MICROSECOND),
            "host": hostname(),
            "user": _user(),
            "set": dict(values),
        }
        files.write_json(notes / f"{time_us:016}-{new_id()}.json", edit, sync=True)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder} ({error.strerror}); an edit needs the right to write there, and some space"
        ) from None


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a run or an experiment.

    Raises:
        ConfigError: It is no text, empty, longer than 500 characters, or more than a line.
    """
    if not isinstance(name, str):
        raise ConfigError(f"a name is a text of 1 to {NAME_LENGTH} characters, not a {type(name).__name__}")
    if not _is_line(name, NAME_LENGTH):
        raise ConfigError(f"a name is 1 to {NAME_LENGTH} characters on one line, not {name[:40]!r}")


def check_tag(tag: str) -> None:
    """Refuse what cannot be a tag.

    Raises:
        ConfigError: It is empty, longer than 100 characters, or holds a comma or a line's end.
    """
    if not _is_line(tag, _TAG_LENGTH) or "," in tag:
        raise ConfigError(f"a tag is 1 to {_TAG_LENGTH} characters on one line, without a comma, not {tag[:40]!r}")


def _is_line(text: str, longest: int) -> bool:
    return bool(text) and text == text.strip() and text.isprintable() and len(text) <= longest


def _files(folder: Path) -> list[tuple[int, RecordPath]]:
    """The files of a run's edits in the order of their times, in microseconds since 1970."""
    paths = RecordPath(folder, NOTES).entries()
    return [(int(match[1]), path) for path in paths if (match := _FILE_NAME.fullmatch(path.name))]


def _values(path: RecordPath) -> EditedValues:
    """What one file sets; keys that this program does not know are passed over."""
    try:
        values = schema.decode_whole(Edit, files.read_json(path))["set"]
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged ({error})") from None
    for key in schema.unknown_keys(EditedValues, values):
        del values[key]
    return values


def _edited_us(document: RunDocument, key: str) -> int:
    """When the run itself last set `key` after its start; 0 where it never did."""
    edited = document.edited.get(key)
    return (edited - _EPOCH) // _MICROSECOND if edited else 0


def _user() -> str | None:
    import getpass  # only for edits; every run imports this module for its names

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return None

"""Edits that people make to a run: name, tags, notes, archiving and verdict. Each edit is one file.

Edit files are never changed, so any number of people may edit a run, even while the run is being written
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
from runfolio.record.base.run_parts import VerdictEntry
from runfolio.record.base.schema import Line, Name, Prose, Tags
from runfolio.record.liveness.heartbeats import hostname

_FILE_NAME = re.compile(r"([0-9]{16})-[0-9a-z]{8}\.json")
NAME_LENGTH, _TAG_LENGTH = 500, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = 10**16 - 1
"""Latest time, in microseconds since 1970, that the name of an edit file can express."""
_MICROSECOND = timedelta(microseconds=1)


class EditedValues(TypedDict, total=False):
    """Values that an edit sets."""

    name: Name
    tags: Tags
    notes: Prose
    archived: bool
    verdict: VerdictEntry


class Edit(TypedDict, total=False):
    """Content of `notes/<time>-<random>.json`."""

    set: Required[EditedValues]
    time: Line
    host: Line
    user: Line | None


class Edits(NamedTuple):
    """Combined result of all edits of a run."""

    values: EditedValues
    """Edited values. Each key is `name`, `tags`, `notes`, `archived` or `verdict`."""
    problems: list[str]
    """Descriptions of unreadable files, one line each."""


def read(folder: Path, document: RunDocument) -> Edits:
    """Return the last value of each edited key.

    If the run itself set a key later (`edited` in `run.json`), the key is left out.
    """
    edits = Edits(EditedValues(), [])
    try:
        edit_files = _files(folder)
    except OSError as error:
        return Edits(EditedValues(), [f"cannot list {folder / NOTES}: {error.strerror}"])
    for time_us, path in edit_files:
        try:
            values = _values(path)
        except FileNotFoundError:
            continue  # the run is being moved
        except RunfolioError as error:
            edits.problems.append(str(error))
            continue
        edits.values.update({key: value for key, value in values.items() if time_us > _edited_us(document, key)})  # type: ignore[typeddict-item]
    return edits


def find_damaged(folder: Path) -> Iterator[tuple[RecordPath, Exception]]:
    """Yield each unreadable edit file and its error."""
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

    The edit gets a later time than all existing edits, so that it takes effect even if another machine's clock is
    ahead.

    Raises:
        ConfigError: The name is empty, longer than 500 characters, or has several lines.
        StoreError: The store cannot be written to, or the run does not exist.
    """
    if "name" in values:
        check_name(values["name"])
    try:
        notes = RecordPath(folder, NOTES)
        notes.mkdir()
        earlier = [time_us for time_us, _ in _files(folder)] + [_edited_us(document, key) for key in values]
        time_us = max(int(time.time() * 1e6), max(earlier) + 1)
        if time_us > _LAST_US:
            raise StoreError(f"{folder} has an edit dated after the year 2286, so no later edit is possible; remove it")
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
            f"cannot write to {folder} ({error.strerror}); an edit needs write permission and free disk space"
        ) from None


def check_name(name: str) -> None:
    """Check the name of a run or an experiment.

    Raises:
        ConfigError: The name is not a string, is empty, is longer than 500 characters, or has several lines.
    """
    if not isinstance(name, str):
        raise ConfigError(f"a name must be a string of 1 to {NAME_LENGTH} characters, not {type(name).__name__}")
    if not _is_line(name, NAME_LENGTH):
        raise ConfigError(f"a name must have 1 to {NAME_LENGTH} characters on one line; {name[:40]!r} is invalid")


def check_tag(tag: str) -> None:
    """Check a tag.

    Raises:
        ConfigError: The tag is empty, is longer than 100 characters, or contains a comma or a newline.
    """
    if not _is_line(tag, _TAG_LENGTH) or "," in tag:
        raise ConfigError(
            f"a tag must have 1 to {_TAG_LENGTH} characters on one line and no comma; {tag[:40]!r} is invalid"
        )


def _is_line(text: str, longest: int) -> bool:
    return bool(text) and text == text.strip() and text.isprintable() and len(text) <= longest


def _files(folder: Path) -> list[tuple[int, RecordPath]]:
    """Return the edit files of a run with their times, sorted by time. Times are in microseconds since 1970."""
    paths = RecordPath(folder, NOTES).entries()
    return [(int(match[1]), path) for path in paths if (match := _FILE_NAME.fullmatch(path.name))]


def _values(path: RecordPath) -> EditedValues:
    """Return the values that a file sets. Unknown keys are skipped."""
    try:
        values = schema.decode_whole(Edit, files.read_json(path))["set"]
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged ({error})") from None
    for key in schema.unknown_keys(EditedValues, values):
        del values[key]
    return values


def _edited_us(document: RunDocument, key: str) -> int:
    """Return the time at which the run last changed `key` after its start, in microseconds since 1970.

    Return 0 if the run never changed it.
    """
    edited = document.edited.get(key)
    return (edited - _EPOCH) // _MICROSECOND if edited else 0


def _user() -> str | None:
    import getpass  # only edits need this import, but every run imports this module to check names

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return None

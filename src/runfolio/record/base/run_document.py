"""`run.json`: identity of a run, its config, and how it ended."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runfolio.errors import DamagedFile
from runfolio.record.base import files
from runfolio.record.base.flat_names import decode_numbers, encode_numbers
from runfolio.record.base.layout import FORMAT, RUN_FILE
from runfolio.record.base.redaction import redact_mapping, redact_text

RUNNING = "running"
ENDED = ("finished", "failed", "interrupted", "preempted")
"""States in which a recorded run has ended; readers derive `crashed` (see `heartbeats.derive_state`)."""
FORK = "fork"
"""Kind of lineage of a run that started from a checkpoint of another run."""
REPRODUCTION = "reproduction"
"""Kind of lineage of a run that repeats another run."""
TEST = "test"
"""The purpose of an attempt that trains nothing."""
_PREFIX = "prefix"
"""Former kind of lineage, read as a fork; it is no longer written."""
STEPS, OTHERS = "(steps)", "(others)"
"""Keys of `refused` that are not names."""
_MOST_REFUSED, _REFUSED_LENGTH = 100, 100
"""Largest number of names in `refused`, and of characters in one."""


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def time_to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_from_text(text: str) -> datetime:
    """Parse a time of the record; one without a zone is in UTC.

    Raises:
        ValueError, TypeError: It is not a time.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is no time") from None


@dataclass
class Status:
    state: str = RUNNING
    ended: datetime | None = None
    reason: str | None = None
    """One sentence for people."""
    exit_code: int | None = None
    traceback: str | None = None
    cause: str | None = None
    """Root cause in one word of `docs/format.md`."""
    trouble: str | None = None
    """Problem of the training itself, such as the origin of NaN, independent of how it ended."""


@dataclass
class Attempt:
    """Part of a run, from its start or a resume to its end (`docs/format.md`, Attempts)."""

    attempt: int
    parent: int | None
    kept: dict[str, int]
    """Last kept seq of each earlier writer."""
    writer: str
    started: datetime
    seconds: float | None = None
    """Duration by a clock that is never set; None if it is unknown."""
    inherited: str | None = None
    """Id of the run whose attempt this was, if a fork inherited it."""
    purpose: str | None = None
    """`TEST` if the attempt only tested what earlier ones trained; None otherwise."""


@dataclass
class RunDocument:
    id: str
    name: str
    experiment: str
    created: datetime
    status: Status = field(default_factory=Status)
    config: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    """Declared default values of settings, nested like `config`."""
    summary: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    edited: dict[str, datetime] = field(default_factory=dict)
    """Times at which the run itself set its tags or notes after its start, to compare them with other edits."""
    series: dict[str, Any] | None = None
    code: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    """Data for training, validation and test, by name (`docs/format.md`, Data)."""
    lineage: dict[str, Any] | None = None
    """Parent of the run, by fork or reproduction (`docs/format.md`, Lineage)."""
    attempts: list[Attempt] = field(default_factory=list)
    axes: list[dict[str, str]] = field(default_factory=list)
    """X axes of metrics: `metric` (a name or a pattern) and `x`; the last match applies."""
    charts: list[str] = field(default_factory=list)
    """Names of charts with several lines: `CHART/LINE` is a metric. Grows in place, so that sinks see it at once."""
    refused: dict[str, int] = field(default_factory=dict)
    """Number of values that could not be stored, by name of metric or medium (`docs/format.md`)."""
    unknown: dict[str, Any] = field(default_factory=dict)
    """Unknown keys of the file, which are written back unchanged."""

    @classmethod
    def read(cls, folder: Path) -> RunDocument:
        """Read the document of a run folder.

        Raises:
            FileNotFoundError: The folder has no `run.json`.
            DamagedFile: It is invalid.
            NewerFormat: A newer runfolio wrote it.
        """
        return cls.from_json(files.read_json(folder / RUN_FILE), folder / RUN_FILE)

    @classmethod
    def from_json(cls, value: dict[str, Any], path: Path) -> RunDocument:
        value = dict(value)
        value.pop("runfolio")
        try:
            fields = {name: value.pop(name) for name in _FIELD_TYPES if name in value}
            fields["created"] = time_from_text(fields["created"])
            fields["status"] = _status(fields.get("status", {}))
            fields["lineage"] = _lineage(fields.get("lineage"))
            fields["attempts"] = [_attempt(entry) for entry in fields.get("attempts", [])]
            fields["edited"] = {key: time_from_text(text) for key, text in fields.get("edited", {}).items()}
            fields |= {name: decode_numbers(fields[name]) for name in _WITH_NUMBERS if name in fields}
            _check_types(fields, _FIELD_TYPES)
            document = cls(**fields, unknown=value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"{path} is damaged (unexpected content: {error})") from None
        return document

    def axis_of(self, metric: str) -> str:
        """Return the default x axis of a metric: `step`, `time` or the name of another metric."""
        matching = (axis["x"] for axis in reversed(self.axes) if _matches(metric, axis["metric"]))
        return next(matching, "step")

    def count_refused(self, name: str, count: int = 1) -> str:
        """Count values of `name` that could not be stored; return the name that they are counted under."""
        name = name[:_REFUSED_LENGTH]
        key = name if name in self.refused or len(self.refused) < _MOST_REFUSED else OTHERS
        self.refused[key] = self.refused.get(key, 0) + count
        return key

    def write(self, folder: Path, *, sync: bool = False) -> None:
        files.write_json(folder / RUN_FILE, self.to_json(), sync=sync)

    def without_secrets(self) -> RunDocument:
        """Return the document without secrets, for writing; the run itself keeps its values."""
        names = ("reason", "traceback", "trouble")
        redacted = {name: redact_text(text) for name in names if (text := getattr(self.status, name))}
        config, defaults = redact_mapping(self.config), redact_mapping(self.defaults)
        return replace(self, config=config, defaults=defaults, status=replace(self.status, **redacted))

    def to_json(self) -> dict[str, Any]:
        ended = self.status.ended
        return {
            "runfolio": FORMAT,
            **{name: getattr(self, name) for name in _FIELD_TYPES},
            **{name: encode_numbers(getattr(self, name)) for name in _WITH_NUMBERS},
            "created": time_to_text(self.created),
            "edited": {key: time_to_text(moment) for key, moment in tuple(self.edited.items())},
            "status": {**vars(self.status), "ended": time_to_text(ended) if ended else None},
            "attempts": [{**vars(entry), "started": time_to_text(entry.started)} for entry in self.attempts],
            **self.unknown,
        }


_TEXT, _OBJECT = (str,), (dict,)
_NOTHING = type(None)
_FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "id": _TEXT,
    "name": _TEXT,
    "experiment": _TEXT,
    "created": (datetime,),
    "status": (Status,),
    "config": _OBJECT,
    "defaults": _OBJECT,
    "summary": _OBJECT,
    "tags": (list,),
    "notes": _TEXT,
    "edited": _OBJECT,
    "series": (dict, _NOTHING),
    "code": _OBJECT,
    "environment": _OBJECT,
    "seeds": _OBJECT,
    "data": _OBJECT,
    "lineage": (dict, _NOTHING),
    "attempts": (list,),
    "axes": (list,),
    "charts": (list,),
    "refused": _OBJECT,
}
"""Keys of the file in order, with the types of their values."""
_WITH_NUMBERS = ("config", "defaults", "summary")
"""Keys whose values may contain any numbers and texts of the user."""
_STATUS_TYPES: dict[str, tuple[type, ...]] = {
    "state": _TEXT,
    "ended": (datetime, _NOTHING),
    "reason": (str, _NOTHING),
    "exit_code": (int, _NOTHING),
    "traceback": (str, _NOTHING),
    "cause": (str, _NOTHING),
    "trouble": (str, _NOTHING),
}
_ATTEMPT_TYPES: dict[str, tuple[type, ...]] = {
    "attempt": (int,),
    "parent": (int, _NOTHING),
    "kept": _OBJECT,
    "writer": _TEXT,
    "started": (datetime,),
    "seconds": (float, int, _NOTHING),
    "inherited": (str, _NOTHING),
    "purpose": (str, _NOTHING),
}


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _check_types(values: dict[str, Any], types: dict[str, tuple[type, ...]]) -> None:
    for name, value in values.items():
        if not isinstance(value, types[name]):
            raise TypeError(f"{name} is a {type(value).__name__}")
    if not all(isinstance(text, str) for key in ("tags", "charts") for text in values.get(key, ())):
        raise TypeError("a tag or the name of a chart is not a text")
    if not all(type(count) is int for count in values.get("refused", {}).values()):
        raise TypeError("refused holds what is no count")
    if not all(isinstance(axis["metric"], str) and isinstance(axis["x"], str) for axis in values.get("axes", ())):
        raise TypeError("an axis is no text")


def _lineage(value: Any) -> Any:
    return {**value, "kind": FORK} if isinstance(value, dict) and value.get("kind") == _PREFIX else value


def _status(value: dict[str, Any]) -> Status:
    fields = {name: value[name] for name in _STATUS_TYPES if name in value}
    fields["ended"] = time_from_text(fields["ended"]) if fields.get("ended") else None
    _check_types(fields, _STATUS_TYPES)
    status = Status(**fields)
    if status.state not in (RUNNING, *ENDED):
        raise ValueError(f"unknown state {status.state!r}")
    return status


def _attempt(value: dict[str, Any]) -> Attempt:
    fields = {name: value[name] for name in _ATTEMPT_TYPES if name in value}
    fields["started"] = time_from_text(fields["started"])
    _check_types(fields, _ATTEMPT_TYPES)
    if not re.fullmatch(r"[0-9A-Za-z_-]+", fields["writer"]):
        raise ValueError(f"{fields['writer']!r} is no id of a writer")
    if not all(isinstance(seq, int) for seq in fields["kept"].values()):
        raise TypeError("kept holds what is no seq")
    return Attempt(**fields)

"""`run.json`: who a run is, what it was given, and how it ended."""

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
"""The states a run is recorded to have ended in; readers derive `crashed` (see `heartbeats.derive_state`)."""
FORK = "fork"
"""The kind of lineage of a run that began from a checkpoint of another run."""
REPRODUCTION = "reproduction"
"""The kind of lineage of a run that repeats another run."""
TEST = "test"
"""The purpose of an attempt that trains nothing."""
_PREFIX = "prefix"
"""A former kind of lineage, read as a fork; nothing writes it any more."""
STEPS, OTHERS = "(steps)", "(others)"
"""What `refused` counts beside names."""
_MOST_REFUSED, _REFUSED_LENGTH = 100, 100
"""Names in `refused`, and characters of one."""


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def time_to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_from_text(text: str) -> datetime:
    """A time of the record; one written without its zone is UTC, as all of them are.

    Raises:
        ValueError, TypeError: It is none.
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
    """What it came down to, in one word of `docs/format.md`."""
    trouble: str | None = None
    """What went wrong with the training itself, however it ended: where NaN came from first."""


@dataclass
class Attempt:
    """One stretch of a run, from its start or a resume to its end (`docs/format.md`, Attempts)."""

    attempt: int
    parent: int | None
    kept: dict[str, int]
    """The last seq kept of each earlier writer."""
    writer: str
    started: datetime
    seconds: float | None = None
    """How long it lasted, by a clock that nobody sets; None while it is not known."""
    inherited: str | None = None
    """The id of the run it was an attempt of, where this one continues that one's points."""
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
    """Default values of settings, nested as `config`, as far as they are declared."""
    summary: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    edited: dict[str, datetime] = field(default_factory=dict)
    """When the run itself set its tags or notes after its start; tells whether an edit of somebody else is newer."""
    series: dict[str, Any] | None = None
    code: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    """What was trained, validated and tested on, by name (`docs/format.md`, Data)."""
    lineage: dict[str, Any] | None = None
    """The run this one came of, by fork or reproduction (`docs/format.md`, Lineage)."""
    attempts: list[Attempt] = field(default_factory=list)
    axes: list[dict[str, str]] = field(default_factory=list)
    """What metrics are drawn over: `metric` (a name or a pattern) and `x`; the last that fits counts."""
    charts: list[str] = field(default_factory=list)
    """Names of charts with several lines: `CHART/LINE` is a metric. Grows in place, so that sinks see it at once."""
    refused: dict[str, int] = field(default_factory=dict)
    """How many values could not be stored, by name of metric or medium (`docs/format.md`)."""
    unknown: dict[str, Any] = field(default_factory=dict)
    """Keys of the file that this program does not know; written back as they were."""

    @classmethod
    def read(cls, folder: Path) -> RunDocument:
        """The document of a run folder.

        Raises:
            FileNotFoundError: The folder holds no `run.json`.
            DamagedFile: It is not what it should be.
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
        """What a metric is to be drawn over: `step`, `time` or the name of another one."""
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
        """The document as it may be written, sharing what holds none; the run itself keeps the values it was given."""
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
"""The keys of the file in their order, and what each must be."""
_WITH_NUMBERS = ("config", "defaults", "summary")
"""Keys that hold any numbers and texts of the user's."""
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

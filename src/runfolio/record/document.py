"""`run.json`: who a run is, what it was given, and how it ended."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runfolio.errors import DamagedFile
from runfolio.record import files
from runfolio.record.layout import FORMAT, RUN_FILE

RUNNING = "running"
ENDED = ("finished", "failed", "interrupted", "preempted")
"""The states a run is recorded to have ended in; readers derive `crashed` (see `alive`)."""


def now() -> datetime:
    return datetime.now(UTC)


def time_to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_from_text(text: str) -> datetime:
    """A time of the record; one written without its zone is UTC, as all of them are."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass
class Status:
    state: str = RUNNING
    ended: datetime | None = None
    reason: str | None = None
    """One sentence for people."""
    exit_code: int | None = None
    traceback: str | None = None


@dataclass
class Attempt:
    """One stretch of a run, from its start or a resume to its end (`docs/format.md`, Attempts)."""

    attempt: int
    parent: int | None
    kept: dict[str, int]
    """The last seq kept of each earlier writer."""
    writer: str
    started: datetime


@dataclass
class RunDocument:
    id: str
    name: str
    experiment: str
    created: datetime
    status: Status = field(default_factory=Status)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    series: dict[str, Any] | None = None
    code: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, Any] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
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
            known = {entry.name: value.pop(entry.name) for entry in dataclasses.fields(cls) if entry.name in value}
            known["created"] = time_from_text(known["created"])
            known["status"] = _status(known.get("status", {}))
            known["attempts"] = [_attempt(entry) for entry in known.get("attempts", [])]
            document = cls(**known, unknown=value)
            document._check_types()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"{path} is damaged (unexpected content: {error})") from None
        return document

    def _check_types(self) -> None:
        for name in ("id", "name", "experiment", "notes"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is not a text")
        for name in ("config", "summary", "code", "environment", "seeds"):
            if not isinstance(getattr(self, name), dict):
                raise TypeError(f"{name} is not an object")

    def write(self, folder: Path, *, sync: bool = False) -> None:
        files.write_json(folder / RUN_FILE, self.to_json(), sync=sync)

    def to_json(self) -> dict[str, Any]:
        value = {"runfolio": FORMAT, **dataclasses.asdict(self)}
        value.update(value.pop("unknown"))
        value["created"] = time_to_text(self.created)
        value["status"]["ended"] = time_to_text(self.status.ended) if self.status.ended else None
        for attempt in value["attempts"]:
            attempt["started"] = time_to_text(attempt["started"])
        return value


def _status(value: dict[str, Any]) -> Status:
    ended = value.get("ended")
    status = Status(**{**value, "ended": time_from_text(ended) if ended else None})
    if status.state not in (RUNNING, *ENDED):
        raise ValueError(f"unknown state {status.state!r}")
    return status


def _attempt(value: dict[str, Any]) -> Attempt:
    return Attempt(**{**value, "started": time_from_text(value["started"])})

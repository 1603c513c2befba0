"""Content of `run.json`: identity, config and final status of a run."""

from __future__ import annotations

import fnmatch
import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from runfolio.record.base import damaged_files, files, schema
from runfolio.record.base.flat_names import encode_numbers
from runfolio.record.base.layout import FORMAT, RUN_FILE
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.redaction import redact_mapping, redact_text
from runfolio.record.base.run_parts import Environment, GivenData, Lineage, MetricAxis, SeriesEntry, StartedCode
from runfolio.record.base.schema import (
    NOT_IN_FILE,
    AttemptNumber,
    Count,
    Id,
    Integer,
    Line,
    Moment,
    Most,
    Name,
    Prose,
    Scalar,
    Seconds,
    Steps,
    Tags,
    Tree,
    Writer,
    damaged_as,
)

State = Literal["running", "finished", "failed", "interrupted", "preempted"]
RUNNING: State = "running"
ENDED: tuple[State, ...] = ("finished", "failed", "interrupted", "preempted")
"""Final states of a run that are recorded in `run.json`. Readers derive one more state, `crashed`, from the heartbeats
(see `heartbeats.derive_state`)."""
FORK = "fork"
"""Kind of parent for a run that started from a checkpoint of another run."""
REPRODUCTION = "reproduction"
"""Kind of parent for a run that repeats another run."""
TEST = "test"
"""Purpose of an attempt that only tests an existing model."""
_PREFIX = "prefix"
"""Obsolete kind of parent. It is read as a fork and no longer written."""
STEPS, OTHERS = "(steps)", "(others)"
"""Keys of `refused`, which counts values that could not be stored. The first key counts invalid steps. The second key
counts the values of all names beyond the limit."""
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""Replacement for a damaged time."""
_MOST_REFUSED, _REFUSED_LENGTH = 100, 100
"""Maximum number of names in `refused` (counts of values that could not be stored), and maximum length of a name."""


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def time_to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Status:
    state: State = RUNNING
    ended: Moment | None = None
    reason: Prose | None = None
    """One sentence that explains the state to users."""
    exit_code: Integer | None = None
    traceback: Prose | None = None
    cause: Line | None = None
    """Root cause as one of the words listed in `docs/format.md`."""
    trouble: Prose | None = None
    """Problem during training, such as the origin of NaN values. It is recorded regardless of how the run ended."""


@dataclass
class Attempt:
    """Part of a run, from the start or a resume until the process ends (`docs/format.md`, Attempts)."""

    attempt: AttemptNumber
    parent: AttemptNumber | None = field(metadata=damaged_as(None))
    kept: dict[Writer, Count] = field(metadata=damaged_as({}))
    """Sequence number of the last log call that this attempt keeps from each earlier writer (process)."""
    writer: Writer
    started: Moment = field(metadata=damaged_as(_UNKNOWN, "`created`"))
    seconds: Seconds | None = None
    """Duration in seconds, measured with a steady clock, or None if it is unknown."""
    inherited: Id | None = None
    """Id of the run that this attempt originally belonged to, if a fork inherited it."""
    purpose: Line | None = None
    """`TEST` if the attempt only tested the model that earlier attempts trained. Otherwise, the value is None."""


@dataclass
class RunDocument:
    id: Id = field(metadata=damaged_as("", "the id at the end of the folder name"))
    name: Name = field(metadata=damaged_as("", "the first part of the folder name"))
    experiment: Name = field(metadata=damaged_as("", "the name of the parent folder"))
    created: Moment = field(metadata=damaged_as(_UNKNOWN, "the start of the first attempt, or else 1 January 1970"))
    status: Status = field(default_factory=Status)
    config: Tree = field(default_factory=dict)
    defaults: Tree = field(default_factory=dict)
    """Declared default values of settings, nested like `config`."""
    summary: Tree = field(default_factory=dict)
    tags: Tags = field(default_factory=list)
    notes: Prose = ""
    edited: dict[str, Moment] = field(default_factory=dict)
    """Times at which the run itself last changed its tags and notes, by key. The times are compared with the times of
    edits by people."""
    series: SeriesEntry | None = None
    code: StartedCode = field(default_factory=StartedCode)
    environment: Environment = field(default_factory=Environment)
    seeds: dict[str, Scalar] = field(default_factory=dict)
    data: Annotated[dict[str, GivenData], Most(1_000)] = field(default_factory=dict)
    """Data sets for training, validation and test, by name (`docs/format.md`, Data)."""
    lineage: Lineage | None = None
    """Parent of a fork or a reproduction (`docs/format.md`, Lineage)."""
    attempts: list[Attempt] = field(default_factory=list)
    total_steps: Steps | None = None
    """Step at which training will be finished, in the units of the logged steps."""
    axes: Annotated[list[MetricAxis], Most(1_000)] = field(default_factory=list)
    """X axes of metrics. Each entry has a `metric` (a name or a pattern) and an `x`. The last matching entry
    applies. The list is changed in place, so receivers of the record (sinks) see changes immediately."""
    charts: list[Line] = field(default_factory=list)
    """Names of charts with several lines. Each line is a metric with a name of the form `CHART/LINE`. The list is
    extended in place, so receivers of the record (sinks) see changes immediately."""
    refused: Annotated[dict[str, Count], Most(1_000)] = field(default_factory=dict)
    """Number of values that could not be stored, by the name under which they were logged (`docs/format.md`)."""
    unknown: dict[str, Any] = field(default_factory=dict, metadata=NOT_IN_FILE)
    """Unknown keys of the file. They are written back unchanged."""
    damage: list[str] = field(default_factory=list, metadata=NOT_IN_FILE, compare=False)
    """Damaged fields of the file, which were skipped. `write` saves a copy of a damaged file before it replaces the
    file."""

    @classmethod
    def read(cls, folder: Path) -> RunDocument:
        """Read the document of a run folder. Damaged fields get their defaults and are listed in `damage`.

        Raises:
            FileNotFoundError: The folder has no `run.json`.
            DamagedFile: The file is not a valid `run.json`.
            NewerFormat: A newer version of runfolio wrote the file.
        """
        return cls.from_json(files.read_json(RecordPath(folder, RUN_FILE)), folder)

    @classmethod
    def from_json(cls, value: dict[str, Any], folder: Path) -> RunDocument:
        """Create a document from a JSON object. Damaged names are derived from the folder."""
        document, document.damage = schema.decode(cls, value)
        document.unknown = schema.unknown_keys(cls, value)
        document.unknown.pop("runfolio", None)
        if document.lineage is not None and document.lineage["kind"] == _PREFIX:
            document.lineage["kind"] = FORK
        if document.damage:
            _take_from_neighbours(document, folder.absolute())
        return document

    @classmethod
    def from_decoded(cls, value: dict[str, Any]) -> RunDocument:
        """Create a document from the result of `to_json`. Values that have the same form in JSON and in Python are not
        checked."""
        parts = {name: value[name] for name in _PLAIN_PARTS}
        document = cls.from_json({name: entry for name, entry in value.items() if name not in parts}, Path())
        for name, part in parts.items():
            setattr(document, name, part)
        return document

    @property
    def problem(self) -> str | None:
        """One line that lists the damaged fields, or None if no field is damaged."""
        return f"{RUN_FILE}: {schema.shorten_damage(self.damage)}; left out" if self.damage else None

    def axis_of(self, metric: str) -> str:
        """Return the default x axis of a metric, which is `step`, `time` or the name of another metric."""
        matching = (axis["x"] for axis in reversed(self.axes) if _matches(metric, axis["metric"]))
        return next(matching, "step")

    def count_refused(self, name: str, count: int = 1) -> str:
        """Count values of `name` that could not be stored, and return the key under which they are counted."""
        name = name[:_REFUSED_LENGTH]
        key = name if name in self.refused or len(self.refused) < _MOST_REFUSED else OTHERS
        self.refused[key] = self.refused.get(key, 0) + count
        return key

    def write(self, folder: Path, *, sync: bool = False) -> None:
        """Replace the `run.json` of a folder. If the file has damaged fields, it is copied to `damaged/` first."""
        path = RecordPath(folder, RUN_FILE)
        if self.damage:
            damaged_files.keep_copy(path)
            self.damage.clear()
        files.write_json(path, self.to_json(), sync=sync)

    def without_secrets(self) -> RunDocument:
        """Return a copy of the document without secrets, for writing. This document itself is not changed."""
        names = ("reason", "traceback", "trouble")
        redacted = {name: redact_text(text) for name in names if (text := getattr(self.status, name))}
        config, defaults = redact_mapping(self.config), redact_mapping(self.defaults)
        return replace(self, config=config, defaults=defaults, status=replace(self.status, **redacted))

    def to_json(self) -> dict[str, Any]:
        ended = self.status.ended
        return {
            "runfolio": FORMAT,
            **{name: getattr(self, name) for name in schema.names(RunDocument)},
            **{name: encode_numbers(getattr(self, name)) for name in _WITH_NUMBERS},
            "created": time_to_text(self.created),
            "edited": {key: time_to_text(moment) for key, moment in tuple(self.edited.items())},
            "status": {**vars(self.status), "ended": time_to_text(ended) if ended else None},
            "attempts": [{**vars(entry), "started": time_to_text(entry.started)} for entry in self.attempts],
            **self.unknown,
        }


_PLAIN_PARTS = ("series", "code", "environment", "seeds", "data", "lineage", "axes", "refused")
"""Keys whose values have the same form in JSON and in Python."""
_WITH_NUMBERS = ("config", "defaults", "summary")
"""Keys whose values may contain arbitrary numbers and strings from the user."""


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or _compiled(pattern)(name) is not None


@functools.lru_cache(1_000)
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Return a function that matches names against a pattern such as `loss/*`.

    `fnmatch` has a smaller cache, and each compilation of a pattern takes milliseconds.
    """
    return re.compile(fnmatch.translate(pattern)).match


def _take_from_neighbours(document: RunDocument, folder: Path) -> None:
    """Replace damaged names with names from the folder's path, and damaged times with the times of related events."""
    match = re.fullmatch(r"(.+)-([0-9a-z]{8})", folder.name)
    name, run_id = match.groups() if match else (folder.name, re.sub(r"[^0-9A-Za-z_-]", "_", folder.name)[-64:])
    document.id = document.id or run_id or "unknown"
    document.name = document.name or name or "unknown"
    document.experiment = document.experiment or folder.parent.name or "unknown"
    starts = [attempt.started for attempt in document.attempts if attempt.started != _UNKNOWN]
    if document.created == _UNKNOWN:
        document.created = min(starts, default=_UNKNOWN)
    for attempt in document.attempts:
        if attempt.started == _UNKNOWN:
            attempt.started = document.created

"""Encoding of logged items, such as metric values, as JSON lines of a run's files.

Encoding holds the interpreter lock (GIL), so each call should receive only a few items. Each log call gets a sequence
number, which counts the stored log calls of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, ClassVar, cast

from runfolio.errors import ConfigError
from runfolio.record.base import file_bounds
from runfolio.record.base.run_document import STEPS, RunDocument
from runfolio.record.content import media
from runfolio.record.points import tails
from runfolio.record.points.tails import LogCall
from runfolio.tracking.pipeline import plain_values
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.plain_texts import describe_error
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Plain, Scalars
from runfolio.tracking.pipeline.stored_file import StoredFile

_MANY_VALUES = 4000
"""Number of values that always fit into one line of the record, however long their names are."""
_STEPS = 2**63


@dataclass
class EncodedPoints:
    """Log calls, encoded as complete lines of a tail (a JSON file with points)."""

    lines: bytes
    count: int

    @property
    def size(self) -> int:
        return len(self.lines)


@dataclass
class EncodedMedia:
    """Line of the media index (a file that lists the media), and the media files that the line names."""

    line: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    """Content of each file, keyed by name. The first file is the medium itself."""
    count: ClassVar[int] = 1

    @property
    def size(self) -> int:
        return len(self.line) + sum(map(len, self.files.values()))


EncodedBatch = EncodedPoints | EncodedMedia


@dataclass
class Encoder:
    """Encoder that assigns sequence numbers and steps to log calls, and counts values that cannot be stored."""

    document: RunDocument
    """Run document, which also counts the values that could not be stored."""
    changed: Callable[[], None]
    """Function that is called when the document must be saved."""
    writer: str
    last_step: int
    """Step of the last encoded log call."""
    seq: int = 0
    """Last assigned sequence number. A log call gets a sequence number only if at least one of its values is stored."""
    _reported: set[str] = field(default_factory=set)
    """Causes for which a warning was logged. Each cause is reported once."""
    _checked_names: set[str] = field(default_factory=set)
    """Metric names that were checked and are valid."""
    _media_warnings: set[str] = field(default_factory=set)
    """Kinds of media conversions for which a warning was logged."""

    def encode(self, items: Iterable[Item]) -> list[EncodedBatch]:
        """Encode items in order."""
        batches: list[EncodedBatch] = []
        for kind, group in groupby(items, key=type):
            if kind is Media:
                batches += filter(None, map(self._medium, cast("Iterable[Media]", group)))
                continue
            if kind is Mark:
                for mark in cast("Iterable[Mark]", group):
                    mark.seq = self.seq
                continue
            if kind is FailedCall:
                for call in cast("Iterable[FailedCall]", group):
                    self._refuse(call.name, call.message, call.cause)
                continue
            calls = cast("list[Plain]", list(group))
            points = (self._plain(calls) if kind is tuple else None) or self._one_by_one(calls)
            if points.lines:
                batches.append(points)
        return batches

    def _plain(self, items: list[Plain]) -> EncodedPoints | None:
        """Encode calls that contain only floats, all at once. Return None if a call must be checked value by value."""
        if not self._checked_names.issuperset(chain.from_iterable(values for _, _, values in items)):
            return None
        seq, last_step = self.seq, self.last_step
        rows: list[tails.TailRow] = []
        for moment, step, values in items:
            last_step = last_step + 1 if step is None else step
            if last_step.__class__ is not int or not -_STEPS <= last_step < _STEPS:
                return None
            if values:
                seq += 1
                rows.append({"seq": seq, "time_us": int(moment * 1e6), "step": last_step, "values": values})
        lines = tails.encode_rows(rows)
        if lines is None or (
            len(lines) > file_bounds.JSON_LINE and any(len(row["values"]) > _MANY_VALUES for row in rows)
        ):
            return None
        self.seq, self.last_step = seq, last_step
        return EncodedPoints(lines, len(rows))

    def _one_by_one(self, items: Iterable[Plain | Scalars]) -> EncodedPoints:
        calls = [call for item in items if (call := self._call(item)) is not None]
        return EncodedPoints(tails.encode(calls), len(calls))

    def _call(self, item: Plain | Scalars) -> LogCall | None:
        moment, step, values = item[:3]
        aside = isinstance(item, Scalars) and item.aside
        step = self._step(step, after=1)
        if not aside:
            self.last_step = step
        numbers = self._numbers(values)
        if not numbers:
            return None
        call = LogCall(self.seq + 1, int(moment * 1e6), step, numbers)
        most = file_bounds.JSON_LINE
        if len(numbers) > _MANY_VALUES and (size := len(tails.encode([call]))) > most:
            message = f"a call with {len(numbers):,} values takes {size:,} bytes, but the limit is {most:,}"
            self._refuse("(log)", f"{message}; use several calls; these values were not stored")
            return None
        self.seq += 1
        return call

    def _medium(self, item: Media) -> EncodedMedia | None:
        seq = self.seq + 1
        # A medium that is logged before the first point gets the step of that point.
        step = self._step(item.step, after=0 if self.last_step >= 0 else 1)
        try:
            content = item.content()
            files: dict[str, bytes] = {}
            if isinstance(content, bytes):
                content = StoredFile(content, {}, ())
            if isinstance(content, StoredFile):
                content, files = self._file_content(item, content, step)
            line = media.encode(seq, int(item.time * 1e6), step, item.kind, item.name, content)
        except Exception as error:
            self._refuse(item.name, f"{item.kind} {item.name!r} was not stored: {describe_error(error)}")
            return None
        self.seq = seq
        return EncodedMedia(line, files)

    def _file_content(self, item: Media, stored: StoredFile, step: int) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the fields of a medium's line in the index, and the medium's files.

        Raises:
            ConfigError: A file is too large.
        """
        self._report_changes(item, stored)
        endings = [stored.suffix, *(f"-mask-{number}.png" for number in range(1, len(stored.masks) + 1))]
        names = [media.file_name(item.name, step, self.writer, self.seq + 1, ending) for ending in endings]
        files = dict(zip(names, [stored.content, *stored.masks.values()], strict=True))
        largest = max(map(len, files.values()))
        if largest > file_bounds.MEDIUM:
            raise ConfigError(f"its file takes {largest:,} bytes, but the limit is {file_bounds.MEDIUM:,}")
        masks = {"masks": dict(zip(stored.masks, names[1:], strict=True))} if stored.masks else {}
        fields = {"file": names[0], "bytes": len(stored.content), "caption": item.caption, **stored.notes, **masks}
        return fields, files

    def _report_changes(self, item: Media, stored: StoredFile) -> None:
        """Log a warning once for each kind of media conversion."""
        for warning in stored.warnings:
            if warning not in self._media_warnings:
                self._media_warnings.add(warning)
                log.warning("run %s: %s %r %s", self.document.id, item.kind, item.name, warning)

    def _step(self, step: Any, *, after: int) -> int:
        """Return the step that a call specifies. If the call specifies no step, return the last step plus `after`."""
        try:
            if step is not None:
                return plain_values.whole_step(step)
        except ConfigError as error:
            self._refuse(STEPS, f"{error}; the next automatic step is used")
        return min(self.last_step + after, plain_values.LARGEST_STEP)

    def _numbers(self, values: dict[str, Any]) -> dict[str, float]:
        numbers, refused = plain_values.metric_numbers(values)
        self._checked_names.update(numbers)
        for name, reason in refused:
            self._refuse(name, f"metric {plain_values.short(name)} {reason}; this value was not stored")
        return numbers

    def _refuse(self, name: str, message: str, cause: str | None = None) -> None:
        """Count a value that cannot be stored, and log one warning per name or cause."""
        key = self.document.count_refused(name)
        self.changed()
        if (cause or key) not in self._reported:
            self._reported.add(cause or key)
            log.warning("run %s: %s", self.document.id, message)

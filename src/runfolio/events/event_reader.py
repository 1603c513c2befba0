"""Reader of event files, including damaged files and files that other programs wrote."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runfolio.errors import StoreError
from runfolio.events.framing import Block, content, is_intact, read_blocks
from runfolio.events.messages import Event
from runfolio.events.scalar_event import ScalarEvent, ScalarValue, scalar_event
from runfolio.events.scalar_rows import PADDING, ScalarRows, scalar_rows
from runfolio.events.wire import WireError


class ScalarColumn(NamedTuple):
    """Points of one tag in one chunk of the file, in the order of the file."""

    tag: bytes
    orders: np.ndarray
    """Order of each point's record: its index among the undamaged records of the file (int64)."""
    steps: np.ndarray
    """Step of each point (int64)."""
    times: np.ndarray
    """Time of each point, in seconds since 1970 (float64)."""
    values: np.ndarray
    """Value of each point (float64)."""


class OtherEvent(NamedTuple):
    """Event with content other than scalars."""

    order: int
    """Index of the record among the undamaged records of the file."""
    event: Event


class EventChunk(NamedTuple):
    """Events of consecutive records."""

    end: int
    """Offset in the file after the last complete record. Reading can be continued from it."""
    next_order: int
    """Index of the next record among the undamaged records of the file."""
    scalars: list[ScalarColumn]
    others: list[OtherEvent]
    problems: list[str]
    """Descriptions of the damaged parts of the file."""


def read_chunks(
    path: Path, start: int = 0, first_order: int = 0, known_scalar_tags: set[bytes] | None = None
) -> Iterator[EventChunk]:
    """Yield the events of a file in chunks, even after damaged bytes.

    All checksums are verified. The memory in use does not depend on the size of the file. An incomplete record at the
    end is left for a later call, which continues from the `end` and `next_order` of the last chunk.

    A number in a tensor is a scalar if an earlier value assigned its tag to TensorBoard's plugin `scalars`. The event
    of this earlier value is in `others`, because it can have a description.

    Args:
        path: The event file.
        start: Offset of the first record.
        first_order: Index of the first record, which is the `next_order` of the previous chunk.
        known_scalar_tags: Tags that earlier records assigned to the plugin `scalars`. Tags that this call finds are
            added to the set.

    Raises:
        StoreError: The file cannot be read.
    """
    known = set() if known_scalar_tags is None else known_scalar_tags
    try:
        with path.open("rb") as file:
            for block in read_blocks(file, start):
                chunk = _Chunk(block, known).read(first_order)
                first_order = chunk.next_order
                yield chunk
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None


def read_events(path: Path, problems: list[str]) -> Iterator[Event]:
    """Yield every event of a file in order, even after damaged bytes. Add a line to `problems` for each damaged part.

    This function decodes each record separately. `read_chunks` is much faster for scalars.

    Raises:
        StoreError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for block in read_blocks(file):
                problems.extend(f"{path}: {line}" for line in block.problems)
                for start in block.starts:
                    if not is_intact(block.data, start):
                        problems.append(f"{path}: {_problem(block, start, _DAMAGED)}")
                        continue
                    try:
                        yield Event.decode(content(block.data, start))
                    except WireError as error:
                        problems.append(f"{path}: {_problem(block, start, f'{_NO_EVENT} ({error})')}")
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None


_DAMAGED = "is damaged"
_NO_EVENT = "is not an event"


def _problem(block: Block, start: int, reason: str) -> str:
    return f"the record at offset {block.offset + start} {reason}"


class _Chunk:
    """Decoder of one block, which contains consecutive records.

    The index of a record counts all records of the block. The order of a record counts the undamaged records of the
    file, and is therefore known only after the block has been decoded.
    """

    def __init__(self, block: Block, known: set[bytes]) -> None:
        self._block = block
        self._known = known
        self._declared: dict[bytes, int] = {}
        """Index of the first record in this block that assigns a tag to the plugin `scalars`."""
        self._is_record = np.ones(len(block.starts), bool)
        self._columns: defaultdict[bytes, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        """Points that were decoded together: record indices, steps, times and values by tag."""
        self._points: defaultdict[bytes, list[tuple[int, int, float, float]]] = defaultdict(list)
        """Points that were decoded one by one: index, step, time and value by tag."""
        self._others: list[tuple[int, Event]] = []
        self._problems: list[tuple[int, str]] = []

    def read(self, first_order: int) -> EventChunk:
        groups, single = self._group()
        events = [(index, event) for index in single if (event := self._decode(index)) is not None]
        for rows in groups:
            for value, _ in rows.values:
                if value.is_declared:
                    self._declare(value.tag, int(rows.indices[0]))
        for rows in groups:
            self._add_rows(rows)
        for index, event in events:
            self._add_event(index, event)
        self._known.update(self._declared)
        orders = np.cumsum(self._is_record) - 1 + first_order
        next_order = first_order + int(self._is_record.sum())
        others = [OtherEvent(int(orders[index]), event) for index, event in sorted(self._others, key=lambda e: e[0])]
        problems = self._block.problems + [line for _, line in sorted(self._problems)]
        return EventChunk(self._block.end, next_order, self._scalars(orders), others, problems)

    def _group(self) -> tuple[list[ScalarRows], list[int]]:
        """Return the records that were decoded together, and the indices of all other records."""
        data = np.frombuffer(self._block.data + bytes(PADDING), np.uint8)
        starts = np.array(self._block.starts, np.intp)
        sizes = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))[starts].astype(np.intp)
        is_single = np.ones(len(starts), bool)
        groups = []
        for rows in scalar_rows(data, starts, sizes):
            is_single[rows.indices] = False
            if not rows.is_intact.all():
                for index in rows.indices[~rows.is_intact].tolist():
                    self._drop(index, _DAMAGED)
                rows = rows.select(rows.is_intact)
            groups.append(rows)
        return groups, np.flatnonzero(is_single).tolist()

    def _decode(self, index: int) -> ScalarEvent | Event | None:
        """Decode one record and note the tags that it assigns to the plugin `scalars`. Return None if the record is
        damaged or has no content."""
        start = self._block.starts[index]
        if not is_intact(self._block.data, start):
            self._drop(index, _DAMAGED)
            return None
        data = content(self._block.data, start)
        try:
            event = scalar_event(data) or Event.decode(data)
        except WireError as error:
            self._problems.append((index, _problem(self._block, start, f"{_NO_EVENT} ({error})")))
            return None
        if isinstance(event, ScalarEvent):
            for value in event.values:
                if value.is_declared:
                    self._declare(value.tag, index)
            return event
        for entry in event.summary.value if event.summary else ():
            if entry.plugin == "scalars":
                self._declare(entry.tag.encode(errors="surrogateescape"), index)
        return event if event.has_content else None

    def _drop(self, index: int, reason: str) -> None:
        self._is_record[index] = False
        self._problems.append((index, _problem(self._block, self._block.starts[index], reason)))

    def _declare(self, tag: bytes, index: int) -> None:
        if tag not in self._known:
            self._declared[tag] = min(index, self._declared.get(tag, index))

    def _last_undeclared(self, values: Iterable[ScalarValue]) -> float:
        """Return the index of the record that assigns the last of the values' tags to the plugin `scalars`. Return -1
        if no tag needs such a record, and infinity if one of the tags has none."""
        tags = [value.tag for value in values if not value.is_simple and value.tag not in self._known]
        return max((self._declared.get(tag, math.inf) for tag in tags), default=-1)

    def _add_rows(self, rows: ScalarRows) -> None:
        last = self._last_undeclared(value for value, _ in rows.values)
        is_scalar = rows.indices > last
        if not is_scalar.all():
            for index in rows.indices[~is_scalar].tolist():
                self._add_other(index)
            rows = rows.select(is_scalar)
        if len(rows.indices):
            for value, numbers in rows.values:
                self._columns[value.tag].append((rows.indices, rows.steps, rows.times, numbers))

    def _add_event(self, index: int, event: ScalarEvent | Event) -> None:
        if isinstance(event, Event):
            self._others.append((index, event))
        elif index <= self._last_undeclared(event.values):
            self._add_other(index)
        else:
            data = content(self._block.data, self._block.starts[index])
            for value in event.values:
                self._points[value.tag].append((index, event.step, event.time, value.number(data)))

    def _add_other(self, index: int) -> None:
        self._others.append((index, Event.decode(content(self._block.data, self._block.starts[index]))))

    def _scalars(self, orders: np.ndarray) -> list[ScalarColumn]:
        for tag, points in self._points.items():
            indices, steps, times, values = zip(*points, strict=True)
            arrays = np.array(indices, np.intp), np.array(steps, np.int64), np.array(times), np.array(values)
            self._columns[tag].append(arrays)
        columns = []
        for tag, parts in self._columns.items():
            indices, steps, times, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            if (indices[1:] < indices[:-1]).any():
                by_index = np.argsort(indices, kind="stable")
                indices, steps, times, values = (array[by_index] for array in (indices, steps, times, values))
            columns.append(ScalarColumn(tag, orders[indices], steps, times, values))
        return columns

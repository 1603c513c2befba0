"""Chunks of an event file."""

from __future__ import annotations

import itertools
import mmap
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runfolio.errors import StoreError
from runfolio.events import messages as m
from runfolio.events.framing import _next_record as next_record
from runfolio.events.framing import masked_crc
from runfolio.events.reading import read_events


class ScalarColumn(NamedTuple):
    tag: bytes
    orders: np.ndarray
    steps: np.ndarray
    times: np.ndarray
    values: np.ndarray


class OtherEvent(NamedTuple):
    order: int
    event: m.Event


class EventChunk(NamedTuple):
    end: int
    next_order: int
    scalars: list[ScalarColumn]
    others: list[OtherEvent]
    problems: list[str]


def read_chunks(
    path: Path, start: int = 0, first_order: int = 0, known_scalar_tags: set[bytes] | None = None
) -> Iterator[EventChunk]:
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        offset, order = start, first_order
        while True:
            columns = defaultdict(list)
            others, problems = [], []
            begin = offset
            while offset - begin < 16 << 20 and offset + 12 <= len(data):
                size, checksum = struct.unpack_from("<QI", data, offset)
                if size > 2**31 or masked_crc(data[offset : offset + 8]) != checksum:
                    nxt = next_record(data, offset + 1)
                    problems.append(f"{nxt - offset} bytes at offset {offset} are not a record")
                    offset = nxt
                    continue
                end = offset + 16 + size
                if end > len(data):
                    break
                content = data[offset + 12 : end - 4]
                if masked_crc(content) != struct.unpack_from("<I", data, end - 4)[0]:
                    problems.append(f"the record at offset {offset} is damaged")
                    offset = end
                    order += 1
                    continue
                offset = end
                try:
                    event = m.Event.decode(content)
                except ValueError as error:
                    problems.append(f"a record is not an event ({error})")
                    order += 1
                    continue
                values = event.summary.value if event.summary else []
                if values and all(v.simple_value is not None for v in values):
                    for v in values:
                        columns[v.tag.encode()].append((order, event.step, event.wall_time, v.simple_value))
                else:
                    others.append(OtherEvent(order, event))
                order += 1
            if offset == begin:
                return
            yield EventChunk(
                offset,
                order,
                [
                    ScalarColumn(
                        tag, *(np.array(c, t) for c, t in zip(zip(*rows), (np.int64, np.int64, np.float64, np.float64)))
                    )
                    for tag, rows in columns.items()
                ],
                others,
                problems,
            )


def head_events(path: Path, count: int) -> list[m.Event]:
    """Return the first events of a file. A file that cannot be read has no events."""
    try:
        return list(itertools.islice(read_events(path, []), count))
    except StoreError:
        return []

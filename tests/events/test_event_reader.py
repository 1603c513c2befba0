"""Event files are read in chunks: despite damage, in bounded memory, with the same result as record by record."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.events import messages as m
from runfolio.events.event_reader import EventChunk, read_chunks, read_events
from runfolio.events.framing import frame

SCALARS = m.Metadata(m.PluginData("scalars"))
Points = list[tuple[int, str, int, str, str]]
"""Record number, tag, step, time and value. Numbers are texts, because NaN does not equal itself."""

finite_tags = st.sampled_from(["loss", "train/loss", "val/loss", "a" * 7, "b" * 7, "", "ü" * 70, "x" * 130])
steps = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
float32 = st.floats(width=32)


def tensor(number: float, dtype: int, *, is_packed: bool) -> m.Tensor:
    """Return a tensor of one number in one of the two usual encodings."""
    if is_packed:
        content = struct.pack("<f" if dtype == m.DT_FLOAT else "<d", number)
        return m.Tensor(dtype, m.TensorShape(), tensor_content=content)
    if dtype == m.DT_FLOAT:
        return m.Tensor(dtype, m.TensorShape(), float_val=[number])
    return m.Tensor(dtype, m.TensorShape.of(1), double_val=[number])


tensors = st.builds(tensor, float32, st.sampled_from([m.DT_FLOAT, m.DT_DOUBLE]), is_packed=st.booleans())
values = st.one_of(
    st.builds(m.Value, finite_tags, simple_value=float32),
    st.builds(m.Value, finite_tags, tensor=tensors),
    st.builds(m.Value, finite_tags, st.just(SCALARS), tensor=tensors),
    st.builds(m.Value, finite_tags, st.just(SCALARS), simple_value=float32),
    st.builds(m.Value, finite_tags, st.just(m.Metadata(m.PluginData("text"))), tensor=tensors),
    st.builds(m.Value, finite_tags, image=st.builds(m.Image, st.integers(0, 9), encoded_image_string=st.binary())),
)
events = st.one_of(
    st.builds(m.Event, st.floats(), steps, summary=st.builds(m.Summary, st.lists(values, max_size=3))),
    st.builds(m.Event, st.floats(), steps, file_version=st.just("brain.Event:2")),
    st.builds(m.Event, st.floats(), steps, session_log=st.builds(m.SessionLog, st.integers(0, 3))),
)


def scalar_points(order: int, event: m.Event, declared: set[str]) -> Points:
    """Return the scalars of an event, given the tags of the plugin `scalars` so far."""
    points = []
    for value in event.summary.value if event.summary else ():
        if value.plugin == "scalars":
            declared.add(value.tag)
        number = value.simple_value
        if number is None and value.tensor and value.tag in declared and value.plugin in ("", "scalars"):
            number = value.tensor.numbers[0] if len(value.tensor.numbers) == 1 else None
        if number is not None:
            points.append((order, value.tag, event.step, repr(event.wall_time), repr(float(number))))
    return points


def slow_points(path: Path) -> tuple[Points, list[str]]:
    """Read the scalars of a file one record at a time."""
    problems: list[str] = []
    declared: set[str] = set()
    points = [
        point
        for order, event in enumerate(read_events(path, problems))
        for point in scalar_points(order, event, declared)
    ]
    return sorted(points), problems


def chunk_points(chunks: Sequence[EventChunk]) -> Points:
    declared: set[str] = set()
    points: Points = []
    for chunk in chunks:
        for tag, orders, column_steps, times, numbers in chunk.scalars:
            rows = zip(orders, column_steps, times, numbers, strict=True)
            points += [(int(o), tag.decode(), int(s), repr(float(t)), repr(float(v))) for o, s, t, v in rows]
        for order, event in chunk.others:
            points += scalar_points(order, event, declared)
    return sorted(points)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "events.out.tfevents.1.here.1.0"
    path.write_bytes(data)
    return path


def records_of(count: int, seed: int = 0) -> list[bytes]:
    """Return records as a training loop writes them: a few tags with rising steps, in old and new encoding."""
    chance = random.Random(seed)
    tags = ["loss", "accuracy", "lr", "grad/layer1", "grad/layer2"]
    records = [frame(m.Event(1.0, file_version=m.FILE_VERSION).encode())]
    for number in range(1, count):
        step, tag = divmod(number, len(tags))
        value = m.Value(tags[tag], simple_value=struct.unpack("<f", struct.pack("<f", chance.random()))[0])
        if tag == 1:
            value = m.Value(tags[tag], SCALARS, tensor=tensor(chance.random(), m.DT_FLOAT, is_packed=True))
        records.append(frame(m.Event(chance.random(), step, summary=m.Summary([value])).encode()))
    return records


RECORDS = records_of(1000)


class TestChunks:
    @settings(max_examples=60)
    @given(parts=st.lists(st.tuples(events, st.integers(1, 40), st.integers(0, 2**40)), max_size=8), seed=st.integers())
    def test_chunks_have_the_points_of_single_records(
        self, parts: list[tuple[m.Event, int, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
    ):
        records = [
            frame(
                m.Event(
                    **{**fields(event), "step": event.step + offset + number if abs(event.step) < 1e6 else 7}
                ).encode()
            )
            for event, count, offset in parts
            for number in range(count)
        ]
        random.Random(seed).shuffle(records)
        path = write(tmp_path_factory.mktemp("chunks"), b"".join(records))

        chunks = list(read_chunks(path))

        assert chunk_points(chunks) == slow_points(path)[0]
        assert [chunk.problems for chunk in chunks] == [[] for _ in chunks]
        if records:
            assert (chunks[-1].end, chunks[-1].next_order) == (path.stat().st_size, len(records))


def fields(event: m.Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__slots__}

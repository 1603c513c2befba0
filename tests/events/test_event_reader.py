"""Event files are read in chunks: despite damage, in bounded memory, with the same result as record by record."""

from __future__ import annotations

import dataclasses
import itertools
import random
import struct
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runfolio.errors import StoreError
from runfolio.events import framing, wire
from runfolio.events import messages as m
from runfolio.events.checksums import changed_crcs, masked_crc
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


def shifted(event: m.Event, number: int) -> bytes:
    """Return the record of an event with a higher step, if the step remains a 64-bit number."""
    step = event.step + number if event.step < 2**62 else event.step
    return frame(dataclasses.replace(event, step=step).encode())


class TestChunks:
    @settings(max_examples=60)
    @given(parts=st.lists(st.tuples(events, st.integers(1, 40)), max_size=8), seed=st.integers(0, 9))
    def test_chunks_have_the_points_of_single_records(
        self, parts: list[tuple[m.Event, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
    ):
        records = [shifted(event, number) for event, count in parts for number in range(count)]
        random.Random(seed).shuffle(records)
        path = write(tmp_path_factory.mktemp("chunks"), b"".join(records))

        chunks = list(read_chunks(path))

        assert chunk_points(chunks) == slow_points(path)[0]
        assert all(chunk.problems == [] for chunk in chunks)
        if records:
            assert (chunks[-1].end, chunks[-1].next_order) == (path.stat().st_size, len(records))

    def test_size_of_blocks_does_not_change_the_points(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        path = write(tmp_path, b"".join(RECORDS))
        expected = slow_points(path)[0]
        for most, size in itertools.product((7, 1 << 18), (1, 100, 5_000)):
            monkeypatch.setattr(framing, "_MOST_RECORDS", most)
            monkeypatch.setattr(framing.read_blocks, "__defaults__", (0, size))

            assert chunk_points(list(read_chunks(path))) == expected

    def test_reading_continues_where_the_last_call_ended(self, tmp_path: Path):
        data = b"".join(RECORDS)
        path, known = write(tmp_path, data), set[bytes]()
        expected = slow_points(path)[0]
        chunks: list[EventChunk] = []
        for size in (0, 5, 3_001, 3_002, 20_000, len(data)):
            write(tmp_path, data[:size])
            start, order = (chunks[-1].end, chunks[-1].next_order) if chunks else (0, 0)
            chunks += read_chunks(path, start, order, known)

        assert chunk_points(chunks) == expected
        assert known == {b"accuracy"}

    def test_tensor_before_its_metadata_is_not_a_scalar(self, tmp_path: Path):
        number = tensor(0.5, m.DT_FLOAT, is_packed=True)
        values = [m.Value("loss", tensor=number), m.Value("loss", SCALARS, tensor=number)]
        values += [m.Value("loss", tensor=number)] * 40
        (chunk,) = read_chunks(write(tmp_path, b"".join(frame(summary(value)) for value in values)))

        assert [other.order for other in chunk.others] == [0, 1]
        assert [column.orders.tolist() for column in chunk.scalars] == [[*range(2, 42)]]

    def test_tags_that_are_not_utf8_stay_distinct(self, tmp_path: Path):
        scalars = [summary(m.Value(tag, simple_value=1.0)) for tag in ("tagA", "tagB")]
        images = [summary(m.Value(tag, image=m.Image(1))) for tag in ("tagA", "tagB")]
        raw = [data.replace(b"tagA", b"tag\xfe").replace(b"tagB", b"tag\xff") for data in (*scalars, *images)]
        (chunk,) = read_chunks(write(tmp_path, b"".join(map(frame, raw))))

        assert [column.tag for column in chunk.scalars] == [b"tag\xfe", b"tag\xff"]
        assert [
            value.tag.encode(errors="surrogateescape")
            for other in chunk.others
            if other.event.summary
            for value in other.event.summary.value
        ] == [b"tag\xfe", b"tag\xff"]

    def test_missing_file_is_a_store_error(self, tmp_path: Path):
        with pytest.raises(StoreError, match="cannot read"):
            list(read_chunks(tmp_path / "missing"))


def summary(*values: m.Value) -> bytes:
    return m.Event(1.0, 1, summary=m.Summary(list(values))).encode()


@settings(max_examples=30)
@given(original=st.binary(min_size=1, max_size=300), seed=st.integers(0, 99))
def test_checksums_of_rows_equal_those_of_their_bytes(original: bytes, seed: int):
    chance = np.random.default_rng(seed)
    rows = np.tile(np.frombuffer(original, np.uint8), (20, 1))
    columns = np.unique(chance.integers(0, len(original), 12))
    rows[:, columns] = chance.integers(0, 256, (20, len(columns)))

    assert changed_crcs(original, rows, columns).tolist() == [masked_crc(row.tobytes()) for row in rows]


class TestDamage:
    @settings(max_examples=60)
    @given(where=st.integers(0, sum(map(len, RECORDS)) - 1), flip=st.integers(1, 255))
    def test_flipped_byte_affects_at_most_one_record(
        self, where: int, flip: int, tmp_path_factory: pytest.TempPathFactory
    ):
        data = bytearray(b"".join(RECORDS))
        data[where] ^= flip
        path = write(tmp_path_factory.mktemp("flip"), bytes(data))

        chunks = list(read_chunks(path))

        assert chunks[-1].next_order >= 999
        assert sum(len(chunk.problems) for chunk in chunks) == 1
        assert chunk_points(chunks) == slow_points(path)[0]

    @settings(max_examples=60)
    @given(cut=st.integers(0, sum(map(len, RECORDS))))
    def test_truncated_file_yields_its_complete_records(self, cut: int, tmp_path_factory: pytest.TempPathFactory):
        chunks = list(read_chunks(write(tmp_path_factory.mktemp("cut"), b"".join(RECORDS)[:cut])))

        ends = [end for end in itertools.accumulate(map(len, RECORDS)) if end <= cut]
        assert [(chunk.end, chunk.next_order, chunk.problems) for chunk in chunks[-1:]] == [
            (end, len(ends), []) for end in ends[-1:]
        ]

    @settings(max_examples=60)
    @given(start=st.integers(0, 40_000), size=st.integers(1, 2_000))
    def test_removed_bytes_affect_only_records_that_they_touch(
        self, start: int, size: int, tmp_path_factory: pytest.TempPathFactory
    ):
        data = b"".join(RECORDS)
        chunks = list(read_chunks(write(tmp_path_factory.mktemp("hole"), data[:start] + data[start + size :])))

        ends = [0, *itertools.accumulate(map(len, RECORDS))]
        complete = sum(end <= start or begin >= start + size for begin, end in itertools.pairwise(ends))
        assert chunks[-1].next_order == complete

    @given(data=st.binary(max_size=400), payload=st.binary(max_size=100))
    def test_any_bytes_are_read(self, data: bytes, payload: bytes, tmp_path_factory: pytest.TempPathFactory):
        path = write(tmp_path_factory.mktemp("any"), data + 20 * frame(payload) + data + RECORDS[1])

        points, expected = chunk_points(list(read_chunks(path))), slow_points(path)[0]
        assert [point[1:] for point in points] == [point[1:] for point in expected]

    def test_zeros_at_the_end_are_reported_and_read_again(self, tmp_path: Path):
        data = b"".join(RECORDS)
        chunks = list(read_chunks(write(tmp_path, data + bytes(512))))

        assert [line for chunk in chunks for line in chunk.problems] == [
            f"512 bytes at offset {len(data)} are not a record"
        ]
        assert (chunks[-1].end, chunks[-1].next_order) == (len(data), 1000)


class TestBounds:
    """Hostile files end in bounded time and memory."""

    @pytest.mark.parametrize(
        "content",
        [
            b"\x2a\x80\x80\x02" + b"\x0a\x00" * (1 << 14),  # a summary of empty values
            b"\x10\x01" * (1 << 14),
            b"\x2a\x00" * (1 << 14),
        ],
        ids=["values", "steps", "summaries"],
    )
    def test_many_small_fields_need_limited_memory(
        self, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(framing.read_blocks, "__defaults__", (0, 1 << 12))
        path = write(tmp_path, frame(content))
        assert peak_bytes(path) < 200 * len(content)

    def test_messages_with_too_many_fields_are_rejected(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(wire, "_MOST_FIELDS", 100)
        m.Event.decode(b"\x10\x01" * 100)
        with pytest.raises(wire.WireError, match="more than 100 fields"):
            m.Event.decode(summary(*[m.Value()] * 100))

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(framing.read_blocks, "__defaults__", (0, 1 << 16))
        data = b"".join(RECORDS) * 2
        few, many = (peak_bytes(write(tmp_path, data * count)) for count in (1, 16))
        assert many < 1.5 * few

    def test_nested_damaged_records_are_searched_once(self, tmp_path: Path):
        header = frame(bytes(1 << 20))[:12]
        path = write(tmp_path, header * (1 << 12) + bytes(1 << 20) + b"".join(RECORDS))
        start = time.process_time()

        assert list(read_chunks(path))[-1].next_order == 1000
        assert time.process_time() - start < 10

    def test_record_above_the_limit_is_skipped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(framing, "_LARGEST", 1_000)
        chunks = list(read_chunks(write(tmp_path, RECORDS[1] + frame(bytes(5_000)) + RECORDS[2])))

        assert chunks[-1].next_order == 2
        assert len(chunks[-1].problems) == 1


@pytest.mark.soak
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    parts=st.lists(st.tuples(events, st.integers(1, 40)), min_size=1, max_size=8),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 3), st.binary(max_size=40)), max_size=6),
)
def test_changed_bytes_never_give_other_points(
    parts: list[tuple[m.Event, int]],
    changes: list[tuple[int, int, bytes]],
    tmp_path_factory: pytest.TempPathFactory,
):
    data = b"".join(shifted(event, number) for event, count in parts for number in range(count))
    for where, removed, added in changes:
        where %= len(data) + 1
        data = data[:where] + added + data[where + removed :]
    path = write(tmp_path_factory.getbasetemp(), data)

    points, expected = chunk_points(list(read_chunks(path))), slow_points(path)[0]

    assert sorted(point[1:] for point in points) == sorted(point[1:] for point in expected)


def peak_bytes(path: Path) -> int:
    """Return the maximum amount of memory in use while a file is read."""
    tracemalloc.start()
    try:
        for _ in read_chunks(path):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CASES = next(filter(Path.is_dir, (parent / "shared/eventfiles" for parent in Path(__file__).parents)), Path("missing"))


@pytest.mark.skipif(not CASES.is_dir(), reason="the collection of event files is not available")
class TestEventFilesOfOtherPrograms:
    @pytest.mark.parametrize(
        ("case", "count"),
        [
            ("40-truncated-tail", 9),
            ("42-length-crc-bit-flip-record-5", 9),
            ("43-empty-and-header-only", 0),
            ("44-zeros-at-the-end", 10),
            ("45-garbage-under-an-event-file-name", 0),
            ("48-unknown-protobuf-fields", 2),
            ("49-not-a-proto-good-crc", 2),
            ("50-zero-length-record", 2),
        ],
    )
    def test_damaged_file_keeps_its_intact_points(self, case: str, count: int):
        paths = (CASES / case).glob("*tfevents*")
        assert sum(len(chunk_points(list(read_chunks(path)))) for path in paths) == count

    def test_every_file_has_the_points_of_single_records(self):
        for path in CASES.rglob("*tfevents*"):
            points, expected = chunk_points(list(read_chunks(path))), slow_points(path)[0]
            assert [point[1:] for point in points] == [point[1:] for point in expected], path

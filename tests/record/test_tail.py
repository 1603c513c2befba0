"""Tails return logged values exactly, and damage affects only the damaged line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import tail_columns as decoding
from runfolio.record.points import tails
from runfolio.record.points.tail_columns import Tail
from runfolio.record.points.tails import LogCall

whole = st.integers(-(2**63), 2**63 - 1)
calls = st.lists(
    st.builds(LogCall, whole, whole, whole, st.dictionaries(st.text(min_size=1), st.floats(), min_size=1)), max_size=8
)


def record_path(path: Path) -> RecordPath:
    return RecordPath(path.parent, path.name)


def read(path: Path) -> tuple[Tail, list[LogCall]] | None:
    """A tail and its calls, one by one."""
    tail = Tail.open(record_path(path))
    if tail is None:
        return None
    calls = []
    for part in tail.slices():
        names = list(tail.names)
        points = iter(zip((names[code] for code in part.codes), part.values.tolist(), strict=True))
        for seq, time_us, step, count in zip(part.seqs, part.times_us, part.steps, part.counts, strict=True):
            calls.append(LogCall(int(seq), int(time_us), int(step), dict(next(points) for _ in range(count))))
    return tail, calls


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


@given(calls=calls)
def test_log_calls_are_read_as_written(calls: list[LogCall], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("tail") / "tail.jsonl"
    path.write_bytes(tails.header("writer01", 3) + tails.encode(calls))

    look = read(path)

    assert look is not None
    tail, back = look
    assert (tail.writer, tail.attempt, tail.damaged) == ("writer01", 3, 0)
    assert [call[:3] for call in back] == [call[:3] for call in calls]
    for one, written in zip(back, calls, strict=True):
        assert list(one.values) == list(written.values)
        assert all(same(one.values[name], written.values[name]) for name in written.values)


@given(cut=st.integers(0, 400))
def test_any_prefix_of_a_tail_is_a_whole_record_of_its_complete_lines(
    cut: int, tmp_path_factory: pytest.TempPathFactory
):
    calls = [LogCall(n, n, n, {"loss": 1 / n}) for n in range(1, 6)]
    lines = [tails.header("w", 1), *(tails.encode([call]) for call in calls)]
    path = tmp_path_factory.mktemp("tail") / "tail.jsonl"
    path.write_bytes(b"".join(lines)[:cut])

    look = read(path)

    complete = sum(len(b"".join(lines[: n + 1])) <= cut for n in range(len(lines)))
    if complete == 0:
        assert look is None
    else:
        assert look is not None
        assert look[1] == calls[: complete - 1]
        assert look[0].damaged == 0


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00\x00\x00\x00\n",
        b"[1, 2]\n",
        b'{"seq":2,"time_us":2,"step":2}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":{"loss":"low"}}\n',
        b'{"seq":"2","time_us":2,"step":2,"values":{"loss":1}}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":[1]}\n',
        b'{"seq":2,"time_us":2,"step":18446744073709551615,"values":{"loss":1}}\n',
        b'{"seq":true,"time_us":2,"step":2,"values":{"loss":1}}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":{"other":null}}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":{"other":"1.5"}}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":{"other":{"a":1}}}\n',
        b'{"seq":2,"time_us":2,"step":2,"values":{"loss":1}},{"seq":9,"time_us":9,"step":9,"values":{"loss":9}}\n',
        b"{}\n",
        b"\n",
        b"\xff\xfe\n",
    ],
)
def test_a_damaged_line_is_skipped_and_counted(tmp_path: Path, damage: bytes):
    first, last = LogCall(1, 1, 1, {"loss": 1.0}), LogCall(3, 3, 3, {"loss": 3.0})
    path = tmp_path / "tail.jsonl"
    path.write_bytes(tails.header("w", 1) + tails.encode([first]) + damage + tails.encode([last]))

    look = read(path)

    assert look is not None
    assert (look[1], look[0].damaged) == ([first, last], 1)
    assert look[0].names == {"loss": 0}
    assert look[0].ranges == {"w": [(1, 1), (3, 3)]}


def test_two_damaged_lines_that_would_make_one_together_are_two(tmp_path: Path):
    whole = tails.encode([LogCall(1, 1, 1, {"loss": 1.0, "acc": 2.0})])
    torn = whole.replace(b',"acc"', b'\n"acc"')
    two_in_one = whole[:-1] + b"," + whole
    path = tmp_path / "tail.jsonl"
    path.write_bytes(tails.header("w", 1) + torn + two_in_one)

    look = read(path)

    assert look is not None
    assert (look[1], look[0].damaged) == ([], 3)


@given(
    seqs=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    damaged=st.sets(st.integers(0, 20)),
    slice_bytes=st.integers(1, 200),
)
def test_a_tail_covers_what_lies_between_whole_neighbouring_lines(
    seqs: list[int], damaged: set[int], slice_bytes: int, tmp_path_factory: pytest.TempPathFactory
):
    """However it is cut into slices. Calls without points (media) may lie between; a damaged line may have been any."""
    expected: set[int] = set()
    lines, before = [tails.header("w", 1)], None
    for index, seq in enumerate(seqs):
        if index in damaged:
            lines.append(b"damaged\n")
            before = None
        lines.append(tails.encode([LogCall(seq, 0, 0, {"loss": 1.0})]))
        expected |= {seq} if before is None or seq <= before else set(range(before, seq + 1))
        before = seq
    path = tmp_path_factory.mktemp("tail") / "tail.jsonl"
    path.write_bytes(b"".join(lines))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "SLICE_BYTES", slice_bytes)
        look = read(path)

    assert look is not None
    assert {seq for first, last in look[0].ranges["w"] for seq in range(first, last + 1)} == expected
    assert [call.seq for call in look[1]] == seqs
    assert look[0].damaged == len([index for index in damaged if index < len(seqs)])


def test_a_file_that_is_no_tail_is_named(tmp_path: Path):
    path = tmp_path / "tail.jsonl"
    path.write_bytes(b"<html>\n")
    with pytest.raises(DamagedFile, match=r"tail\.jsonl is damaged"):
        Tail.open(record_path(path))


def test_a_tail_of_a_newer_format_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "tail.jsonl"
    path.write_bytes(b'{"runfolio":7,"writer":"w","attempt":1}\n')
    with pytest.raises(NewerFormat, match=r"format 7; this version reads up to format 0.*upgrade"):
        Tail.open(record_path(path))

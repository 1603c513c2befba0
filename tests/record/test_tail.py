"""Tails: what is logged comes back exactly, and damage costs only the damaged line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record import tail
from runfolio.record.tail import LogCall

whole = st.integers(-(2**63), 2**63 - 1)
calls = st.lists(
    st.builds(LogCall, whole, whole, whole, st.dictionaries(st.text(min_size=1), st.floats(), min_size=1)), max_size=8
)


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


@given(calls=calls)
def test_log_calls_come_back_as_they_were(calls: list[LogCall], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("tail") / "tail.jsonl"
    path.write_bytes(tail.header("writer01", 3) + tail.encode(calls))

    found = tail.read(path)

    assert found is not None
    assert (found.writer, found.attempt, found.damaged) == ("writer01", 3, 0)
    assert [call[:3] for call in found.calls] == [call[:3] for call in calls]
    for read, written in zip(found.calls, calls, strict=True):
        assert list(read.values) == list(written.values)
        assert all(same(read.values[name], written.values[name]) for name in written.values)


@given(cut=st.integers(0, 400))
def test_any_prefix_of_a_tail_is_a_whole_record_of_its_complete_lines(
    cut: int, tmp_path_factory: pytest.TempPathFactory
):
    calls = [LogCall(n, n, n, {"loss": 1 / n}) for n in range(1, 6)]
    lines = [tail.header("w", 1), *(tail.encode([call]) for call in calls)]
    path = tmp_path_factory.mktemp("tail") / "tail.jsonl"
    path.write_bytes(b"".join(lines)[:cut])

    found = tail.read(path)

    complete = sum(len(b"".join(lines[: n + 1])) <= cut for n in range(len(lines)))
    if complete == 0:
        assert found is None
    else:
        assert found is not None
        assert found.calls == calls[: complete - 1]
        assert found.damaged == 0


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
    ],
)
def test_a_damaged_line_is_skipped_and_counted(tmp_path: Path, damage: bytes):
    first, last = LogCall(1, 1, 1, {"loss": 1.0}), LogCall(3, 3, 3, {"loss": 3.0})
    path = tmp_path / "tail.jsonl"
    path.write_bytes(tail.header("w", 1) + tail.encode([first]) + damage + tail.encode([last]))

    found = tail.read(path)

    assert found is not None
    assert (found.calls, found.damaged) == ([first, last], 1)


def test_a_file_that_is_no_tail_is_named(tmp_path: Path):
    path = tmp_path / "tail.jsonl"
    path.write_bytes(b"<html>\n")
    with pytest.raises(DamagedFile, match=r"tail\.jsonl is damaged"):
        tail.read(path)


def test_a_tail_of_a_newer_format_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "tail.jsonl"
    path.write_bytes(b'{"runfolio":7,"writer":"w","attempt":1}\n')
    with pytest.raises(NewerFormat, match=r"format 7, this one reads up to 0.*upgrade"):
        tail.read(path)

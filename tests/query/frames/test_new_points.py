"""A reader that follows a run gets every point once, or is told to read all points again."""

from __future__ import annotations

import base64
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import NotFound
from runfolio.query.frames.new_points import NewPoints, read_new_points
from runfolio.query.frames.points import open_points
from runfolio.record.base.layout import METRICS, tail_path
from runfolio.record.base.run_document import Attempt, RunDocument, now
from runfolio.record.points import compaction, tails
from runfolio.record.points.tails import LogCall


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with one tail of 10 log calls."""
    folder = tmp_path / "run"
    (folder / METRICS).mkdir(parents=True)
    document = RunDocument("aaaaaaaa", "net", "demo", now())
    document.attempts = [Attempt(1, None, {}, "w1", now())]
    document.write(folder)
    append(folder, range(1, 11))
    return folder


def append(folder: Path, seqs: range, *, writer: str = "w1", number: int = 1, attempt: int = 1) -> None:
    """Append log calls to a tail, or create it."""
    path = tail_path(folder, writer, number).path
    calls = [LogCall(seq, seq * 1000, seq, {"loss": 1 / seq, "acc": seq / 100}) for seq in seqs]
    start = b"" if path.exists() else tails.header(writer, attempt)
    with path.open("ab") as file:
        file.write(start + tails.encode(calls))


def read(folder: Path, cursor: str | None = None, *metrics: str) -> NewPoints:
    return read_new_points(folder, None, metrics or ("loss",), cursor)


def steps(new: NewPoints, metric: str = "loss") -> list[int]:
    return new.points[metric].steps.tolist() if metric in new.points else []


def test_first_read_returns_all_points(folder: Path):
    first = read(folder)
    assert (steps(first), first.is_complete) == (list(range(1, 11)), True)


def test_next_read_returns_only_new_points(folder: Path):
    append(folder, range(11, 13))
    second = read(folder, read(folder).cursor)
    append(folder, range(13, 14))
    third = read(folder, second.cursor)
    fourth = read(folder, third.cursor)

    assert [steps(new) for new in (second, third, fourth)] == [[], [13], []]
    assert not any(new.is_complete for new in (second, third, fourth))
    assert fourth.cursor == third.cursor


def test_new_points_have_steps_times_values_and_attempts(folder: Path):
    cursor = read(folder).cursor
    append(folder, range(11, 12))

    assert [column.tolist() for column in read(folder, cursor).points["loss"].columns] == [
        [11],
        [11_000],
        [1 / 11],
        [1],
    ]


def test_line_without_its_end_is_read_later(folder: Path):
    path = tail_path(folder, "w1", 1).path
    line = tails.encode([LogCall(11, 11_000, 11, {"loss": 0.5})])
    cursor = read(folder).cursor
    with path.open("ab") as file:
        file.write(line[:20])
        file.flush()
        half = read(folder, cursor)
        file.write(line[20:])
    whole = read(folder, half.cursor)

    assert (steps(half), steps(whole), whole.is_complete) == ([], [11], False)


def test_metric_that_is_not_logged_yet_is_left_out(folder: Path):
    assert list(read(folder, None, "loss", "val/acc").points) == ["loss"]


def seal(folder: Path) -> None:
    compaction.seal_tail(folder, "w1", 1)
    compaction.sweep(folder)


def restore_late_tail(folder: Path) -> None:
    append(folder, range(20, 22), number=2)


def rewind(folder: Path) -> None:
    path = tail_path(folder, "w1", 1).path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))


def replace_by_other_points(folder: Path) -> None:
    tail_path(folder, "w1", 1).path.unlink()
    append(folder, range(101, 160))


def start_again(folder: Path) -> None:
    document = RunDocument.read(folder)
    document.attempts.append(Attempt(2, 4, {"w1": 4}, "w2", now()))
    document.write(folder)
    append(folder, range(5, 7), writer="w2", attempt=2)


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder / METRICS)


@pytest.mark.parametrize("change", [seal, restore_late_tail, rewind, replace_by_other_points, start_again, remove_all])
def test_change_of_earlier_points_makes_the_reader_start_again(folder: Path, change):
    cursor = read(folder).cursor
    change(folder)
    again = read(folder, cursor)

    assert again.is_complete
    assert steps(again) == steps(read(folder))


def test_point_of_an_abandoned_attempt_is_not_new(folder: Path):
    """A process that lost its run to another one may still write."""
    start_again(folder)
    cursor = read(folder).cursor
    append(folder, range(11, 13))

    assert steps(read(folder, cursor)) == []


def test_points_of_joined_processes_are_shown_as_in_a_whole_read(folder: Path):
    append(folder, range(1, 4), writer="w2")
    first = read(folder)
    append(folder, range(4, 6), writer="w2")
    second = read(folder, first.cursor)

    assert (steps(first), steps(second), second.is_complete) == (list(range(1, 11)), list(range(1, 11)), True)
    assert not read(folder, second.cursor).is_complete


def test_run_with_very_many_tails_is_always_read_again(folder: Path):
    for number in range(2, 202):
        append(folder, range(number * 10 + 1, number * 10 + 2), number=number)
    cursor = read(folder).cursor

    assert len(cursor) <= 2048
    assert read(folder, cursor).is_complete


def test_cursor_of_a_hundred_tails_is_small(folder: Path):
    for number in range(2, 102):
        append(folder, range(number * 10 + 1, number * 10 + 2), number=number)
    cursor = read(folder).cursor

    assert len(cursor) <= 2048
    assert not read(folder, cursor).is_complete


@given(
    st.one_of(st.text(max_size=100), st.binary(max_size=100).map(lambda data: base64.urlsafe_b64encode(data).decode()))
)
def test_any_text_is_accepted_as_a_cursor(tmp_path_factory: pytest.TempPathFactory, text: str):
    folder = tmp_path_factory.getbasetemp() / "any-run"
    if not folder.exists():
        (folder / METRICS).mkdir(parents=True)
        RunDocument("aaaaaaaa", "net", "demo", now()).write(folder)
        append(folder, range(1, 11))

    assert (steps(read(folder, text)), read(folder, text).is_complete) == (list(range(1, 11)), True)


@pytest.mark.parametrize("seed", range(20))
def test_changed_cursor_never_shows_other_points(folder: Path, seed: int):
    chance = random.Random(seed)
    content = bytearray(base64.urlsafe_b64decode(read(folder).cursor))
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    new = read(folder, base64.urlsafe_b64encode(content).decode())

    assert (steps(new), new.is_complete) in [(list(range(1, 11)), True), ([], False)]


def test_removed_run_is_reported(folder: Path):
    shutil.rmtree(folder)
    with pytest.raises(NotFound, match="is gone"):
        read(folder)


@pytest.mark.parametrize("seed", range(20))
def test_follower_has_the_same_points_as_a_new_reader(folder: Path, seed: int):
    chance = random.Random(seed)
    seq, number, followed, cursor = 11, 1, np.empty(0, np.int64), None
    for _ in range(30):
        action = chance.choice(["append", "append", "append", "rotate", "compact"])
        if action == "append":
            count = chance.randrange(5)
            append(folder, range(seq, seq + count), number=number)
            seq += count
        elif action == "rotate":
            number += 1
            append(folder, range(seq, seq + 1), number=number)
            seq += 1
        else:
            number += 1
            compaction.compact(folder, "w1", number)
            compaction.sweep(folder)
            number += 1
        new = read(folder, cursor)
        cursor = new.cursor
        followed = np.array(steps(new)) if new.is_complete else np.append(followed, steps(new))
        assert followed.tolist() == open_points(folder).read("loss").steps.tolist()


def test_live_run_is_followed(store: Path):
    with runfolio.init("live", store=store) as run:
        run.log({"loss": 2.0}, step=0)
        run.flush()
        first = read_new_points(Path(run.folder), None, ["loss"])
        run.log({"loss": 1.0}, step=1)
        run.flush()
        second = read_new_points(Path(run.folder), None, ["loss"], first.cursor)
    last = read_new_points(Path(run.folder), None, ["loss"], second.cursor)

    assert [(steps(new), new.is_complete) for new in (first, second, last)] == [
        ([0], True),
        ([1], False),
        ([0, 1], True),
    ]

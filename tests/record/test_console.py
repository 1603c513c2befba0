"""Console logs: text that only grows, never larger than it may be, without secrets, and harmless to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from runfolio.record.base.record_path import RecordPath
from runfolio.record.content.console_log import ConsoleLog, Transcript, last_lines


def test_printed_text_goes_to_every_open_run(tmp_path: Path):
    first, second = RecordPath(tmp_path, "console", "a.log"), RecordPath(tmp_path, "console", "b.log")
    transcript = Transcript()
    transcript.feed(1, b"before any\n", 0.0)
    transcript.attach(first)
    transcript.feed(1, b"one\nbegun", 1.0)
    transcript.attach(second)
    transcript.feed(1, b"two\n", 2.0)
    transcript.detach(first)
    transcript.feed(1, b"three\n", 3.0)
    transcript.detach(second)
    assert first.path.read_text() == "one\nbegun\ntwo\n"
    assert second.path.read_text() == "two\nthree\n"


def test_lines_of_both_streams_stand_in_the_order_in_which_they_came(tmp_path: Path):
    transcript = Transcript()
    transcript.attach(RecordPath(tmp_path, "a.log"))
    for number in range(6):
        transcript.feed(1 + number % 2, f"line {number}\n".encode(), 0.0)
    transcript.detach(RecordPath(tmp_path, "a.log"))
    assert (tmp_path / "a.log").read_text().split("\n") == [*(f"line {number}" for number in range(6)), ""]


def test_a_line_is_in_the_file_soon_after_it_was_printed(tmp_path: Path):
    transcript = Transcript()
    transcript.attach(RecordPath(tmp_path, "a.log"))
    transcript.feed(1, b"epoch 1\n", 5.0)
    transcript.tick(6.0)
    assert (tmp_path / "a.log").read_text() == "epoch 1\n"


def test_secrets_are_not_written(tmp_path: Path):
    transcript = Transcript()
    transcript.attach(RecordPath(tmp_path, "a.log"))
    transcript.feed(1, b"OPENAI_API_KEY=sk-abcdefghijklmnop1234567890abcdef\nepoch 1\n", 0.0)
    transcript.detach(RecordPath(tmp_path, "a.log"))
    assert (tmp_path / "a.log").read_text() == "OPENAI_API_KEY=[redacted]\nepoch 1\n"


def test_too_large_log_keeps_its_beginning_and_end(tmp_path: Path):
    log = ConsoleLog(RecordPath(tmp_path, "a.log"), largest=1000, newest=200)
    for number in range(1000):
        log.write(f"line {number:03}\n")
    log.close()
    text = (tmp_path / "a.log").read_text()
    lines = text.splitlines()
    assert len(text) < 1050
    (gap,) = [index for index, line in enumerate(lines) if line.startswith("[...")]
    assert lines[:gap] == [f"line {number:03}" for number in range(gap)]
    assert lines[gap + 1 :] == [f"line {number:03}" for number in range(1000 - (len(lines) - gap - 1), 1000)]
    assert lines[gap] == f"[... {9 * (1000 - len(lines) + 1)} bytes left out ...]"


def test_a_log_just_small_enough_is_whole(tmp_path: Path):
    log = ConsoleLog(RecordPath(tmp_path, "a.log"), largest=1000, newest=200)
    for number in range(110):
        log.write(f"line {number:03}\n")
    log.close()
    assert (tmp_path / "a.log").read_text().splitlines() == [f"line {number:03}" for number in range(110)]


def test_text_that_cannot_be_written_yet_is_retried(tmp_path: Path):
    log = ConsoleLog(RecordPath(tmp_path / "folder", "console", "a.log"))
    log.write("one\n")
    (tmp_path / "folder").mkdir()
    log.write("two\n")
    assert (tmp_path / "folder" / "console" / "a.log").read_text() == "one\ntwo\n"
    log.close()


@pytest.mark.parametrize("count", [0, 1, 3, 50, 200, 1000])
def test_the_newest_lines(tmp_path: Path, count: int):
    lines = [f"{number} {'x' * (number * 7 % 1000)}" for number in range(200)]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    assert last_lines(RecordPath(tmp_path, "a.log"), count) == (lines[-count:] if count else [])


def test_no_log_has_no_lines(tmp_path: Path):
    assert last_lines(RecordPath(tmp_path, "a.log"), 5) == []


def test_last_line_of_a_log_without_newlines_is_cut(tmp_path: Path):
    path = RecordPath(tmp_path, "w1.log")
    path.path.write_text("short\n" + "x" * 3_000_000)
    assert last_lines(path, 2) == ["short", "x" * 100_000 + " [...]"]

"""Console output as readable lines, without escape sequences, and with redrawn lines in their last state."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live
from tqdm import tqdm

from runfolio.record.content.console_screen import LINE_LENGTH, ConsoleScreen


def lines(*pieces: bytes) -> list[str]:
    """Return all lines of output that arrived at one moment."""
    screen = ConsoleScreen()
    complete = [line for piece in pieces for line in screen.feed(piece, 0.0)]
    return complete + screen.finish()


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (b"", []),
        (b"epoch 1\nepoch 2\n", ["epoch 1", "epoch 2"]),
        (b"no newline", ["no newline"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"windows\r\nlines\r\n", ["windows", "lines"]),
        (b"a\ttab  \n", ["a\ttab  "]),
        ("Verlust µ±ß ✓\n".encode(), ["Verlust µ±ß ✓"]),
        (b"not \xff utf-8\n", ["not \ufffd utf-8"]),
        (b"cut short \xe2\x9c", ["cut short \ufffd"]),
        (b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mtrue colour\x1b[m\n", ["red true colour"]),
        (b"\x1b]0;a title\x07text\n", ["text"]),
        (b"\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        (b"\x1bPa device string\x1b\\text\n", ["text"]),
        (b"\x1b(Bcharset \x1b7saved\n", ["charset saved"]),
        ("\x9b31mred by one character\n".encode(), ["red by one character"]),
        (b"bell\x07 null\x00 del\x7f\n", ["bell null del"]),
        (b"\x1b]never ends, and so is shown\n", ["]never ends, and so is shown"]),
        (b" 10%\r 50%\r100%\n", ["100%"]),
        (b"100%\rdone\n", ["done"]),
        (b"a long line\r\x1b[Kshort\n", ["short"]),
        (b"abc\r   \r\nd", ["", "d"]),
        (b"abc\b\bX\n", ["aXc"]),
        (b"step 1\nstep 2\x1b[1A\r\x1b[2Kstep 9\n", ["step 9", "step 2"]),
        (b"one\ntwo\nthree\x1b[2F\x1b[Jonly this\n", ["only this"]),
        (b"a\x1b[5Gb\x1b[2Cc\x1b[20Dd\n", ["d   b  c"]),
        (b"kept\x1b[H\x1b[2Jnew screen\n", ["kept", "new screen"]),
        (b"x" * (LINE_LENGTH + 5) + b"\n", ["x" * (LINE_LENGTH - 1) + "…"]),
        (b"x" * LINE_LENGTH + b"\n", ["x" * LINE_LENGTH]),
        (b"\x1b[999999Cfar\n", [" " * (LINE_LENGTH - 1) + "…"]),
    ],
)
def test_what_is_left_to_read(printed: bytes, read: list[str]):
    assert lines(printed) == read


def test_nested_bars_of_tqdm_are_folded_to_their_last_state():
    terminal = io.StringIO()
    for _ in tqdm(range(2), desc="epoch", file=terminal, mininterval=0, ncols=60):
        for _ in tqdm(range(3), desc="batch", file=terminal, mininterval=0, ncols=60, leave=False, position=1):
            pass
        tqdm.write("val/acc 0.5", file=terminal)
    names = [line.partition(":")[0] for line in lines(terminal.getvalue().encode()) if line]
    assert sorted(names) == ["epoch", "val/acc 0.5", "val/acc 0.5"]
    assert "100%" in "".join(lines(terminal.getvalue().encode()))


def test_a_live_table_of_rich_is_shown_as_it_was_last():
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=40, color_system="truecolor")
    with Live("loss 9\nacc 0", console=console, auto_refresh=False) as live:
        for epoch in range(5):
            live.update(f"[red]loss {epoch}\nacc {epoch}", refresh=True)
            console.print(f"epoch {epoch} done")
    shown = [line.rstrip() for line in lines(terminal.getvalue().encode())]
    assert [line for line in shown if line] == [*(f"epoch {epoch} done" for epoch in range(5)), "loss 4", "acc 4"]


_scraps = st.sampled_from(
    [
        *(b"text", b"\n", b"\r", b"\b", b"\t", b"\x1b", b"[", b"]", b"2", b"A", b"K", b"\\", b"\x07", b"\x9b"),
        *(b"\x1b[2K", b"\x1b[1A", b"\x1b[J", b"\x1b[H", b"\x1b]0;", b"\xc2\x9b", b"\xe2\x9c\x93", b"\xe2"),
        *(b"\n" * 60, b"0123456789" * 300),
    ]
)


@given(st.lists(st.one_of(_scraps, st.binary(max_size=8)), max_size=40).map(b"".join), st.data())
def test_lines_do_not_depend_on_the_chunks_of_output(printed: bytes, data: st.DataObject):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(printed)), max_size=12)))
    pieces = [printed[start:end] for start, end in zip([0, *cuts], [*cuts, len(printed)], strict=True)]
    whole = lines(printed)
    assert lines(*pieces) == whole
    assert all(len(line) <= LINE_LENGTH and "\x1b" not in line and "\n" not in line for line in whole)


def test_every_kind_of_escape_may_be_cut_anywhere():
    printed = (
        "a\x1b]8;;http://x\x1b\\link\x1b]8;;\x07 \x1b[38;5;1mred\x1b[m\x1b(B \x9b1mµ✓\x1b[2G!\n\x1b[Aup\r\n".encode()
    )
    assert lines(printed) == ["upink red µ✓"]
    assert {tuple(lines(printed[:cut], printed[cut:])) for cut in range(len(printed))} == {tuple(lines(printed))}
    assert lines(*(printed[index : index + 1] for index in range(len(printed)))) == lines(printed)


def test_many_lines_at_once_equal_lines_one_by_one():
    printed = [f"line {number}\n".encode() for number in range(1000)]
    assert lines(b"".join(printed)) == lines(*printed) == [f"line {number}" for number in range(1000)]


def test_a_line_is_given_away_a_second_after_the_cursor_left_it():
    screen = ConsoleScreen()
    assert screen.feed(b"first\nsecond", 10.0) == []
    assert screen.flush_due(10.5) == []
    assert screen.flush_due(11.0) == ["first"]
    assert screen.flush_due(99.0) == []
    assert screen.finish() == ["second"]


def test_a_running_bar_is_shown_every_30_seconds_if_it_moved():
    screen = ConsoleScreen()
    shown = []
    for second in range(100):
        screen.feed(f"\r{min(second, 65)} of 99".encode(), float(second))
        shown += screen.flush_due(float(second))
    assert shown == ["31 of 99", "61 of 99", "65 of 99"]
    assert screen.finish() == ["65 of 99"]


def test_a_slow_painter_does_not_fill_the_log():
    """A program redraws two rows every 3 seconds, which is longer than a row is held back at first."""
    screen = ConsoleScreen()
    shown = []
    for second in range(0, 300, 3):
        screen.feed(f"\x1b[2F\x1b[Jloss {second}\nacc {second}\n".encode(), float(second))
        for part in range(3):
            shown += screen.flush_due(second + part)
    shown += screen.finish()
    assert len(shown) < 30
    assert shown[-2:] == ["loss 297", "acc 297"]

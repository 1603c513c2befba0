"""Characters that a terminal obeys or does not show, in text of one line, of several lines and of drawings."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from runfolio.record.base.visible_text import visible_drawing, visible_line, visible_text, visible_traceback

JOINERS = "\u200c\u200d"
SHOWN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Signs of Arabic, Syriac and Kaithi that Unicode counts as format characters; they are seen."""


def test_every_character_that_is_not_seen_becomes_an_escape():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in SHOWN + JOINERS:
            assert visible_line(char).isascii(), hex(code)
            assert (visible_text(char) == char) == (char in "\n\t"), hex(code)


@pytest.mark.parametrize(
    "text",
    ["net", "Größe 3,5 µm", "次元", "नि\u200cक", "👩\u200d🔬", "❤\ufe0f\u200d🔥", "क्\u200dष", "a\\x1b", "🇩🇪"],
)
def test_text_of_any_language_stays_as_it_is(text: str):
    assert visible_line(text) == visible_text(text) == visible_drawing(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200db", r"a\u200db"),
        ("\udc80", r"\udc80"),
        ("a\U000e0041", r"a\U000e0041"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_a_line_shows_what_it_hides(text: str, shown: str):
    assert visible_line(text) == shown


def test_a_drawing_keeps_colours_alone():
    assert visible_drawing("\x1b[38;2;0;114;178m━\x1b[0m\n\x1b[2J\x1b]8;;x\x07") == (
        "\x1b[38;2;0;114;178m━\x1b[0m\n\\x1b[2J\\x1b]8;;x\\x07"
    )


def test_the_message_of_a_traceback_is_one_line():
    try:
        raise ValueError("a\nTraceback (most recent call last):\x1b[2J")
    except ValueError as error:
        *_, last = visible_traceback(error).splitlines()
    assert last == r"ValueError: a\nTraceback (most recent call last):\x1b[2J"

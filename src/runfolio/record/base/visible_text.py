r"""Functions that escape hidden and harmful characters in text from a record. The escaped text is safe to print.

A record may come from other people. Escape sequences can move the cursor, change colours and open links. Bidirectional
controls can show the characters of a line in a different order. Invisible characters can hide a part of a line. All of
these characters are replaced with Python's escapes, such as `\x1b` and `\u202e`.
"""

from __future__ import annotations

import re
import traceback

_HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and newline
    r"\ud800-\udfff"  # lone surrogates: bytes of a file name that are not UTF-8
    r"\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c"  # bidirectional controls
    r"\u2028\u2029"  # line and paragraph separators
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # invisible
)
_STRAY_JOINER = r"(?<![^\x00-\u058f\u2000-\u206f])[\u200c\u200d]"
"""Pattern of a joiner without effect. A joiner is an invisible character that changes how its neighbours are drawn.
Emoji and many scripts need joiners between characters. After any other character, a joiner is just an invisible
character."""
HIDDEN_CHARACTER = re.compile(rf"[{_HIDDEN}]|{_STRAY_JOINER}")
"""Characters to escape in text of several lines."""
HIDDEN_IN_LINE = re.compile(rf"[\t\n{_HIDDEN}]|{_STRAY_JOINER}")
"""Characters to escape in a single line, including tabs and newlines."""
_FORMULA = re.compile(r"[=+\-@\t\r]")
"""Pattern for the start of cells that a spreadsheet would execute as a formula."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def visible_line(text: str) -> str:
    """Escape text for a single line. A newline becomes `\\n`, so the text cannot add lines."""
    return HIDDEN_IN_LINE.sub(_escape, text)


def visible_text(text: str) -> str:
    """Escape text of several lines, but keep its newlines and tabs."""
    return HIDDEN_CHARACTER.sub(_escape, text)


def csv_text(text: str) -> str:
    """Return a string as a CSV cell. A string that looks like a formula gets a leading `'` and is not executed."""
    return visible_text(f"'{text}" if _FORMULA.match(text) else text)


def visible_drawing(text: str) -> str:
    """Escape text of several lines, but keep the escape sequences that set colours."""
    shown, end = [], 0
    for colour in _COLOUR.finditer(text):
        shown += [visible_text(text[end : colour.start()]), colour[0]]
        end = colour.end()
    return "".join([*shown, visible_text(text[end:])])


def visible_traceback(error: BaseException) -> str:
    """Return the escaped traceback of an error, with the message of each error on one line."""
    entries = traceback.format_exception(error)
    frames = ("  ", "Traceback", "\n")
    return "".join(
        visible_text(entry) if entry.startswith(frames) else f"{visible_line(entry.removesuffix(chr(10)))}\n"
        for entry in entries
    )


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()

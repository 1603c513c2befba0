"""Conversion of a console stream to readable text. If a line was redrawn, only its last state is kept.

`ConsoleScreen` works like a small terminal. The class stores the newest rows and follows the cursor. A row is output
some time after the cursor has left it. Progress bars (`\\r`, tqdm) and tables that are drawn repeatedly (rich's Live)
are therefore stored in their last state.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

LINE_LENGTH = 10_000
_ROWS = 100
"""Number of newest rows that the cursor can reach. A program cannot redraw more rows than the terminal shows."""
_HOLD_S = 1.0
"""Seconds during which a row may still be redrawn after the cursor has left it."""
_SNAPSHOT_S = 30.0
"""Seconds between two outputs of the state of a running progress bar."""
_LONGEST_ESCAPE = 4096

_NUMBERS = r"[0-?]{0,64}[ -/]{0,8}"
_STRING = rf"\x1b[\]PX^_][^\x07\x1b]{{0,{_LONGEST_ESCAPE}}}"
_TOKEN = re.compile(
    rf"""
    (?P<text> [^\x00-\x08\x0b-\x1f\x7f-\x9f]+ )              # including tabs and newlines
  | (?: \x1b\[ | \x9b ) (?P<numbers> {_NUMBERS} ) (?P<move> [@-~] )
  | {_STRING} (?: \x07 | \x1b\\ )                             # titles, links and others
  | \x1b [ -/]{{0,8}} [0-OQ-WYZ\\`-~]
  | (?P<control> [\r\b] )
  | [\x00-\x1f\x7f-\x9f]
    """,
    re.VERBOSE,
)
_UNFINISHED = re.compile(rf"(?:(?:\x1b\[|\x9b){_NUMBERS}|{_STRING}\x1b?|\x1b[ -/]{{0,8}})\Z")
"""Escape sequence that is not complete yet."""


@dataclass(slots=True)
class _Row:
    touched: float
    text: str = ""
    redrawn: float | None = None
    """Time of the last snapshot, or of the first redraw if there was no snapshot. The value is None if the row was
    never redrawn."""
    shown: str | None = None

    def final(self) -> str:
        text = self.text if self.redrawn is None else self.text.rstrip()
        return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"


class ConsoleScreen:
    """Virtual screen of one stream. All times are in seconds, measured with a monotonic clock."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._rows = [_Row(0.0)]
        self._row = self._column = 0
        self._now = 0.0
        self._hold_s = _HOLD_S
        self._lines: list[str] = []

    def feed(self, data: bytes, now: float) -> list[str]:
        """Process new output, and return the lines that can no longer be redrawn."""
        self._now = now
        text = self._unfinished + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _LONGEST_ESCAPE - 8))
        end = unfinished.start() if unfinished else len(text)
        self._unfinished = text[end:]
        self._apply(text[:end])
        return self._take_lines()

    def flush_due(self, now: float) -> list[str]:
        """Return the lines that are old enough to count as final.

        At intervals, also return the current state of running progress bars.
        """
        while self._row > 0 and now - self._rows[0].touched >= self._hold_s:
            self._drop_first()
            self._hold_s = _HOLD_S
        for row in self._rows:
            if row.redrawn is not None and now - row.redrawn >= _SNAPSHOT_S and row.text.strip():
                if (text := row.final()) != row.shown:
                    self._lines.append(text)
                row.redrawn, row.shown = now, text
        return self._take_lines()

    def settle(self) -> list[str]:
        """Return all rows above the cursor, even if they could still be redrawn."""
        while self._row > 0:
            self._drop_first()
        return self._take_lines()

    def finish(self) -> list[str]:
        """Return all remaining lines, and reset the screen."""
        self._apply(self._unfinished + self._decoder.decode(b"", final=True))
        rows = [row.final() for row in self._rows]
        while len(rows) > self._row and not rows[-1]:
            rows.pop()
        lines = self._take_lines() + rows
        self.__init__()
        return lines

    def _apply(self, text: str) -> None:
        for token in _TOKEN.finditer(text):
            match token.lastgroup:
                case "text":
                    self._write(token["text"])
                case "move":
                    self._move(token["move"], token["numbers"])
                case "control":
                    self._column = 0 if token["control"] == "\r" else max(0, self._column - 1)

    def _take_lines(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _drop_first(self) -> None:
        self._lines.append(self._rows.pop(0).final())
        self._row -= 1

    def _write(self, text: str) -> None:
        first, *lines = text.split("\n")
        self._put(first)
        if len(lines) > _ROWS and self._row == len(self._rows) - 1:
            # Rows that do not remain among the newest rows at the end of this call are output directly.
            self._lines += [row.final() for row in self._rows]
            passing = len(lines) - _ROWS - 1
            self._lines += [_Row(0.0, line[: LINE_LENGTH + 1]).final() for line in lines[:passing]]
            self._rows = [_Row(self._now, line[: LINE_LENGTH + 1]) for line in lines[passing:]]
            self._row, self._column = len(self._rows) - 1, len(self._rows[-1].text)
            return
        for line in lines:
            self._next_row()
            self._put(line)

    def _next_row(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append(_Row(self._now))
            if len(self._rows) > _ROWS + 1:
                self._drop_first()

    def _put(self, text: str) -> None:
        """Write `text` over the current row at the cursor. The text must not contain newlines."""
        if not text:
            return
        row, column = self._rows[self._row], self._column
        if column < len(row.text):
            self._mark_redrawn(row)
        # Keep one more character than the limit allows, so that `final` can detect a line that was cut.
        row.text = (row.text[:column].ljust(column) + text + row.text[column + len(text) :])[: LINE_LENGTH + 1]
        row.touched = self._now
        self._column = min(column + len(text), LINE_LENGTH + 1)

    def _mark_redrawn(self, row: _Row) -> None:
        row.touched = self._now
        if row.redrawn is None:
            row.redrawn = self._now

    def _move(self, move: str, numbers: str) -> None:
        if act := _MOVES.get(move):
            first = re.match(r"\d{1,6}", numbers)
            act(self, int(first[0]) if first else None)

    def _up(self, rows: int | None) -> None:
        rows = rows or 1
        if rows > self._row:
            # The program redraws rows that were already output. Since the program draws slowly, the next rows are kept
            # longer.
            self._hold_s = _SNAPSHOT_S
        self._row = max(0, self._row - rows)

    def _down(self, rows: int | None) -> None:
        self._row = min(len(self._rows) - 1, self._row + (rows or 1))

    def _right(self, columns: int | None) -> None:
        self._column = min(LINE_LENGTH, self._column + (columns or 1))

    def _left(self, columns: int | None) -> None:
        self._column = max(0, self._column - (columns or 1))

    def _to_column(self, column: int | None) -> None:
        self._column = min(LINE_LENGTH, max(1, column or 1) - 1)

    def _home(self, row: int | None) -> None:
        """Move the cursor to the oldest row that can still be redrawn. The top of the real screen is not known here."""
        self._row = self._column = 0

    def _erase_in_line(self, mode: int | None) -> None:
        row = self._rows[self._row]
        if row.text:
            self._mark_redrawn(row)
            remaining = "" if mode == 2 else " " * self._column if mode == 1 else row.text[: self._column]
            row.text = remaining + (row.text[self._column :] if mode == 1 else "")

    def _erase_below(self, mode: int | None) -> None:
        if mode in (2, 3):  # the cleared content is still useful in a log
            self._row = len(self._rows) - 1
            self._next_row()
            while self._row > 0:
                self._drop_first()
        elif not mode:
            self._erase_in_line(0)
            del self._rows[self._row + 1 :]


_MOVES: dict[str, Callable[[ConsoleScreen, int | None], None]] = {
    "A": ConsoleScreen._up,
    "B": ConsoleScreen._down,
    "C": ConsoleScreen._right,
    "D": ConsoleScreen._left,
    "E": lambda screen, rows: (screen._down(rows), screen._to_column(1))[0],
    "F": lambda screen, rows: (screen._up(rows), screen._to_column(1))[0],
    "G": ConsoleScreen._to_column,
    "H": ConsoleScreen._home,
    "J": ConsoleScreen._erase_below,
    "K": ConsoleScreen._erase_in_line,
}
"""Functions that move the cursor or erase text. Each key is the final letter of a control sequence (ECMA-48). Other
sequences do not affect the text."""

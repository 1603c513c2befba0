"""Child process that draws figures with limited time and memory.

matplotlib needs about a second and 100 MB of memory for a figure, and it is not thread-safe. The child process reads a
panel, which is a chart, as binary columns from its standard input. It writes the figure to its standard output.
"""

from __future__ import annotations

import dataclasses
import io
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runfolio.board.columns import Columns, decode
from runfolio.board.replies import RefusedRequest
from runfolio.errors import RunfolioError
from runfolio.query.plots.curve_panels import Line, Panel

_TIME_S, _MEMORY_BYTES = 30, 1_500_000_000
_WAIT_S = 20.0
"""Maximum number of seconds that a request waits until other figures are finished."""
_free = threading.BoundedSemaphore(2)
"""Semaphore that limits the number of child processes."""
_ARRAYS = ("x", "y", "raw", "low", "high")
_REFUSED = 3
"""Exit status of a child process that cannot draw the panel and prints the reason."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Options of a figure."""

    file_format: str
    """`png`, `svg` or `pdf`."""
    log: str
    """Axes with a logarithmic scale: `x`, `y` or `xy`."""
    title: str | None
    size: tuple[float, float]
    """Width and height in inches."""
    y_range: tuple[float, float] | None
    """Limits of the y axis."""


def draw(panel: Panel, drawing: Drawing) -> bytes:
    """Draw a panel in a child process, and return the content of the image file.

    Raises:
        RefusedRequest: The panel cannot be drawn, or the child process needs too much time or memory.
    """
    if not _free.acquire(timeout=_WAIT_S):
        raise RefusedRequest(429, "too many figures at once", "ask again in a minute", headers={"Retry-After": "60"})
    try:
        command = [sys.executable, "-P", "-m", "runfolio.board.figure_process"]
        done = subprocess.run(command, input=_encode(panel, drawing), capture_output=True, timeout=_TIME_S)
    except subprocess.TimeoutExpired:
        raise RefusedRequest(
            503, f"drawing took more than {_TIME_S} s", "draw fewer curves, or a smaller range of x"
        ) from None
    finally:
        _free.release()
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == _REFUSED and lines:
        raise RefusedRequest(400, lines[-1])
    raise RefusedRequest(503, "the figure could not be drawn", lines[-1] if lines else None)


def _encode(panel: Panel, drawing: Drawing) -> bytes:
    columns = Columns()
    fields = {field.name for field in dataclasses.fields(Panel)} - {"lines"}
    lines = [_line_fields(line, columns) for line in panel.lines]
    panel_fields = {name: getattr(panel, name) for name in fields}
    return columns.encode({"drawing": dataclasses.asdict(drawing), "panel": panel_fields, "lines": lines})


def _line_fields(line: Line, columns: Columns) -> dict[str, Any]:
    fields = {field.name: getattr(line, field.name) for field in dataclasses.fields(Line)}
    arrays = {name: None if fields[name] is None else columns.add(fields[name]) for name in _ARRAYS}
    return {**fields, **arrays, "n": len(line.x)}


def _decoded_line(fields: Mapping[str, Any], numbers: np.ndarray) -> Line:
    values: dict[str, Any] = {name: value for name, value in fields.items() if name != "n"}
    for name in _ARRAYS:
        if (offset := values[name]) is not None:
            values[name] = numbers[offset : offset + fields["n"]]
    return Line(**values)


def main() -> int:
    """Draw the panel that the standard input describes."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_TIME_S, _TIME_S))
    from runfolio.query.plots.curve_drawing import draw_curves
    from runfolio.query.plots.style import write

    head, numbers = decode(sys.stdin.buffer.read())
    panel = Panel(**head["panel"], lines=[_decoded_line(fields, numbers) for fields in head["lines"]])
    drawing = Drawing(**head["drawing"])
    try:
        drawn = draw_curves([panel], log=drawing.log, title=drawing.title, size=drawing.size, y_range=drawing.y_range)
    except RunfolioError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    picture = io.BytesIO()
    write(drawn, picture, drawing.file_format)
    sys.stdout.buffer.write(picture.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())

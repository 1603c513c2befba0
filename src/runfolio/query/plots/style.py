"""Common style of all plots: colours, axes, labels and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runfolio.errors import ConfigError, MissingExtra, StoreError
from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#285BBE", "#A43C58", "#008C96", "#906C00", "#BD6AD6", "#839B67", "#733022", "#443E79")
"""Colours of runs, the same as on the board. Colour-blind readers can distinguish any two of these colours. They differ
by at least 9.4 in OKLab (x 100) under protanopia, deuteranopia and tritanopia. Their contrast on white is at least
3."""
BAD = "#B3261E"
"""Colour of marks for values that are not finite."""
STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
"""Line styles. Once all colours are in use, the colours are repeated with the next line style."""
COINCIDENT: Any = (0, (3, 3))
"""Dash pattern for a curve that coincides with another curve. The other curve remains visible in the gaps."""
SCALE = "viridis"
"""Colour scale from low to high, also suitable for colour-blind readers and for greyscale."""
INK, FAINT, GRID, OTHERS = "#333333", "#777777", "#E6E6E6", "#C4C4C4"
ENDINGS = (".png", ".svg", ".pdf")
_LABEL_LENGTH = 60


def colour_of(position: int) -> str:
    return COLOURS[position % len(COLOURS)]


def style_of(position: int, dash: int | None = None) -> Any:
    """Return the dash pattern of a line: the pattern with the index `dash`, or else the pattern of its position."""
    return STYLES[(position // len(COLOURS) if dash is None else dash) % len(STYLES)]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure.

    Args:
        width: Width in inches.
        height: Height in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "plot", "drawing a plot") from None
    return Figure(figsize=(width, height), layout="constrained")


def plain_axes(axes: Axes, x_label: str | None = None, y_label: str | None = None) -> None:
    """Style axes with few lines and muted colours. This style makes the data stand out."""
    if x_label is not None:
        axes.set_xlabel(literal(x_label), color=INK)
    if y_label is not None:
        axes.set_ylabel(literal(y_label), color=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(which="both", colors="#555555", labelsize=9)


def notes_below(figure: Figure, notes: Sequence[str]) -> None:
    if notes:
        figure.supxlabel(
            "\n".join(map(literal, notes)), fontsize=8, color=FAINT, x=0.01, ha="left", multialignment="left"
        )


def heading(figure: Figure, title: str | None) -> None:
    if title:
        figure.suptitle(literal(title), color=INK, fontsize=12, x=0.01, ha="left")


def literal(text: str) -> str:
    """Escape a line of text for matplotlib, which interprets `$` as a formula and hides labels with a leading `_`."""
    text = visible_line(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def short(label: str, longest: int = _LABEL_LENGTH) -> str:
    """Shorten a label by removing its middle, since the start and the end distinguish runs best."""
    half = max(4, (longest - 3) // 2)
    return label if len(label) <= longest else f"{label[:half]} … {label[-half:]}"


def check_ending(path: Path) -> None:
    """Check that a figure can be written to a path.

    Raises:
        ConfigError: The suffix is not .png, .svg or .pdf.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"cannot write a plot to {path}: its name must end in .png, .svg or .pdf")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, depending on the suffix. Identical figures produce identical files.

    Raises:
        ConfigError: The suffix is not .png, .svg or .pdf.
        StoreError: The file cannot be written.
    """
    check_ending(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write(figure, file, path.suffix.lower().removeprefix("."))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def write(figure: Figure, file: IO[bytes], file_format: str) -> None:
    """Write a figure to a file that is open for writing.

    Args:
        figure: Figure to write.
        file: File to write to.
        file_format: `png`, `svg` or `pdf`.
    """
    from matplotlib import rc_context

    date_key = {"svg": "Date", "pdf": "CreationDate"}.get(file_format)
    # Text in an SVG remains searchable, and the constant salt makes the ids in the SVG reproducible.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "runfolio"}):
        figure.savefig(file, format=file_format, dpi=150, metadata={date_key: None} if date_key else None)

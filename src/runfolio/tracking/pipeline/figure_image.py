"""Conversion of matplotlib figures to PNG. A figure is drawn on the calling thread, because matplotlib is not
thread-safe."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.caller_warnings import warnings_at_caller

_LONGEST_SIDE, _MOST_PIXELS = 8_000, 16_000_000
"""Maximum side length and maximum area of the image, in pixels. A larger figure is drawn with fewer dots per inch."""
_PAD_INCHES = 0.1
_NEAR = 1.0
"""Maximum distance of content outside the figure that is still shown, relative to the figure's width or height."""


def figure_png(figure: Any) -> bytes:
    """Return a figure as PNG, cropped to its content. If axes or pyplot are passed, their figure is used.

    Raises:
        ConfigError: `figure` is not a matplotlib figure.
        Exception: Any error that matplotlib raises.
    """
    figure = _figure_of(figure)
    buffer = io.BytesIO()
    dpi = _dpi(figure)
    with warnings_at_caller(), _bounded_dpi(figure):
        figure.draw_without_rendering()  # this call moves content to its final position
        with _hide_far_texts(figure):
            box = _bounded_box(figure)
            dpi = min(dpi, _largest_dpi(box.width, box.height))
            figure.savefig(buffer, format="png", bbox_inches=box, dpi=dpi)
    return buffer.getvalue()


def _figure_of(value: Any) -> Any:
    pyplot, module = sys.modules.get("matplotlib.pyplot"), sys.modules.get("matplotlib.figure")
    if value is pyplot and pyplot is not None:
        return pyplot.gcf()
    candidate = value if hasattr(value, "savefig") else getattr(value, "figure", None)
    for figure in (candidate, getattr(candidate, "figure", None)):  # objects of seaborn have the attribute `figure`
        if module is not None and isinstance(figure, module.Figure):
            return figure
    raise ConfigError(f"log_figure takes a matplotlib figure, not a {type(value).__name__}")


@contextmanager
def _bounded_dpi(figure: Any) -> Iterator[None]:
    """Limit a figure's dots per inch to the resolution of the stored image, because drawing needs memory for all
    pixels."""
    own = figure.dpi
    figure.dpi = min(own, _largest_dpi(*figure.get_size_inches()))
    try:
        yield
    finally:
        figure.dpi = own


def _largest_dpi(width: float, height: float) -> float:
    return min(_LONGEST_SIDE / max(width, height), math.sqrt(_MOST_PIXELS / (width * height)))


@contextmanager
def _hide_far_texts(figure: Any) -> Iterator[None]:
    """Hide text far outside the figure. Matplotlib cannot draw such text, even if the text is cropped afterwards."""
    from matplotlib.text import Text

    width, height = figure.bbox.width, figure.bbox.height
    area = figure.bbox.padded(_NEAR * width, _NEAR * height)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    far_texts = [text for text in texts if not area.overlaps(Text.get_window_extent(text))]
    for text in far_texts:
        text.set_visible(False)
    try:
        yield
    finally:
        for text in far_texts:
            text.set_visible(True)


def _bounded_box(figure: Any) -> Any:
    """Return the area to draw, in inches. If content is far outside the figure, the area ends at the figure's edge."""
    from matplotlib.transforms import Bbox

    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    left, right = _edges(drawn.x0, drawn.x1, width)
    bottom, top = _edges(drawn.y0, drawn.y1, height)
    return Bbox.from_extents(left, bottom, right, top).padded(_PAD_INCHES)


def _edges(low: float, high: float, size: float) -> tuple[float, float]:
    margin = _NEAR * size
    return (low if -margin <= low <= size else 0.0), (high if 0 <= high <= size + margin else size)


def _dpi(figure: Any) -> float:
    from matplotlib import rcParams

    dpi = rcParams["savefig.dpi"]
    return figure.dpi if dpi == "figure" else dpi

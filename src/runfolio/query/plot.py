"""Curves of one metric for several runs, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runfolio.errors import ConfigError, MissingExtra, NotFound, StoreError, did_you_mean
from runfolio.query.choose import best_in_curve, rank
from runfolio.query.direction import guess_mode
from runfolio.query.labels import labels
from runfolio.query.recorded import Curve, RecordedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D", "#8C6D31")
"""Told apart by colour-blind readers too. Source: Okabe and Ito, Color Universal Design (2002), but the last two."""
_STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
"""One for each round through the colours."""
_INK = "#333333"
_FEW_POINTS = 40
"""Up to so many points a curve shows each of them."""
_MANY_POINTS = 4000
"""Above so many it is thinned to what a picture can show."""


def save_plot(metric: str, runs: Sequence[RecordedRun], path: Path) -> list[str]:
    """Draw `plot` into a PNG, SVG or PDF file, by the name's ending; the labels of runs that lack the metric.

    Raises:
        ConfigError: The ending is none of these.
        NotFound: No run has the metric; the message names the nearest.
        MissingExtra: matplotlib is not installed.
        StoreError: The file cannot be written.
    """
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"cannot draw into {path}: its name must end in .png, .svg or .pdf")
    figure = plot(metric, runs)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    return [label for label, run in zip(labels(runs), runs, strict=True) if metric not in run.metrics]


def plot(metric: str, runs: Sequence[RecordedRun]) -> Figure:
    """The metric over steps, one curve a run that has it; the legend names them best first where that is known.

    NaN and infinite values are gaps; a point between two gaps is drawn as a dot.

    Raises:
        NotFound: No run has the metric; the message names the nearest.
        MissingExtra: matplotlib is not installed.
    """
    shown = [(label, run) for label, run in zip(labels(runs), runs, strict=True) if metric in run.metrics]
    if not shown:
        known = {name for run in runs for name in run.metrics}
        raise NotFound(f"no run here has a metric {metric!r}; {did_you_mean(metric, known)}")
    shown = _best_first(shown, metric)
    named = [(_with_best(label, run, metric), run) for label, run in shown]
    figure, axes = _empty(metric, [label for label, _ in named])
    for place, (label, run) in enumerate(named):
        style = _STYLES[place // len(_COLOURS) % len(_STYLES)]
        # The best curve is drawn last, on top of the others.
        _draw(axes, run.metric(metric), label, _COLOURS[place % len(_COLOURS)], style, len(shown) - place)
    _legend(figure, metric)
    return figure


def _with_best(label: str, run: RecordedRun, metric: str) -> str:
    if guess_mode(metric) is None:
        return label
    best = best_in_curve(run, metric)
    return f"{label}   {best:#.4g}" if best is not None and np.isfinite(best) else f"{label}   (no number)"


def _legend(figure: Figure, metric: str) -> None:
    """Beside the curves, not on them; its heading says what the numbers are."""
    heading = {"max": f"highest {metric}", "min": f"lowest {metric}", None: None}[guess_mode(metric)]
    legend = figure.legend(
        loc="outside right upper",
        title=_plain(heading) if heading else None,
        alignment="left",
        frameon=False,
        labelcolor=_INK,
        fontsize=9,
        title_fontsize=9,
        handlelength=2.6,
    )
    legend.get_title().set_color("#777777")


def _best_first(shown: list[tuple[str, RecordedRun]], metric: str) -> list[tuple[str, RecordedRun]]:
    mode = guess_mode(metric)
    if mode is None:
        return shown

    def standing(item: tuple[str, RecordedRun]) -> tuple[bool, float]:
        best = best_in_curve(item[1], metric)
        return (True, 0.0) if best is None or best != best else (False, rank(best, mode))

    return sorted(shown, key=standing)


def _empty(metric: str, names: list[str]) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise MissingExtra("matplotlib", "plot", "drawing curves") from None

    legend = 0.5 + 0.07 * max(map(len, names))  # inches beside the curves
    figure = Figure(figsize=(7.2 + legend, max(4.2, 0.24 * len(names))), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("step", color=_INK)
    axes.set_ylabel(_plain(metric), color=_INK)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors="#555555", labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    return figure, axes


def _draw(axes: Axes, curve: Curve, label: str, colour: str, style: Any, order: int) -> None:
    steps, values = _gapped(curve)
    drawn = np.flatnonzero(_worth_a_dot(values))
    axes.plot(
        steps,
        values,
        label=_plain(label),
        color=colour,
        linestyle=style,
        linewidth=1.8,
        marker="o",
        markersize=3.5,
        markevery=drawn.tolist(),
        zorder=2 + order / 1000,
        solid_capstyle="round",
    )


def _gapped(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Steps ascending, values with NaN for what cannot be drawn; both thinned to at most 4,000 or so."""
    order = np.argsort(curve.steps, kind="stable")
    steps, values = curve.steps[order], curve.values[order]
    values = np.where(np.isfinite(values), values, np.nan)
    if len(values) <= _MANY_POINTS:
        return steps, values
    # The lowest and the highest of each slice, so that no spike is lost; and a gap where a slice has one.
    keep: set[int] = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), _MANY_POINTS // 3):
        finite = part[~np.isnan(values[part])]
        if len(finite):
            keep |= {int(finite[np.argmin(values[finite])]), int(finite[np.argmax(values[finite])])}
        if len(finite) < len(part):
            keep.add(int(part[np.isnan(values[part])][0]))
    kept = np.array(sorted(keep))
    return steps[kept], values[kept]


def _worth_a_dot(values: np.ndarray) -> np.ndarray:
    """Every point of a short curve; of a long one those that no line reaches, being between two gaps."""
    there = ~np.isnan(values)
    if len(values) <= _FEW_POINTS:
        return there
    around = np.pad(there, 1)
    return there & ~around[:-2] & ~around[2:]


def _plain(text: str) -> str:
    """Text that matplotlib draws as it is: a pair of `$` would be read as a formula, a leading `_` hides a label."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text

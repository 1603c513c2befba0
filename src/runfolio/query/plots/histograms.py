"""Histograms of a tensor over steps, drawn as a ridgeline plot or a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import DamagedFile, NotFound, did_you_mean
from runfolio.query.plots import style
from runfolio.query.run_view import RunView
from runfolio.record.content.media import MediaEntry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HistogramKind = Literal["ridgeline", "heatmap"]
_RIDGES, _RIDGE_BINS = 36, 160
_HEATMAP_STEPS, _HEATMAP_BINS = 1200, 120


@dataclass(frozen=True, eq=False)
class Distribution:
    """Histograms that a run logged under one name, in ascending order of steps. Each histogram has its own edges."""

    name: str
    run: str
    """Name and id of the run."""
    steps: NDArray[np.int64]
    """Steps, shape [n]."""
    edges: Sequence[NDArray[np.float64]]
    """Arrays of ascending bin edges, one array per step. An array is empty if no value was finite."""
    counts: Sequence[NDArray[np.float64]]
    """Arrays of bin counts, one array per step. Each array is one element shorter than the array of edges."""
    broken: NDArray[np.int64]
    """Number of NaN or infinite values at each step, shape [n]."""

    @property
    def notes(self) -> list[str]:
        """List with one sentence about values that are not finite. It is empty if all values are finite."""
        bad = int((self.broken > 0).sum())
        return [f"Left out: NaN or infinite values in {bad:,} of {len(self.steps):,} steps."] if bad else []

    def at(self, indices: Sequence[int] | NDArray[np.intp]) -> Distribution:
        """Return the distribution with only the steps at the given indices."""
        return Distribution(
            self.name,
            self.run,
            self.steps[indices],
            [self.edges[index] for index in indices],
            [self.counts[index] for index in indices],
            self.broken[indices],
        )


def distribution(run: RunView, name: str) -> Distribution:
    """Return the histograms that a run logged under a name. If a step was logged twice, the later histogram is used.

    Raises:
        NotFound: The run has no histogram with this name. The message lists the most similar names.
        DamagedFile: No histogram can be read.
    """
    entries = run.media("histogram")
    by_step = {entry.step: entry for entry in entries if entry.name == name}
    if not by_step:
        recorded = {entry.name for entry in entries}
        hint = did_you_mean(name, recorded) if recorded else "it has none; `run.watch` and `run.log_histogram` log them"
        raise NotFound(f"{run.name} ({run.id}) has no histogram {name!r}; {hint}")
    read = [(step, numbers) for step in sorted(by_step) if (numbers := _numbers(by_step[step])) is not None]
    if not read:
        raise DamagedFile(f"every histogram {name!r} of {run.name} ({run.id}) is damaged")
    return Distribution(
        name=name,
        run=f"{run.name} ({run.id})",
        steps=np.array([step for step, _ in read], dtype=np.int64),
        edges=[edges for _, (edges, _, _) in read],
        counts=[counts for _, (_, counts, _) in read],
        broken=np.array([broken for _, (_, _, broken) in read], dtype=np.int64),
    )


def common_edges(shown: Distribution, bins: int) -> NDArray[np.float64]:
    """Return the edges of equally wide bins that cover the values of all steps, shape [bins + 1]."""
    ends = [(edges[0], edges[-1]) for edges in shown.edges if len(edges)]
    low, high = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=1.0)
    if low == high:
        margin = abs(low) * 0.1 or 0.5
        low, high = low - margin, high + margin
    return np.linspace(low, high, bins + 1)


def on_common_edges(shown: Distribution, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts in the bins between common edges, shape [n, bins].

    If a common edge divides a bin, the count of this bin is divided in proportion to the widths of the parts.
    """
    rows = np.zeros((len(shown.steps), len(edges) - 1))
    for row, own_edges, counts in zip(rows, shown.edges, shown.counts, strict=True):
        if len(counts):
            sums = np.concatenate([[0.0], np.cumsum(counts)])
            cumulative = np.interp(edges, own_edges, sums, left=0.0, right=counts.sum())
            # In a very narrow bin, the slope overflows and the interpolation yields an infinite value.
            cumulative = np.maximum.accumulate(np.clip(np.nan_to_num(cumulative, nan=0.0), 0.0, counts.sum()))
            cumulative[-1] = counts.sum()
            row[:] = np.diff(cumulative)
    return rows


def draw_distribution(
    shown: Distribution,
    kind: HistogramKind = "ridgeline",
    *,
    title: str | None = None,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Draw the distribution over steps.

    Args:
        shown: Distribution to draw.
        kind: `ridgeline` draws one curve per step, with the latest in front. The height of a curve is the logarithm of
            the counts. `heatmap` draws steps from left to right and values from bottom to top. Higher counts are
            darker.
        title: Title of the figure. Default: the name of the histograms and the run.
        size: Width and height in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = style.new_figure(*(size or (7.2, 5.4)))
    axes = figure.add_subplot()
    all_steps = len(shown.steps)
    shown, notes = _thin_out(shown, _RIDGES if kind == "ridgeline" else _HEATMAP_STEPS), shown.notes
    if len(shown.steps) < all_steps:
        notes = [f"{len(shown.steps)} of {all_steps:,} steps.", *notes]
    if kind == "ridgeline":
        notes = ["Height: logarithm of the counts in equally wide bins.", *notes]
        _draw_ridges(axes, shown)
    else:
        _draw_heatmap(figure, axes, shown)
    style.notes_below(figure, notes)
    style.heading(figure, title or f"{shown.name} of {shown.run}")
    return figure


def _thin_out(shown: Distribution, most: int) -> Distribution:
    """Return at most `most` evenly spaced steps, which include the first and the last step."""
    count = len(shown.steps)
    return shown if count <= most else shown.at(np.unique(np.linspace(0, count - 1, most).round().astype(np.intp)))


def _draw_ridges(axes: Axes, shown: Distribution) -> None:
    from matplotlib import colormaps

    edges = common_edges(shown, _RIDGE_BINS)
    heights = np.log1p(on_common_edges(shown, edges))
    heights *= 3.0 / (heights.max() or 1.0)  # the highest curve overlaps three other curves
    colours = colormaps[style.SCALE](np.linspace(0.85, 0.15, len(shown.steps)))
    middles = (edges[:-1] + edges[1:]) / 2
    last = len(shown.steps) - 1
    for index, row in enumerate(heights):
        base = last - index
        axes.fill_between(middles, base, base + row, color=colours[index], alpha=0.85, linewidth=0, zorder=index)
        axes.plot(middles, base + row, color="white", linewidth=0.7, zorder=index + 0.5)
        if shown.broken[index]:
            axes.plot(1.01, base, "x", transform=axes.get_yaxis_transform(), color=style.BAD, clip_on=False, ms=5)
    style.plain_axes(axes, shown.name, "step")
    axes.grid(visible=False)
    labelled = np.unique(np.linspace(0, last, min(last + 1, 9)).round().astype(int))
    axes.set_yticks([last - index for index in labelled], [f"{shown.steps[index]:,}" for index in labelled])
    axes.margins(x=0.01, y=0.02)


def _draw_heatmap(figure: Figure, axes: Axes, shown: Distribution) -> None:
    from matplotlib.colors import LogNorm

    edges = common_edges(shown, _HEATMAP_BINS)
    rows = on_common_edges(shown, edges)
    filled = rows[rows > 0]
    # A count below 1 is a part of the count of a divided bin.
    norm = LogNorm(vmin=min(1.0, filled.max() / 10), vmax=filled.max()) if len(filled) else None
    mesh = axes.pcolormesh(
        _borders(shown.steps), edges, np.ma.masked_equal(rows.T, 0.0), cmap=f"{style.SCALE}_r", norm=norm
    )
    figure.colorbar(mesh, ax=axes, label="values in a bin", pad=0.02).outline.set_visible(False)  # type: ignore[operator]
    bad = shown.steps[shown.broken > 0]
    axes.plot(bad, np.full(len(bad), 0.015), "x", transform=axes.get_xaxis_transform(), color=style.BAD, ms=5)
    style.plain_axes(axes, "step", shown.name)


def _borders(steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the column borders, which are halfway between neighbouring steps, shape [n + 1]."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    middles = (steps[:-1] + steps[1:]) / 2
    return np.concatenate([[2 * steps[0] - middles[0]], middles, [2 * steps[-1] - middles[-1]]])


def _numbers(entry: MediaEntry) -> tuple[NDArray[np.float64], NDArray[np.float64], int] | None:
    """Return edges, counts, and the number of values that are not finite. Return None if the entry is damaged."""
    content: dict[str, Any] = entry.content
    try:
        edges = np.array(content["edges"], dtype=np.float64)
        counts = np.array(content["counts"], dtype=np.float64)
        broken = int(content["nan"]) + int(content["inf"])
    except (KeyError, TypeError, ValueError):
        return None
    well_formed = edges.ndim == counts.ndim == 1 and len(edges) == len(counts) + bool(len(counts))
    if not well_formed or not np.isfinite(edges).all() or (np.diff(edges) < 0).any() or (counts < 0).any():
        return None
    lowest, highest = content.get("min"), content.get("max")
    if isinstance(lowest, (int, float)) and isinstance(highest, (int, float)) and lowest <= highest:
        edges = np.clip(edges, lowest, highest)  # if all values are equal, their bin extends around them
    return edges, counts, broken

"""Plots as text: size, content and colours."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import runfolio
from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
from runfolio.query.plots.histograms import distribution
from runfolio.query.plots.relations import scatter
from runfolio.query.plots.terminal import Screen, curves_text, heatmap_text, scatter_text
from runfolio.query.store import open_folio

PLAIN, COLOURED = Screen(60, 14, colour=False), Screen(60, 14, colour=True)


def curves(store, *metrics: str, screen: Screen = PLAIN, **options) -> str:
    shown = CurveOptions(**options)
    return curves_text(curve_panels(metrics, open_folio(store).runs(), shown), screen, log=shown.log)


def width(text: str) -> int:
    return max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines())


def test_runs_are_letters_on_a_terminal_without_colours(store, write):
    write("up", points={"val/acc": [0.1, 0.5, 0.9]})
    write("flat", points={"val/acc": [0.2, 0.2, 0.2]})
    text = curves(store, "val/acc")

    lines = text.splitlines()
    assert lines[0] == "val/acc"
    assert lines[-3:] == ["  highest val/acc", "a 0.9000  up", "b 0.2000  flat"]
    drawn = lines[1:-3]
    assert "a" in drawn[1]
    assert "b" not in drawn[1]
    assert any("b" in line for line in drawn[8:])
    assert "\x1b" not in text
    assert width(text) <= 60


def test_best_curve_is_drawn_on_top(store, write):
    write("other", points={"val/acc": [0.5, 0.5]})
    write("best", points={"val/acc": [0.5, 0.5, 0.6]})
    text = curves(store, "val/acc")

    assert text.splitlines()[-2] == "a 0.6000  best"
    assert "b" not in "".join(line for line in text.splitlines() if "│" in line)


def test_coloured_terminal_has_fine_lines_and_a_coloured_legend(store, write):
    write("up", points={"val/acc": [0.1, 0.9]})
    text = curves(store, "val/acc", screen=COLOURED)

    assert re.search("[\u2801-\u28ff]", text)
    assert "\x1b[38;2;40;91;190m━━\x1b[0m 0.9000  up" in text
    assert width(text) <= 60


def test_many_runs_with_long_names_fit(store, write, copy, edit):
    first = write("x" * 200, points={"loss": [1.0, 0.5]})
    for number in range(1, 30):
        edit(copy(first, store / "digits" / f"{number}"), id=f"run{number:05}", name=f"{'y' * 100}-{number}")
    text = curves(store, "loss")

    assert "· 4 others" in text
    assert width(text) <= 60


def test_non_finite_values_are_marked_at_the_bottom(store):
    with runfolio.init("net", store=store) as run:
        for step in range(10):
            run.log({"loss": math.nan if step in (4, 5) else 1.0 + step}, step=step)
    text = curves(store, "loss")

    bottom = next(line for line in reversed(text.splitlines()) if "│" in line)
    assert "!" in bottom
    assert text.endswith("Marks at the bottom: NaN or infinite values.")


@pytest.mark.parametrize(
    "values", [[1.0], [math.nan, math.nan], [0.0, 0.0], [1e-30, 1e30], [-5e8, 5e8], [1e308, -1e308]]
)
@pytest.mark.parametrize("log", ["", "xy"])
def test_extreme_values_are_drawn(store, write, values, log: str):
    write(points={"m": [1.0, 1.0, *values] if log else values})  # a log axis has no step 0

    assert width(curves(store, "m", log=log)) <= 60


def test_ticks_of_a_log_axis_are_powers_of_ten(store, write):
    write(points={"loss": [100.0, 1.0, 0.01]})
    ticks = [line.split("┤")[0].strip() for line in curves(store, "loss", log="y").splitlines() if "┤" in line]

    assert ticks == ["100", "1", "0.01"]


def test_notes_on_bands_are_omitted_on_a_terminal(store, write):
    for seed in (0, 1):
        write(config={"seed": seed}, points={"loss": [1.0, 0.5]})

    assert "Band" not in curves(store, "loss", group_by=["-seed"])
    assert "Pale" not in curves(store, "loss", smooth=0.5)


def test_two_metrics_are_plotted_below_each_other(store, write):
    write("net", points={"loss": [1.0, 0.5], "acc": [0.1, 0.2]})
    lines = curves(store, "loss", "acc").splitlines()

    assert (lines[0], lines[15], lines[-1]) == ("loss", "acc", "a net")


def test_heatmap_is_darker_for_higher_counts(store):
    with runfolio.init("net", store=store) as run:
        for step in range(5):
            run.log_histogram("grad", np.concatenate([np.zeros(1000), [-1.0, 1.0]]), step=step * 100)
        run.log_histogram("grad", [math.nan], step=500)
    text = heatmap_text(distribution(open_folio(store).run("net"), "grad"), PLAIN)
    lines = text.splitlines()

    assert width(text) <= 60
    assert lines[0].startswith("grad of net (")
    assert re.fullmatch(r" +0 +step +500", lines[-2])
    assert lines[-1] == "Left out: NaN or infinite values in 1 of 6 steps."
    shades = {line.split("│")[-1].split("┤")[-1][:1] for line in lines[1:-3]}
    assert {"█", " "} < shades


def test_more_steps_than_columns_fit(store):
    with runfolio.init("net", store=store) as run:
        for step in range(200):
            run.log_histogram("grad", [step, 0.0], step=step)
    text = heatmap_text(distribution(open_folio(store).run("net"), "grad"), PLAIN)

    assert width(text) <= 60


@pytest.mark.parametrize(
    ("colour", "legend"),
    [
        (None, []),
        ("model", ["a model=cnn", "b model=mlp"]),
        ("few", ["a few=0", "b few=1"]),
        ("many", ["a many 0 to 2", "b many 3 to 5", "c many 6 to 7", "d no many"]),
    ],
)
def test_points_are_coloured_by_category_number_or_third(store, write, colour, legend: list[str]):
    for number in range(9):
        many = {"many": number} if number < 8 else {}
        write(
            config={"lr": 10**number, "model": "mlp" if number % 2 else "cnn", "few": number % 2, **many},
            summary={"y": number},
        )
    text = scatter_text(scatter(open_folio(store).runs(), "lr", "y", colour), PLAIN)
    lines = text.splitlines()

    assert lines[len(lines) - len(legend) :] == legend
    assert width(text) <= 60
    marks = "●" if colour is None else "abcd"[: len(legend)]
    assert all(mark in "\n".join(lines[: len(lines) - len(legend)]) for mark in marks)

"""Histograms over steps: common edges without lost counts, and both kinds of plots."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import DamagedFile, NotFound
from runfolio.query.plots.histograms import Distribution, common_edges, distribution, draw_distribution, on_common_edges
from runfolio.query.store import open_folio


@pytest.fixture
def logged(store):
    """Return shrinking gradients: some not finite at step 20, all 0 at step 30, all NaN at step 40."""
    with runfolio.init("net", store=store) as run:
        for step in range(0, 20, 10):
            run.log_histogram("grad/head", np.linspace(-1, 1, 100) / (step + 1), step=step)
        run.log_histogram("grad/head", [0.1, math.nan, math.inf], step=20)
        run.log_histogram("grad/head", np.zeros(50), step=30)
        run.log_histogram("grad/head", [math.nan], step=40)
        run.log_histogram("weight/head", [1.0], step=0)
    return open_folio(store).run("net")


def test_each_step_keeps_its_counts_on_common_edges(logged):
    shown = distribution(logged, "grad/head")
    edges = common_edges(shown, 40)
    rows = on_common_edges(shown, edges)

    assert shown.steps.tolist() == [0, 10, 20, 30, 40]
    assert shown.broken.tolist() == [0, 0, 2, 0, 1]
    assert rows.sum(axis=1) == pytest.approx([100, 100, 1, 50, 0])
    assert (edges[0], edges[-1]) == (-1.0, 1.0)
    # Equal values are in one bin, not spread over the logged bin.
    assert np.count_nonzero(rows[3]) == 1
    assert shown.notes == ["Left out: NaN or infinite values in 2 of 5 steps."]


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20, unique=True),
            st.lists(st.integers(0, 10**6), min_size=19, max_size=19),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 64),
)
@example(
    [
        ([0.0, -1000.0], [0] * 19),
        ([1000.0, 2.2e-311, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -2.2e-313], [0] * 6 + [1] + [0] * 12),
    ],
    2,
)
def test_rebinning_keeps_all_counts(histograms, bins: int):
    edges = [np.sort(np.array(own)) for own, _ in histograms]
    counts = [np.array(numbers[: len(own) - 1], dtype=float) for own, numbers in histograms]
    steps = np.arange(len(histograms))
    shown = Distribution("grad", "net", steps, edges, counts, np.zeros(len(steps), np.int64))
    rows = on_common_edges(shown, common_edges(shown, bins))

    assert (rows >= -1e-6).all()
    np.testing.assert_allclose(rows.sum(axis=1), [row.sum() for row in counts], rtol=1e-9, atol=1e-6)


def test_later_histogram_of_a_step_logged_twice_is_used(store):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 1.0}, step=0)
        run.checkpoint(step=0)
        run.log_histogram("grad", [5.0], step=1)
    with runfolio.init(resume=run.folder, store=store) as run:
        run.log_histogram("grad", [7.0], step=1)
    shown = distribution(open_folio(store).run("net"), "grad")

    assert (shown.steps.tolist(), shown.edges[0][0]) == ([1], 7.0)


def test_unknown_name_is_refused_with_similar_names(logged, store, write):
    with pytest.raises(NotFound, match=r"net \(.*\) has no histogram 'grad/haed'; did you mean grad/head"):
        distribution(logged, "grad/haed")
    write("plain")
    with pytest.raises(NotFound, match="it has none"):
        distribution(open_folio(store).run("plain"), "grad")


@pytest.mark.parametrize(
    "numbers",
    [
        '"edges": [0, 1], "counts": [1, 2], "nan": 0, "inf": 0',
        '"edges": [1, 0], "counts": [1], "nan": 0, "inf": 0',
        '"edges": [0, 1], "counts": [-1], "nan": 0, "inf": 0',
        '"edges": ["NaN", 1], "counts": [1], "nan": 0, "inf": 0',
        '"edges": "x", "counts": [1], "nan": 0, "inf": 0',
        '"edges": [0, 1], "counts": [1]',
    ],
)
def test_damaged_histograms_are_left_out(logged, numbers: str):
    (index,) = (logged.folder / "media").glob("*.jsonl")
    line = '{"seq": 99, "time_us": 1, "step": 50, "kind": "histogram", "name": "%s", ' + numbers + "}\n"
    with index.open("a") as file:
        file.write(line % "grad/head" + line % "bad")

    assert distribution(logged, "grad/head").steps.tolist() == [0, 10, 20, 30, 40]
    with pytest.raises((DamagedFile, NotFound), match="'bad'"):
        distribution(logged, "bad")


def test_ridgeline_has_a_curve_per_step_and_marks_non_finite_values(logged):
    figure = draw_distribution(distribution(logged, "grad/head"))
    (axes,) = figure.axes

    assert len(axes.collections) == 5
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "10", "20", "30", "40"]
    assert sum(line.get_marker() == "x" for line in axes.get_lines()) == 2
    assert figure.get_supxlabel().startswith("Height: logarithm of the counts")
    assert figure.get_suptitle() == f"grad/head of net ({logged.id})"


def test_heatmap_has_one_column_per_step(logged):
    figure = draw_distribution(distribution(logged, "grad/head"), "heatmap", title="Mine")
    axes, scale = figure.axes
    (mesh,) = axes.collections

    assert np.asarray(mesh.get_array()).shape[1] == 5
    assert scale.get_ylabel() == "values in a bin"
    assert figure.get_suptitle() == "Mine"


def test_thinned_steps_include_the_first_and_the_last(store):
    with runfolio.init("net", store=store) as run:
        for step in range(100):
            run.log_histogram("grad", [step, step + 1.0], step=step)
    figure = draw_distribution(distribution(open_folio(store).run("net"), "grad"))
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]

    assert (labels[0], labels[-1]) == ("0", "99")
    assert figure.get_supxlabel().splitlines()[1] == "36 of 100 steps."


@pytest.mark.parametrize("look", ["ridgeline", "heatmap"])
def test_single_values_and_empty_histograms_are_drawn(store, look):
    with runfolio.init("net", store=store) as run:
        run.log_histogram("one", [0.0], step=3)
        run.log_histogram("none", [math.nan], step=3)
    for name in ("one", "none"):
        figure = draw_distribution(distribution(open_folio(store).run("net"), name), look)
        figure.draw_without_rendering()
        assert figure.axes[0].has_data()

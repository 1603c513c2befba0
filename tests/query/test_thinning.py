"""Thinned curves draw the same picture: M4 against a slow reference."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runfolio.query.thinning import thinned_indices

values = st.lists(st.one_of(st.floats(-100, 100), st.just(math.nan)), min_size=1, max_size=200)


def column_of(x: np.ndarray, columns: int) -> list[int]:
    width = x[-1] - x[0]
    return [min(int((position - x[0]) / width * columns), columns - 1) if width else 0 for position in x]


@given(values, st.integers(1, 20), st.randoms(use_true_random=False))
def test_each_column_keeps_first_last_lowest_highest_and_gaps(curve: list[float], columns: int, chance):
    y = np.array(curve)
    x = np.array(sorted(chance.choice([step, step * 3, step // 4]) for step in range(len(curve))), float)
    kept = thinned_indices(x, y, columns).tolist()

    by_column: dict[int, list[int]] = {}
    for index, column in enumerate(column_of(x, columns)):
        by_column.setdefault(column, []).append(index)
    expected: set[int] = set()
    for members in by_column.values():
        numbers = [index for index in members if not math.isnan(curve[index])]
        gaps = [index for index in members if math.isnan(curve[index])]
        for chosen in (numbers, gaps):
            expected |= {chosen[0], chosen[-1]} if chosen else set()
        if numbers:
            expected |= {min(numbers, key=lambda index: curve[index]), max(numbers, key=lambda index: curve[index])}
    if len(curve) <= 4 * columns:
        assert kept == list(range(len(curve)))
    else:
        assert expected <= set(kept)
        assert len(kept) <= 6 * columns
        assert kept == sorted(set(kept))


def test_a_curve_without_gaps_keeps_four_points_per_column():
    y = np.random.default_rng(0).normal(size=100_000)
    x = np.arange(100_000, dtype=float)
    kept = thinned_indices(x, y, 1000)

    assert len(kept) <= 4000
    pixels, kept_pixels = (
        y.reshape(1000, 100),
        [y[kept[(kept >= 100 * n) & (kept < 100 * (n + 1))]] for n in range(1000)],
    )
    assert [(p.min(), p.max()) for p in kept_pixels] == list(zip(pixels.min(axis=1), pixels.max(axis=1), strict=True))

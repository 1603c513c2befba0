"""Histograms of large arrays equal those of NumPy, and waiting arrays take a bounded amount of memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runfolio
from runfolio.tracking.pipeline import encoder_thread
from runfolio.tracking.pipeline.media_content import BINS
from runfolio.tracking.pipeline.queue_items import held_bytes
from runfolio.tracking.pipeline.uniform_bins import count_in_bins

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "values",
    [
        GENERATOR.normal(size=200_000),
        GENERATOR.normal(size=1000) * 0.1 + 10,
        np.arange(129.0),
        GENERATOR.integers(0, 64, 70_000) / 64,
        np.linspace(-1, 1, 65),
        np.array([0.0, 1.0]),
        np.array([1.0, np.nextafter(np.float16(1), np.float16(2))]),
    ],
    ids=["normal", "offset", "integers", "edges", "line", "two", "neighbours"],
)
def test_counts_equal_those_of_numpy(values: np.ndarray, dtype: type):
    numbers = values.astype(dtype)
    binned = count_in_bins(numbers, BINS)
    exact = numbers.astype(np.float64)
    counts, edges = np.histogram(exact, BINS)
    assert binned is not None
    assert binned.counts.tolist() == counts.tolist()
    assert binned.edges.tolist() == edges.tolist()
    assert (binned.mean, binned.std) == pytest.approx((exact.mean(), exact.std()), rel=1e-9)


@pytest.mark.parametrize("values", [[], [1.0, 1.0], [0.0, np.nan], [0.0, np.inf], [-1e308, 1e308], [0.0, 5e-324]])
def test_unusual_numbers_are_left_to_numpy(values: list[float]):
    assert count_in_bins(np.array(values), BINS) is None


def test_arrays_in_a_closure_and_its_defaults_are_counted():
    array, files = np.zeros(1000), [b"abc", np.zeros(2)]

    def content(more: np.ndarray = np.zeros(10)) -> object:  # noqa: B008
        return array, files, more

    assert held_bytes(content) == 8000 + 3 + 16 + 80
    assert held_bytes(lambda: None) == 0


def test_waiting_arrays_are_bounded(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoder_thread, "_MEDIA_HURRY_BYTES", 400_000)
    monkeypatch.setattr(encoder_thread, "_MEDIA_BRAKE_BYTES", 1_000_000)
    with runfolio.init("net", store=store) as run:
        waiting: Callable[[], int] = run.recorder.encoder_thread._waiting_media_bytes
        largest = 0
        for step in range(200):
            run.log_histogram("weights", np.arange(10_000.0), step=step)
            largest = max(largest, waiting())
        run.flush()
        assert waiting() == 0
    assert largest <= 1_080_000
    assert len(runfolio.open(store).run(run.id).media("histogram")) == 200


def test_call_does_not_wait_while_few_arrays_are_queued(store: Path):
    with runfolio.init("net", store=store) as run:
        values = np.zeros(1000)
        began = time.perf_counter()
        for step in range(20):
            run.log_histogram("weights", values, step=step)
        assert time.perf_counter() - began < 1

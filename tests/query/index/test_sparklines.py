"""Sparklines in the index outline the curves of each run's main metrics."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runfolio
from runfolio.query.selection.metric_names import main_metrics
from runfolio.query.store import open_folio
from runfolio.record.points.sparkline_buckets import SparklineBuckets

GAP = "gap"


def decoded(sparkline: bytes | None) -> list[float | str]:
    assert sparkline is not None
    return [GAP if math.isnan(value) else value for value in struct.unpack("<64f", sparkline)]


def test_bucket_has_the_last_finite_value_of_its_steps(store, write):
    write(points={"loss": [float(value) for value in range(127)] + [math.nan]})

    assert decoded(open_folio(store).run("net").sparkline("loss")) == [2.0 * bucket + 1 for bucket in range(63)] + [126]


def test_bucket_without_a_finite_value_is_nan(store, write):
    write(points={"loss": [3.0, math.nan, math.inf, 4.0]})

    assert decoded(open_folio(store).run("net").sparkline("loss")) == [3.0, *[GAP] * 62, 4.0]


def test_curve_of_one_point_is_in_the_first_bucket(store, write):
    write(points={"loss": [1e300]})

    assert decoded(open_folio(store).run("net").sparkline("loss")) == [np.finfo(np.float32).max, *[GAP] * 63]


def test_sparklines_of_many_runs_are_in_the_order_of_the_runs(store, write):
    for number in range(3):
        write(f"net-{number}", points={"val/acc": [float(number)]} if number != 1 else {"lr": [0.1]})

    last, middle, first = open_folio(store).runs().sparklines("val/acc")
    assert (decoded(first)[0], middle, decoded(last)[0]) == (0.0, None, 2.0)


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["train/acc", "train/loss", "val/acc", "val/loss", "lr"], ["val/acc", "val/loss", "train/acc", "train/loss"]),
        (["train/f1", "val/f1", "reward", "grad_norm/fc", "system/cpu", "seconds"], ["val/f1", "reward", "train/f1"]),
        ([f"val/acc_{number}" for number in range(9)], ["val/acc_0", "val/acc_1", "val/acc_2", "val/acc_3"]),
    ],
)  # fmt: skip
def test_main_metrics_are_up_to_four_results_with_a_direction(names: list[str], main: list[str]):
    assert main_metrics(names) == main


def test_sparkline_follows_a_live_run(store):
    with runfolio.init("live", store=store) as run:
        run.log({"loss": 2.0}, step=0)
        run.flush()
        before = open_folio(store).run("live").sparkline("loss")
        run.log({"loss": 1.0}, step=63)
        run.flush()
        after = open_folio(store).run("live").sparkline("loss")

    assert decoded(before) == [2.0, *[GAP] * 63]
    assert decoded(after) == [2.0, *[GAP] * 62, 1.0]


def test_bucket_of_a_long_curve_ends_near_its_end():
    """A long curve arrives in blocks. Earlier blocks are thinned, so the last value of a bucket may be lost."""
    steps = np.arange(1_000_000)
    values = np.random.default_rng(0).normal(size=len(steps)).astype(np.float32)
    buckets = SparklineBuckets()
    for start in range(0, len(steps), 1_000):
        buckets.add(steps[start : start + 1_000], values[start : start + 1_000].astype(float))

    width = len(steps) // 64
    for bucket, value in enumerate(decoded(buckets.encode())):
        assert value in values[(bucket + 1) * width - width // 16 : (bucket + 1) * width]


def test_steps_of_any_size_and_order_have_a_sparkline():
    buckets = SparklineBuckets()
    buckets.add(np.array([2**62, -(2**62), 0]), np.array([3.0, 1.0, 2.0]))

    values = decoded(buckets.encode())
    assert (values[0], values[32], values[63]) == (1.0, 2.0, 3.0)


def test_reading_sparklines_imports_neither_numpy_nor_arrow(store: Path, write):
    write(points={"loss": [1.0]})
    open_folio(store).runs()
    code = (
        "import sys, runfolio; runs = runfolio.open(sys.argv[1]).runs();"
        " print(len(runs.sparklines('loss')[0]), {'numpy', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, store], capture_output=True, text=True, check=True)

    assert done.stdout.split(maxsplit=1) == ["256", "set()\n"]

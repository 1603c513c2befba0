"""A reader that follows a running run shows the same as a reader that reads all of its points."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

import runfolio
from runfolio.query.store import Folio, open_folio
from runfolio.record.base.layout import METRICS


def contents(folio: Folio) -> tuple[object, dict[str, float]]:
    """Return everything that the index has of the run's points, and the means, which can differ by rounding."""
    run = folio.run("live")
    summaries = {name: dict(vars(summary)) for name, summary in sorted(run.metrics.items())}
    means = {name: summary.pop("mean") for name, summary in summaries.items()}
    return (repr(summaries), {name: run.sparkline(name) for name in summaries}), means


def assert_as_new_reader(followed: Folio, store: Path) -> None:
    (shown, means), (expected, expected_means) = contents(followed), contents(Folio(store, refresh=True))
    assert shown == expected
    assert means == pytest.approx(expected_means, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_followed_run_shows_the_same_as_a_new_reader(store: Path, seed: int):
    chance = random.Random(seed)
    with runfolio.init("live", store=store, recording=runfolio.RecordingConfig(system_s=0)) as run:
        followed = open_folio(store)
        for step in range(0, 40, 4):
            for offset in range(chance.randrange(4)):
                run.log({"train/loss": chance.choice([chance.random(), math.nan, math.inf])}, step=step + offset)
            if chance.random() < 0.3:
                run.log({"val/acc": chance.random()}, step=step)
            run.flush()
            assert_as_new_reader(followed, store)
    assert_as_new_reader(followed, store)


def test_damaged_line_of_a_running_run_is_reported(store: Path):
    with runfolio.init("live", store=store) as run:
        run.log({"loss": 1.0}, step=0)
        run.flush()
        folio = open_folio(store)
        assert folio.run("live").problems == ()
        (tail,) = (Path(run.folder) / METRICS).glob("tail-*.jsonl")
        with tail.open("ab") as file:
            file.write(b"{\n")

        assert "1 damaged line(s)" in folio.run("live").problems[0]

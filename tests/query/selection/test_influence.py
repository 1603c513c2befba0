"""Shares of a metric's variance that single settings explain."""

from __future__ import annotations

import math
import random

import pytest

from runfolio.query.selection.influence import explained_shares, shares_sentence
from runfolio.query.store import open_folio


def test_setting_explains_more_than_chance(store, write):
    for lr, effect in ((0.1, 3.0), (0.01, 0.0)):
        for seed in (0, 1):
            write(config={"lr": lr, "seed": seed, "same": 1, "out": f"{lr}{seed}"}, summary={"loss": effect + seed})
    runs = list(open_folio(store).runs())
    values = [run.flat_summary["loss"] for run in runs]
    shares = explained_shares(runs, ["seed", "lr", "same", "out"], values)

    assert list(shares.items()) == [("lr", pytest.approx(0.85)), ("seed", 0.0)]
    assert shares_sentence(shares) == "Share of the variance that each setting explains alone: lr 85%, seed 0%."
    assert explained_shares(runs, ["lr"], [math.nan, *values[1:]]) == {}
    assert shares_sentence({}) == ""


def test_random_setting_explains_about_nothing(store, write):
    generator = random.Random(0)
    for number in range(60):
        write(config={"fold": number % 12}, summary={"loss": generator.random()})
    runs = list(open_folio(store).runs())

    shares = explained_shares(runs, ["fold"], [run.flat_summary["loss"] for run in runs])

    assert shares["fold"] < 0.1

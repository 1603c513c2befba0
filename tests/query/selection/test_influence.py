"""Shares of a metric's spread that go with single settings."""

from __future__ import annotations

import math

import pytest

from runfolio.query.selection.influence import explained_shares, shares_sentence
from runfolio.query.store import open_folio


def test_shares_of_a_full_grid_of_additive_effects_add_up(store, write):
    for lr, effect in ((0.1, 3.0), (0.01, 0.0)):
        for seed in (0, 1):
            write(config={"lr": lr, "seed": seed, "same": 1, "out": f"{lr}{seed}"}, summary={"loss": effect + seed})
    runs = list(open_folio(store).runs())
    values = [run.flat_summary["loss"] for run in runs]
    shares = explained_shares(runs, ["seed", "lr", "same", "out"], values)

    assert list(shares.items()) == [("lr", pytest.approx(0.9)), ("seed", pytest.approx(0.1))]
    assert shares_sentence(shares) == "Share of the spread that each setting explains alone: lr 90%, seed 10%."
    assert explained_shares(runs, ["lr"], [math.nan, *values[1:]]) == {}
    assert shares_sentence({}) == ""

"""Groups of runs: statistics of a metric over runs with equal values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runfolio.errors import ConfigError, NotFound
from runfolio.query.store import Folio, open_folio


@pytest.fixture
def folio(store: Path, write: Callable[..., Path]) -> Folio:
    for seed, accuracy in enumerate([0.7, 0.8, 0.9]):
        write(f"vit-{seed}", config={"model": "vit", "amp": True, "seed": seed}, summary={"val/acc": accuracy})
    write("mlp", config={"model": "mlp", "amp": False, "seed": 0}, points={"val/acc": [0.5, 0.6, 0.4]})
    write("broken", config={"model": "mlp", "seed": 1}, summary={"val/acc": 0.1}, state="failed", reason="bad shape")
    write("none", config={"model": "vit", "seed": 9}, experiment="other")
    return open_folio(store)


def test_groups_have_mean_spread_and_interval_the_best_first(folio: Folio):
    vit, mlp = folio.groups("model", "val/acc")
    assert (vit.values, vit.runs, vit.mean) == ({"model": "vit"}, 3, pytest.approx(0.8))
    assert (vit.std, vit.low, vit.high) == pytest.approx((0.1, 0.8 - 0.2484, 0.8 + 0.2484), abs=1e-4)
    assert (vit.lowest, vit.highest) == (0.7, 0.9)
    assert (mlp.values, mlp.runs, mlp.mean, mlp.std, mlp.low) == ({"model": "mlp"}, 1, 0.6, None, None)


def test_groups_of_several_columns_keep_the_types_of_values(folio: Folio):
    groups = folio.groups(["model", "amp"], "val/acc", where="seed < 1")
    assert [(group.values, group.runs) for group in groups] == [
        ({"model": "vit", "amp": True}, 1),
        ({"model": "mlp", "amp": False}, 1),
    ]


def test_lower_mean_comes_first_if_it_is_better(folio: Folio):
    assert [group.values["model"] for group in folio.groups("model", "val/acc", "min")] == ["mlp", "vit"]


def test_unknown_column_metric_and_direction_are_refused(folio: Folio):
    with pytest.raises(NotFound, match="no column 'modl'; did you mean model"):
        folio.groups("modl", "val/acc")
    with pytest.raises(NotFound, match="val/ac"):
        folio.groups("model", "val/ac", "max")
    with pytest.raises(ConfigError, match="more or less is better"):
        folio.groups("model", "something")


def test_groups_of_an_empty_store_are_none(store: Path):
    store.mkdir()
    assert open_folio(store).groups("model", "val/acc") == []

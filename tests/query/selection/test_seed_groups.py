"""Groups of runs that differ only in seed: mean, spread, interval."""

from __future__ import annotations

import pytest

from runfolio import NotFound
from runfolio.query.selection.seed_groups import SeedGroup, group_by_seed
from runfolio.query.store import open_folio

ACC = {"mlp": [0.80, 0.82, 0.84], "cnn": [0.90, 0.92, 0.91], "tie": [0.85, 0.95, 0.90]}


@pytest.fixture
def runs(store, write):
    """Return three models with three seeds each, and a failed run."""
    for model, values in ACC.items():
        for seed, value in enumerate(values):
            write(model, config={"model": model, "seed": seed}, summary={"val/acc": value, "test/acc": value - 0.1})
    write("cnn", config={"model": "cnn", "seed": 9}, summary={"val/acc": 0.1}, state="failed")
    return list(open_folio(store).runs())


def row(rows: list[SeedGroup], group: str, metric: str = "val/acc") -> SeedGroup:
    return next(row for row in rows if (row.group, row.metric) == (group, metric))


def test_groups_are_sorted_best_first_with_their_statistics(runs):
    result = group_by_seed(runs)
    assert (result.metric, result.mode, result.any_repeated) == ("val/acc", "max", True)
    groups = ["model=cnn", "model=tie", "model=mlp"]
    assert [(row.group, row.metric) for row in result.rows] == [
        (group, metric) for group in groups for metric in ("val/acc", "test/acc")
    ]
    cnn = row(result.rows, "model=cnn")
    assert (cnn.runs, cnn.lowest, cnn.highest) == (3, 0.90, 0.92)
    assert (cnn.mean, cnn.std) == (pytest.approx(0.91), pytest.approx(0.01))
    # 4.3027 is the 97.5 % quantile of Student's t with 2 degrees of freedom.
    assert (cnn.low, cnn.high) == (
        pytest.approx(0.91 - 4.3027 * 0.01 / 3**0.5, abs=1e-6),
        pytest.approx(0.91 + 4.3027 * 0.01 / 3**0.5, abs=1e-6),
    )


def test_groups_indistinguishable_from_the_best_are_marked(runs):
    rows = group_by_seed(runs).rows
    assert [row(rows, f"model={model}").tied for model in ("cnn", "tie", "mlp")] == [False, True, False]


def test_settings_with_small_or_type_differences_form_groups(store, write):
    for value in (0.123456789, 0.1234567891, True, 1, "1", "True", [1, 2], [1, 3]):
        for seed in (0, 1):
            write(config={"x": value, "seed": seed}, summary={"val/acc": 0.5})
    groups = group_by_seed(open_folio(store).runs()).rows
    assert [group.runs for group in groups] == [2] * 8
    assert {"x=0.123456789", "x=0.1234567891", "x=true", 'x="1"'} < {group.group for group in groups}


def test_whole_floats_and_integers_are_one_group(store, write):
    for seed, value in enumerate((1, 1.0)):
        write(config={"x": value, "y": seed, "seed": seed}, summary={"val/acc": 0.5})
    assert [row.runs for row in group_by_seed(open_folio(store).runs(), group_by=["x"]).rows] == [2]


def test_failed_runs_are_left_out_with_a_note(runs):
    assert "Left out: 1 run that failed or crashed." in group_by_seed(runs).caption.details


def test_single_run_has_no_spread_and_is_not_compared(store, write):
    write("net", config={"model": "a", "seed": 1}, summary={"val/acc": 0.5})
    write("net", config={"model": "b", "seed": 1}, summary={"val/acc": 0.6})
    first, second = group_by_seed(open_folio(store).runs()).rows
    assert (first.std, first.low, first.high, second.tied) == (None, None, None, False)


def test_caption_says_why_nothing_is_compared_with_a_single_run(store, write):
    for model, seed, acc in (("a", 1, 0.5), ("a", 2, 0.6), ("b", 1, 0.9)):
        write("net", config={"model": model, "seed": seed}, summary={"val/acc": acc})

    assert group_by_seed(open_folio(store).runs()).caption.short == (
        "Best first by the mean of val/acc (higher is better).",
        "No mean is marked =, since the first group has only one run.",
    )


def test_other_metric_orders_the_groups_by_its_direction(store, write):
    for seed in (0, 1):
        write("net", config={"model": "a", "seed": seed}, points={"cost": [5.0, 3.0 + seed]})
        write("net", config={"model": "b", "seed": seed}, points={"cost": [2.0 + seed, 4.0]})
    rows = group_by_seed(open_folio(store).runs(), "cost", "min").rows
    assert [(row.group, row.mean) for row in rows] == [("model=b", 2.5), ("model=a", 3.5)]


def test_other_settings_can_be_ignored_for_grouping(runs):
    (everything,) = {row.group for row in group_by_seed(runs, group_by=["-model", "-seed"]).rows}
    assert everything == "all runs"


def test_runs_without_the_metric_or_the_setting_are_refused(runs):
    with pytest.raises(NotFound, match="no run here that ended without an error has a metric 'cost'"):
        group_by_seed(runs, "cost", "min")
    with pytest.raises(NotFound, match="no column 'sede'"):
        group_by_seed(runs, group_by=["-sede"])
    with pytest.raises(NotFound, match="there are no runs"):
        group_by_seed([])


@pytest.mark.parametrize(("seeds", "tied"), [((0, 1, 2), False), ((3, 4, 5), True)])
def test_groups_with_the_same_seeds_are_compared_in_pairs(store, write, seeds, tied):
    for seed, acc in zip((0, 1, 2), (0.70, 0.80, 0.90), strict=True):
        write(config={"model": "a", "seed": seed}, summary={"val/acc": acc})
    for seed, acc in zip(seeds, (0.69, 0.788, 0.889), strict=True):
        write(config={"model": "b", "seed": seed}, summary={"val/acc": acc})
    groups = group_by_seed(open_folio(store).runs())

    assert row(groups.rows, "model=b").tied == tied
    assert ("paired t test" in str(groups.caption), "Welch" in str(groups.caption)) == (False, tied)


def test_each_metric_is_paired_by_its_own_seeds(store, write):
    for model, seeds in (("a", (0, 1)), ("b", (1, 2))):
        for seed in (0, 1, 2):
            # Paired by position, all differences would be 0.1, which is significant.
            tested = {"test/acc": 0.7 + seed / 10 - 0.2 * (model == "b")} if seed in seeds else {}
            write(config={"model": model, "seed": seed}, summary={"val/acc": 0.8 + seed / 100, **tested})
    groups = group_by_seed(open_folio(store).runs())

    assert [row.tied for row in groups.rows if row.metric == "test/acc"] == [False, True]
    assert "paired t test over the seeds or Welch's t test" in str(groups.caption)


def test_runs_that_share_a_seed_are_pointed_out(store, write):
    for lr, seed in ((0.1, 1), (0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)):
        write(config={"lr": lr, "seed": seed}, summary={"val/acc": lr})
    runs = open_folio(store).runs()

    assert (
        "The 3 runs with lr=0.1 have only 2 different seeds, so the interval is too narrow."
        in group_by_seed(runs).caption.short
    )
    assert not any("different seed" in text for text in group_by_seed(runs[:2]).caption.short)

import math

import pytest

from runfolio.errors import ConfigError
from runfolio.query.store import open_folio
from runfolio.query.tables.comparison import Difference, MetricRow, compare


def test_only_differences_are_listed(store, write):
    write("a", config={"lr": 0.1, "seed": 1, "optimizer": {"name": "sgd", "momentum": 0.9}}, summary={"acc": 0.5})
    write("b", config={"lr": 0.2, "seed": 1, "optimizer": {"name": "adam"}}, summary={"acc": 0.5, "confusion": [[1]]})
    compared = compare(open_folio(store).runs())

    assert compared.runs == ["b", "a"]
    assert compared.config == [
        Difference("lr", {"b": 0.2, "a": 0.1}),
        Difference("optimizer/momentum", {"a": 0.9}),
        Difference("optimizer/name", {"b": "adam", "a": "sgd"}),
    ]
    assert compared.same == 1
    assert compared.summary == []


def test_metrics_have_last_best_and_winner(store, write):
    write("a", points={"val/acc": [0.9, 0.7], "lr": [0.1]})
    write("b", points={"val/acc": [0.5, 0.8], "loss": [math.nan]})
    compared = compare(open_folio(store).runs())

    assert [row for row in compared.metrics if row.metric != "loss"] == [
        MetricRow("lr", None, {"a": 0.1}, {}, None),
        MetricRow("val/acc", "max", {"b": 0.8, "a": 0.7}, {"b": 0.8, "a": 0.9}, "a"),
    ]
    (loss,) = (row for row in compared.metrics if row.metric == "loss")
    assert (list(loss.last), loss.winner) == (["b"], None)


def test_setting_true_differs_from_1(store, write):
    write("a", config={"x": True, "same": [1, 2]})
    write("b", config={"x": 1, "same": [1, 2]})

    assert [row.key for row in compare(open_folio(store).runs()).config] == ["x"]


def test_runs_of_one_name_are_labelled_differently(store, write, copy):
    first, second = write("net"), write("net")
    folio = open_folio(store)
    ids = [folio.run(folder).id for folder in (second, first)]
    assert compare(folio.runs()).runs == [f"net ({run_id})" for run_id in ids]

    copy(first, store / "twin")
    assert compare(folio.runs()).runs == [f"net ({ids[0]})", "twin", f"digits/{first.name}"]


def test_runs_of_one_name_are_labelled_by_their_differing_settings(store, write):
    write("net", config={"lr": 0.1, "seed": 1})
    write("net", config={"lr": 0.01, "seed": 1})
    assert compare(open_folio(store).runs()).runs == ["net lr=0.01", "net lr=0.1"]

    again = open_folio(store).run(write("net", config={"lr": 0.1, "seed": 1}))
    assert compare(open_folio(store).runs()).runs[:2] == [f"net lr=0.1 ({again.id})", "net lr=0.01"]


def test_nan_equals_nan_in_settings(store, write):
    write("a", config={"clip": math.nan})
    write("b", config={"clip": math.nan})

    assert compare(open_folio(store).runs()).config == []


def test_comparison_of_one_run_is_refused(store, write):
    write("net")

    with pytest.raises(ConfigError, match="name two or more runs"):
        compare(open_folio(store).runs())

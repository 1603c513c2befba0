import math

import pytest

from runfolio.errors import NotFound
from runfolio.query.store import Folio, open_folio
from runfolio.query.tables.runs_table import table


@pytest.fixture
def folio(store, write) -> Folio:
    write("a", config={"lr": 0.1, "depth": 2}, points={"val/acc": [0.5, 0.7]}, summary={"test/acc": 0.6})
    write("b", config={"lr": 0.01, "depth": "deep"}, points={"val/acc": [0.9, 0.8]}, summary={"test/acc": math.nan})
    write("c", config={"lr": 0.001, "depth": 10}, state="failed", reason="no more memory")
    return open_folio(store)


def test_default_columns_are_facts_settings_and_results(folio):
    assert table(folio.runs()).names == [
        *("id", "name", "experiment", "state", "created", "duration_s"),
        *("params.lr", "params.depth", "metrics.val/acc.best", "summary.test/acc"),
    ]


def test_settings_that_differ_come_before_those_that_some_runs_lack(store, write):
    for lr in (0.1, 0.01):
        write("own", experiment="own", config={"lr": lr})
    own = {f"option{number}": True for number in range(6)}
    write("digits", experiment="digits", config={**own, "lr": 0.001, "epochs": 5})
    write("digits", experiment="digits", config={**own, "lr": 0.001, "epochs": 10})

    names = table(open_folio(store).runs()).names
    settings = [name for name in names if name.startswith("params.")]
    assert (set(settings[:2]), len(settings)) == ({"params.lr", "params.epochs"}, 6)


def test_running_run_shows_its_best_value_so_far(store, write):
    write("done", points={"val/acc": [0.5, 0.7]}, summary={"val/acc": 0.6})
    write("at work", points={"val/acc": [0.1, 0.3, 0.2]})
    runs = open_folio(store).runs()

    assert [row[-1] for row in table(runs).rows] == [0.3, 0.6]
    assert table(runs).columns[-1].heading == "val/acc best or as reported"
    assert [row[0] for row in table(runs, ["summary.val/acc"]).rows] == [None, 0.6]


def test_columns_are_chosen_by_full_or_bare_names(folio):
    chosen = table(folio.runs(), columns=["name", "lr", "val/acc", "params.depth", "reason"])

    assert chosen.names == ["name", "params.lr", "metrics.val/acc.best", "params.depth", "reason"]
    assert chosen.rows == [
        ["c", 0.001, None, 10, "no more memory"],
        ["b", 0.01, 0.9, "deep", None],
        ["a", 0.1, 0.7, 2, None],
    ]


def test_columns_of_other_runs_are_known_and_have_no_value(folio):
    (failed, *_), runs = folio.runs(), folio.runs()

    chosen = table([failed], ["name", "test/acc"], sorted_by="test/acc", others=runs)
    assert (chosen.names, chosen.rows) == (["name", "summary.test/acc"], [["c", None]])
    with pytest.raises(NotFound, match="no column 'nothing'"):
        table([failed], ["nothing"], others=runs)


def test_setting_can_be_spelled_like_its_flag(store, write):
    write("a", config={"batch_size": 32})

    assert table(open_folio(store).runs(), ["batch-size"]).names == ["params.batch_size"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (None, "cba"),
        ("name", "abc"),
        ("-name", "cba"),
        ("created", "abc"),
        ("lr", "cba"),
        ("-metrics.val/acc", "bac"),
        ("val/acc", "abc"),
        ("depth", "acb"),  # numbers before strings
        ("test/acc", "acb"),  # missing values and NaN come last
        ("-test/acc", "acb"),
    ],
)
def test_rows_are_sorted_by_any_column(folio, sort: str | None, names: str):
    assert "".join(run.name for run in folio.runs(sort=sort)) == names


@pytest.mark.parametrize(("sort", "names"), [(None, "abc"), ("name", "cba"), ("test/acc", "acb")])
def test_reversed_order_still_has_missing_values_last(folio, sort: str | None, names: str):
    assert "".join(run.name for run in folio.runs(sort=sort, reverse=True)) == names


def test_limit_returns_the_first_runs_of_the_order(folio):
    assert [run.name for run in folio.runs(sort="name", limit=2)] == ["a", "b"]


def test_unknown_column_is_refused_with_similar_names(folio):
    for action in (lambda: table(folio.runs(), ["val/ac"]), lambda: folio.runs(sort="-val/ac")):
        with pytest.raises(NotFound, match=r"no column 'val/ac'; did you mean .*val/acc"):
            action()


def test_no_runs_are_an_empty_table(store):
    store.mkdir()

    assert table(open_folio(store).runs()).rows == []

"""Runs that a filter selects, on stores whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runfolio.errors import FilterError
from runfolio.query.store import open_folio


@pytest.fixture
def names(store: Path, write: Callable[..., Path]) -> Callable[[str], list[str]]:
    """Names of the runs that a filter selects, of a store of three runs."""
    write("a", config={"lr": 0.1, "model": "resnet18", "opt": {"name": "sgd"}}, points={"val/acc": [0.5, 0.9, 0.7]})
    write(
        "b",
        experiment="pets",
        config={"lr": 0.01, "model": "vit", "amp": True, "layers": [1, 2]},
        points={"val/acc": [0.8], "loss.max": [3.0], "loss": [1.0, float("nan")]},
        summary={"test/acc": 0.75},
    )
    write("c", config={"lr": "auto", "note": "50% of it"}, state="failed", reason="out of memory")
    open_folio(store).run("b").edits.tag("team=vision", "baseline")

    def names(where: str) -> list[str]:
        return sorted(run.name for run in open_folio(store).runs(where=where))

    return names


def test_comparisons_follow_the_type_of_the_value(names):
    assert names("params.lr < 0.05") == ["b"]
    assert names("lr = 'auto'") == ["c"]
    assert names("0.05 < lr") == ["a"]
    assert names("params.amp = true") == names("amp") == ["b"]
    assert names("layers = '[1,2]'") == ["b"]


@pytest.mark.parametrize("where", ["lr = '0.1'", "lr IN ('0.1', '2')", "NOT (metrics.val/acc > '0.75')"])
def test_quotes_that_hide_all_matches_are_refused(names, where: str):
    with pytest.raises(FilterError, match=r"^no run matches the string '[\d.]+', but runs match the number"):
        names(where)


def test_quoted_numbers_without_a_match_as_numbers_select_nothing(names):
    assert names("lr = '7'") == []
    assert names("model = '18'") == []


def test_what_is_missing_or_nan_matches_no_comparison(names):
    assert names("NOT params.amp = false") == ["b"]
    assert names("metrics.loss >= 0 OR metrics.loss < 0 OR metrics.loss != 1") == []
    assert names("metrics.loss IS NULL") == ["a", "b", "c"]
    assert names("metrics.val/acc IS NOT NULL") == ["a", "b"]
    assert names("lr != 0.1") == ["b"]  # "auto" is not a number


def test_aggregates_of_a_metric(names):
    assert names("metrics.val/acc > 0.75") == ["b"]
    assert names('metrics["val/acc"].max > 0.85') == names("metrics.val/acc.best > 0.85") == ["a"]
    assert names("metrics.val/acc.min < 0.6 AND metrics.val/acc.count = 3 AND metrics.val/acc.step = 2") == ["a"]
    assert names("metrics.val/acc.mean BETWEEN 0.69 AND 0.71") == ["a"]
    assert names("metrics.loss.mean = 1") == ["b"]  # without NaN


def test_metric_whose_name_ends_like_an_aggregate(names):
    assert names("metrics.loss.max = 3") == ["b"]
    assert names('metrics["loss"].max = 1') == names("metrics.loss.min = 1") == ["b"]


def test_bare_name_means_what_it_means_in_tables(names):
    assert names("val/acc > 0.85") == ["a"]
    assert names("test/acc > 0.7") == ["b"]
    assert names("params.opt.name = 'sgd'") == names("opt/name = 'sgd'") == ["a"]


def test_tags_states_and_times(names):
    assert names("tags.team = 'vision'") == ["b"]
    assert names("tags.baseline") == ["b"]
    assert names("state IN ('failed', 'crashed')") == ["c"]
    assert names("NOT (state IN ('failed', 'crashed')) AND experiment = 'digits'") == ["a"]
    assert names("started > now() - interval '2 days'") == ["a", "b", "c"]
    assert names("created < '2020-01-01'") == []
    assert names("ended >= '2020-01-01T00:00:00Z' AND duration < 3600") == ["a", "b", "c"]


def test_patterns(names):
    assert names("model LIKE 'res%'") == ["a"]
    assert names("model LIKE 'RES%'") == []
    assert names("model ILIKE 'RES%_8'") == ["a"]
    assert names(r"note LIKE '50\% %'") == ["c"]
    assert names("model NOT LIKE 'res%'") == ["b"]


def test_unknown_column_names_the_nearest(names):
    with pytest.raises(FilterError, match=r"no column 'modle'; did you mean model or folder\?\n  modle = 'vit'\n  \^"):
        names("modle = 'vit'")
    with pytest.raises(FilterError, match=r"did you mean metrics\.val/acc|did you mean val/acc"):
        names("metrics.val/ac.max > 1")


def test_string_without_quotes_is_explained(names):
    with pytest.raises(FilterError, match=r"no column 'vit'.*; a string needs single quotes: 'vit'\n"):
        names("model = vit")


def test_filter_of_an_empty_store_selects_nothing(store: Path):
    store.mkdir()
    assert len(open_folio(store).runs(where="lr < 1")) == 0


@pytest.mark.parametrize(
    "where",
    ['__import__("os").system("touch x")', "().__class__.__bases__", "'; DROP TABLE runs;--", "id); --", "1 OR 1=1"],
)
def test_code_and_sql_are_refused(names, where: str):
    with pytest.raises(FilterError):
        names(where)

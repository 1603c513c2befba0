import math

import pytest

from runfolio.errors import ConfigError, NotFound
from runfolio.query.store import open_folio
from runfolio.query.tables.leaderboard import leaderboard


@pytest.fixture
def series(store, write):
    """Return four runs of a series, including a failed run."""
    sizes = {
        "parameters": 8234,
        "size_mb": 0.03,
        "epoch_seconds": 0.4,
        "predict_ms": 1.25,
        "val/images": 270,
        "test/images": 360,
    }
    write("good", summary={"val/acc": 0.95, "test/acc": 0.94, **sizes})
    write("best", summary={"val/acc": 0.97, "test/acc": 0.95, **sizes})
    write("poor", summary={"val/acc": 0.60, "test/acc": 0.58, **sizes})
    write("broken", points={"val/acc": [0.99]}, state="failed", reason="CUDA out of memory")
    return open_folio(store).runs()


def test_best_run_is_first_and_failed_runs_are_last_with_reason(series):
    board = leaderboard(series)

    assert [(row.label, row.value, row.state, row.reason) for row in board.rows] == [
        ("best", 0.97, "finished", None),
        ("good", 0.95, "finished", None),
        ("poor", 0.60, "finished", None),
        ("broken", 0.99, "failed", "CUDA out of memory"),
    ]


def test_accuracies_have_intervals(series):
    best = leaderboard(series).rows[0]

    assert (best.images, best.low, best.high) == (270, pytest.approx(0.9422, abs=1e-4), pytest.approx(0.9847, abs=1e-4))
    assert (best.test, best.test_images) == (0.95, 360)
    assert (best.test_low, best.test_high) == (pytest.approx(0.9224, abs=1e-4), pytest.approx(0.9681, abs=1e-4))


def test_runs_tied_with_the_best_on_validation_are_marked(series):
    assert {row.label: row.tied for row in leaderboard(series).rows} == {
        "best": False,
        "good": True,
        "poor": False,
        "broken": False,
    }


def test_caption_explains_the_leaderboard(series):
    caption = leaderboard(series).caption

    assert caption.short == (
        "Best first by val/acc (higher is better); the run marked = does not differ significantly from the best.",
        "Measured on the validation data.",
    )
    assert caption.details == (
        "The direction (higher or lower is better) was guessed from the metric's name.",
        "The 95 % interval of the metric (Wilson) is based on 270 images.",
        "The mark = is based on Newcombe's interval, with Holm's procedure for an overall error rate of 5 %.",
        "All runs were tested; the interval of test/acc is based on 360 test images.",
        "The best of several test results is too optimistic, so do not choose a run by it.",
        "1 of 4 runs failed; the table shows the reasons.",
    )


def test_figures_that_no_run_has_are_left_out(series, store, write):
    assert leaderboard(series).columns == [
        *("label", "value", "test", "parameters", "size_mb", "epoch_seconds", "predict_ms", "state")
    ]
    write("plain", experiment="other", points={"val/loss": [2.0, 1.0]})
    assert leaderboard(open_folio(store).runs("other")).columns == ["label", "value", "state"]


def test_any_metric_can_order_the_leaderboard(series):
    board = leaderboard(series, "predict_ms", "max")
    assert (board.mode, {row.value for row in board.rows}) == ("max", {1.25, None})
    with pytest.raises(ConfigError, match="--min or --max"):
        leaderboard(series, "parameters")


def test_choice_by_test_data_has_a_warning(series):
    assert "too optimistic" in leaderboard(series, "test/acc").caption.short[1]


def test_more_comparisons_need_larger_differences(store, write):
    """0.87 of 200 differs from 0.94 in a single comparison (p is 0.02), but not in several."""
    for number, acc in enumerate([0.94, 0.87]):
        write(f"net{number}", summary={"val/acc": acc, "val/images": 200})
    assert [row.tied for row in leaderboard(open_folio(store).runs()).rows] == [False, False]

    for number in range(5):
        write(f"more{number}", summary={"val/acc": 0.94, "val/images": 200})
    assert leaderboard(open_folio(store).runs()).rows[-1].tied


def test_caption_explains_how_to_test_runs_that_were_not_chosen(store, write):
    write("best", summary={"val/acc": 0.9, "test/acc": 0.8, "test/images": 100})
    write("other", summary={"val/acc": 0.8, "test/images": 100})

    assert leaderboard(open_folio(store).runs()).caption.details[-2:] == (
        "1 run was tested; the interval of test/acc is based on 100 test images.",
        "`runfolio evaluate RUN` tests another run.",
    )


def test_metric_that_chose_the_epochs_orders_the_runs(store, write):
    write("tested", summary={"chosen_by": "train/acc", "train/acc": 0.9, "test/acc": 0.99})
    write("best", summary={"chosen_by": "train/acc", "train/acc": 0.95})

    board = leaderboard(open_folio(store).runs())

    assert (board.metric, [row.label for row in board.rows]) == ("train/acc", ["best", "tested"])


def test_an_accuracy_in_percent_has_no_interval(store, write):
    write(summary={"val/acc": 97.0, "test/acc": 95.0, "test/images": 360})
    (row,) = leaderboard(open_folio(store).runs()).rows

    assert (row.test, row.test_low, row.tied) == (95.0, None, False)


def test_leaderboard_of_failed_runs_has_their_reasons(store, write):
    write("a", state="failed", reason="no such file")
    write("b", points={"val/acc": [math.nan]}, state="failed", reason="diverged")

    assert {row.label: row.reason for row in leaderboard(open_folio(store).runs()).rows} == {
        "a": "no such file",
        "b": "diverged",
    }


def test_leaderboard_without_runs_is_refused(store):
    store.mkdir()

    with pytest.raises(NotFound, match="no runs to rank"):
        leaderboard(open_folio(store).runs())


def test_metric_over_different_images_has_a_warning(write, store):
    write("small", summary={"val/acc": 0.9, "val/images": 45})
    write("large", summary={"val/acc": 0.8, "val/images": 90})

    caption = leaderboard(open_folio(store).runs()).caption

    assert caption.short[1] == "val/acc was measured on 45 to 90 images, so the images differ between runs."

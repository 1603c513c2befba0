import math

import pytest

from runfolio.errors import ConfigError, NotFound
from runfolio.query.selection.ranking import choose
from runfolio.query.selection.seed_groups import best_group
from runfolio.query.store import open_folio
from runfolio.query.tables.leaderboard import leaderboard


def test_best_run_has_the_best_point_of_all_curves(store, write):
    write("early", points={"val/acc": [0.5, 0.9, 0.6]})
    write("late", points={"val/acc": [0.5, 0.6, 0.8]})
    folio = open_folio(store)
    choice = choose(folio.runs(), "val/acc")

    assert folio.best("val/acc").name == "early"
    assert (choice.run.name, choice.value, choice.step, choice.mode, choice.guessed) == ("early", 0.9, 1, "max", True)
    assert choice.caption.short == (
        f"early ({choice.run.id}) has the best val/acc of 2 runs: 0.9 at step 1 (higher is better).",
        (
            "Measured on the validation data in one run; repeat it with several seeds to check if it stays best "
            "(`runfolio compare --group-by -seed`)."
        ),
    )
    assert choice.caption.details == ("The direction (higher or lower is better) was guessed from the metric's name.",)


def test_repeated_best_run_needs_no_advice_about_chance(store, write):
    for seed in (1, 2):
        write("net", config={"lr": 0.1, "seed": seed}, points={"val/acc": [0.5 + seed / 10]})
    choice = choose(open_folio(store).runs(), "val/acc")

    assert choice.caption.short[1] == "Measured on the validation data."


def test_only_candidate_needs_no_advice_about_chance(store, write):
    write("net", points={"val/acc": [0.5]})

    assert choose(open_folio(store).runs(), "val/acc").caption.short[1] == "Measured on the validation data."


def test_summary_value_takes_precedence_over_the_curve(store, write):
    """The summary has the test accuracy of the chosen epoch, not the highest of all epochs."""
    write("honest", points={"test/acc": [0.80, 0.85]}, summary={"test/acc": 0.85})
    write("lucky", points={"test/acc": [0.99, 0.70]}, summary={"test/acc": 0.70})
    choice = choose(open_folio(store).runs(), "test/acc")

    assert (choice.run.name, choice.value, choice.step) == ("honest", 0.85, 1)
    assert choice.split == "test"
    assert "too optimistic" in choice.caption.short[1]


def test_result_in_the_summary_suffices(store, write):
    write("net", summary={"val": {"acc": 0.9}})
    choice = choose(open_folio(store).runs(), "val/acc")

    assert (choice.value, choice.step) == (0.9, None)


def test_mode_is_guessed_from_the_name_unless_given(store, write):
    write("low", points={"val/loss": [0.2], "size": [1]})
    write("high", points={"val/loss": [0.3], "size": [2]})
    folio = open_folio(store)

    assert folio.best("val/loss").name == "low"
    assert folio.best("val/loss", mode="max").name == "high"
    assert folio.best("size", mode="min").name == "low"
    with pytest.raises(ConfigError, match="--min or --max"):
        folio.best("size")


def test_a_setting_in_the_place_of_a_metric_is_said_first(store, write):
    write("net", config={"lr": 0.1, "depth": 3}, points={"lr": [0.1, 0.01], "val/acc": [0.5, 0.6], "loss": [1.0, 0.5]})
    runs = open_folio(store).runs()

    with pytest.raises(
        NotFound, match=r"^'depth' is a setting of these runs, not a metric; metrics here: val/acc, loss;"
    ):
        choose(runs, "depth")
    with pytest.raises(
        ConfigError, match=r"^'lr' is a setting of these runs; metrics here: val/acc, loss. .* --min or"
    ):
        choose(runs, "lr")
    assert choose(runs, "lr", "min").value == 0.01


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_non_finite_value_never_wins(store, write, bad: float, mode: str):
    write("good", points={"loss": [math.nan, 0.5]}, summary={"final": 0.5})
    write("bad", points={"loss": [bad, bad]}, summary={"final": bad})
    folio = open_folio(store)

    assert folio.best("loss", mode).name == "good"
    assert folio.best("final", mode).name == "good"


def test_only_nan_values_have_no_best_run(store, write):
    write("bad", points={"loss": [math.nan]})

    with pytest.raises(NotFound, match="'loss' is not finite in any run"):
        open_folio(store).best("loss")


def test_failed_run_only_wins_without_other_runs(store, write):
    write("failed", points={"acc": [0.9], "extra/acc": [0.1]}, state="failed")
    write("finished", points={"acc": [0.5]})
    folio = open_folio(store)

    assert folio.best("acc").name == "finished"
    assert choose(folio.runs(), "acc").caption.details[-1] == "Left out: 1 run that failed or crashed."
    assert folio.best("extra/acc").name == "failed"


def test_best_run_of_one_experiment_is_chosen(store, write):
    write("a", experiment="digits", points={"acc": [0.5]})
    write("b", experiment="pets", points={"acc": [0.9]})

    assert open_folio(store).best("acc", experiment="digits").name == "a"


def test_unknown_metric_is_refused_with_similar_names(store, write):
    write(points={"val/acc": [0.5]}, summary={"test/acc": 0.5})

    with pytest.raises(NotFound, match=r"no run here has a metric 'val/ac'; did you mean val/acc\?"):
        open_folio(store).best("val/ac")


def test_oldest_of_equal_runs_wins_also_on_the_leaderboard(write, store):
    for name in ("first", "second", "third"):
        write(name, summary={"val/acc": 0.5 if name == "first" else 0.75})
    runs = open_folio(store).runs()

    assert choose(runs, "val/acc").run.name == "second"
    assert [row.label for row in leaderboard(runs).rows] == ["second", "third", "first"]


def test_ties_are_broken_by_lower_loss_then_by_smaller_network(write, store):
    write("oldest", summary={"val/acc": 0.75, "val/loss": 0.7, "parameters": 10})
    write("large", summary={"val/acc": 0.75, "val/loss": 0.6, "parameters": 200})
    write("small", summary={"val/acc": 0.75, "val/loss": 0.6, "parameters": 100})
    runs = list(open_folio(store).runs())

    choice = choose(runs, "val/acc")
    assert (choice.run.name, choice.equals, choice.decided_by) == ("small", 2, "parameters")
    assert f"small ({choice.run.id}) and 2 others have the best val/acc of 3 runs" in choice.caption.short[0]
    assert choice.caption.details[-1] == "2 other runs have the same value; this run has the fewest parameters."
    assert [row.label for row in leaderboard(runs).rows] == ["small", "large", "oldest"]
    assert choose([run for run in runs if run.name != "small"], "val/acc").caption.details[-1] == (
        "1 other run has the same value; this run has the lowest val/loss."
    )


def test_seed_group_of_the_best_mean_is_chosen(write, store):
    for lr, accuracies in {0.1: [0.99, 0.5], 0.01: [0.8, 0.9]}.items():
        for seed, acc in enumerate(accuracies):
            write("net", config={"lr": lr, "seed": seed}, summary={"val/acc": acc})
    runs = list(open_folio(store).runs())

    assert {run.flat_config["lr"] for run in best_group(runs)} == {0.01}
    assert [
        run.flat_summary["val/acc"] for run in best_group([run for run in runs if run.flat_config["seed"] == 0])
    ] == [0.99]
    assert best_group([]) == []

"""Figures that the commands print, on runs whose right answers are known by hand."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import runfolio as rf
from runfolio.query.plots.relations import parallel, scatter

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one run of an own loop into ./runs; `curves` holds the values of each metric for the steps 0, 1, 2 ..."""

    def write(
        name: str, config: Mapping[str, Any], curves: Mapping[str, Sequence[float]], **summary: float | str
    ) -> Path:
        recording = rf.RecordingConfig(console=False, code=False)
        with rf.init(name, experiment="own", config=dict(config), store=tmp_path / "runs", recording=recording) as run:
            for metric, values in curves.items():
                for step, value in enumerate(values):
                    run.log({metric: value}, step=step)
            for key, value in summary.items():
                run.summary[key.replace("__", "/")] = value
        return run.folder

    return write


@pytest.fixture
def reproduce(write: Write, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a run as a program does that `runfolio reproduce` started."""

    def reproduce(
        original: Path, config: Mapping[str, Any], curves: Mapping[str, Sequence[float]], changed: str = ""
    ) -> Path:
        document = json.loads((original / "run.json").read_text())
        with monkeypatch.context() as patched:
            patched.setenv("RUNFOLIO_REPRODUCES", document["id"])
            patched.setenv("RUNFOLIO_REPRODUCES_NAME", document["name"])
            patched.setenv("RUNFOLIO_REPRODUCE_STORE", str(original.parents[1]))
            patched.setenv("RUNFOLIO_REPRODUCES_CHANGED", changed)
            return write(document["name"], config, curves)

    return reproduce


def rows(printed: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(printed)))


@pytest.fixture
def scheduled(write: Write) -> None:
    """Three runs that log the learning rate of their schedule, which ends near 0."""
    for lr, loss in ((1e-2, 0.3), (1e-3, 0.2), (1e-1, 0.9)):
        write(f"lr-{lr:g}", {"lr": lr}, {"lr": [lr, lr / 1000], "val/loss": [1.0, loss]})


def test_a_bare_name_is_the_setting_before_the_metric(runfolio, scheduled):
    shown = runfolio("runs", "--columns", "name,lr,metrics.lr", "--sort", "lr").stdout

    cells = [line.split() for line in shown.splitlines()[2:5]]
    assert [(name, float(lr)) for name, lr, _ in cells] == [("lr-0.001", 1e-3), ("lr-0.01", 1e-2), ("lr-0.1", 1e-1)]
    assert [float(last) for *_, last in cells] == pytest.approx([1e-6, 1e-5, 1e-4])
    assert shown.splitlines()[-1] == "lr is the setting (not metrics.lr)."
    assert rows(runfolio("runs", "--columns", "config.lr", "--csv").stdout)[0].keys() == {"params.lr"}


def test_scatter_draws_the_setting_of_that_name(runfolio, scheduled):
    runs = rf.open("runs").runs()

    assert sorted(scatter(runs, "lr", "val/loss").x.values) == [1e-3, 1e-2, 1e-1]
    assert sorted(scatter(runs, "metrics.lr", "val/loss").x.values) == pytest.approx([1e-6, 1e-5, 1e-4])
    assert "lr is the setting (not metrics.lr)." in runfolio("plot", "--scatter", "lr", "val/loss").stdout


def test_a_name_that_is_only_logged_is_the_metric(runfolio, write):
    write("net", {}, {"lr": [0.1, 0.001]})

    assert rows(runfolio("runs", "--columns", "lr", "--csv").stdout) == [{"metrics.lr": "0.001"}]


def test_best_takes_the_metric_and_says_so_where_a_setting_has_its_name(runfolio, scheduled):
    said = " ".join(runfolio("best", "lr", "--min").stdout.split())

    assert "lr-0.001" in said
    assert "lr is the metric here (not params.lr)." in said


@pytest.fixture
def seeds(write: Write) -> Path:
    """Two learning rates of two seeds; the mean of 0.1 is the lower one. Return the best single run, of 0.01."""
    losses = {(0.1, 0): 1.1, (0.1, 1): 1.2, (0.01, 0): 1.0, (0.01, 1): 1.4}
    folders = {
        (lr, seed): write("net", {"lr": lr, "seed": seed}, {"val/loss": [2.0, loss, 3.0]})
        for (lr, seed), loss in losses.items()
    }
    return folders[0.01, 0]


GROUPS = [("lr=0.1", "2", "1.15"), ("lr=0.01", "2", "1.2")]


def groups(printed: str) -> list[tuple[str, str, str]]:
    return [(row["group"], row["runs"], f"{float(row['mean']):.4g}") for row in rows(printed)]


@pytest.fixture
def repeated(seeds: Path, reproduce: Write) -> Path:
    """The same, and the best run reproduced twice and copied by hand."""
    for _ in range(2):
        reproduce(seeds, {"lr": 0.01, "seed": 0}, {"val/loss": [2.0, 1.0, 3.0]})
    shutil.copytree(seeds, seeds.parents[1] / "backup" / "again")
    return seeds


def test_reproductions_and_copies_count_in_no_mean(runfolio, repeated):
    words = ("compare", "--experiment", "own", "--group-by", "-seed")

    assert groups(runfolio(*words, "--csv").stdout) == GROUPS
    said = " ".join(runfolio(*words, "--explain").stdout.split())
    assert "Left out: 2 reproductions and 1 copy of a run." in said
    assert "Left out" not in runfolio(*words).stdout


def test_a_repetition_with_other_settings_counts(runfolio, seeds, reproduce):
    changed = reproduce(seeds, {"lr": 0.001, "seed": 0}, {"val/loss": [2.0, 0.9, 3.0]}, changed="--lr")
    words = ("compare", "--experiment", "own", "--group-by", "-seed")

    assert groups(runfolio(*words, "--csv").stdout) == [("lr=0.001", "1", "0.9"), *GROUPS]
    assert "Left out" not in runfolio(*words, "--explain").stdout
    assert changed.name.rpartition("-")[2] in runfolio("best", "val/loss").stdout
    assert len(rf.open("runs").runs().plot("val/loss").axes[0].get_lines()) == 5
    assert (
        f"reproduction of net ({seeds.name.rpartition('-')[2]}), with a different --lr"
        in runfolio("show", changed).stdout
    )


@pytest.mark.parametrize(
    "words",
    [
        ("best", "val/loss", "--explain"),
        ("compare", "--experiment", "own", "--explain"),
        ("plot", "val/loss"),
        ("plot", "val/loss", "--group-by", "-seed"),
        ("plot", "--parallel", "val/loss"),
        ("plot", "--scatter", "lr", "val/loss"),
    ],
    ids=" ".join,
)
def test_every_command_says_how_many_runs_it_left_out(runfolio, repeated, words):
    assert "Left out: 2 reproductions and 1 copy of a run." in " ".join(runfolio(*words).stdout.split())


def test_reproductions_and_copies_are_in_no_picture(repeated):
    runs = rf.open("runs").runs()

    assert len(runs) == 7
    assert (len(parallel(runs, "val/loss").labels), len(scatter(runs, "lr", "val/loss").labels)) == (4, 4)
    figure = runs.plot("val/loss")
    assert len(figure.axes[0].get_lines()) == 4
    assert "Left out: 2 reproductions" in figure.get_supxlabel()


def test_runs_that_are_named_are_drawn_though_they_repeat_each_other(runfolio, repeated):
    ids = [run.id for run in rf.open("runs").runs() if run.name == "net-reproduced"]
    drawn = runfolio("plot", "val/loss", *ids).stdout

    assert len(ids) == 2
    assert "Left out" not in drawn
    assert all(f"net-reproduced ({run_id})" in drawn for run_id in ids)


def test_doctor_names_the_folders_of_a_copied_run(runfolio, repeated):
    said = " ".join(runfolio("doctor").stdout.split())

    place = repeated.relative_to(repeated.parents[1])
    assert f"is stored 2 times, in {place} and in backup/again. Only {place} is used in means" in said
    assert list(json.loads(runfolio("doctor", "--json").stdout)["copies"].values()) == [[str(place), "backup/again"]]


@pytest.fixture
def overfit(write: Write) -> None:
    """Write two runs: one is best at its best epoch, the other is best at its end."""
    write("steady", {"lr": 0.1}, {"val/acc": [0.5, 0.6, 0.7], "test/acc": [0.4, 0.45, 0.5]})
    write("overfit", {"lr": 0.2}, {"val/acc": [0.5, 0.9, 0.6], "test/acc": [0.4, 0.8, 0.3]})


def test_a_metric_has_one_figure_in_every_command(runfolio, overfit):
    listed = runfolio("runs", "--columns", "name,val/acc", "--sort", "-val/acc").stdout
    compared = runfolio("compare", "overfit", "steady").stdout
    grouped = rows(runfolio("compare", "--experiment", "own", "--group-by", "lr", "--csv").stdout)

    assert [line.split() for line in listed.splitlines()[2:]] == [["overfit", "0.9000"], ["steady", "0.7000"]]
    assert "0.9 at step 1" in runfolio("best", "val/acc").stdout
    assert [row["mean"] for row in grouped if row["metric"] == "val/acc"] == ["0.9", "0.7"]
    assert list(parallel(rf.open("runs").runs(), "val/acc").metric.values) == [0.9, 0.7]
    assert "val/acc best" in listed
    assert "val/acc best" in compared
    assert "val/acc last" in compared
    assert {row["figure"] for row in grouped} == {"best"}


def test_the_best_test_result_of_several_epochs_is_warned_of(runfolio, overfit):
    said = " ".join(runfolio("compare", "--experiment", "own", "--group-by", "lr").stdout.split())

    assert "test/acc best" in said
    assert "The best of several steps is too optimistic for test/acc" in said


def test_a_result_at_the_chosen_epoch_is_not_called_the_lowest(runfolio, write):
    for name, chosen in (("a", 0.105), ("b", 0.3)):
        write(name, {"lr": chosen}, {"val/loss": [0.5, chosen, 0.07]}, chosen_by="val/acc", val__loss=chosen)
    table = runfolio("plot", "--parallel", "val/loss").stdout

    assert list(parallel(rf.open("runs").runs(), "val/loss").metric.values) == [0.105, 0.3]
    assert parallel(rf.open("runs").runs(), "val/loss").metric.name == "val/loss at the chosen epoch"
    assert "lowest" not in table + runfolio("plot", "--scatter", "lr", "val/loss").stdout
    assert "0.07000" in runfolio("runs", "--columns", "metrics.val/loss.best").stdout
    assert "at the chosen epoch" in " ".join(runfolio("best", "val/loss").stdout.split())


def test_the_lowest_is_the_lowest(runfolio, overfit):
    drawn = runfolio("plot", "val/acc").stdout

    assert "  highest val/acc" in drawn
    assert "0.9000  overfit" in drawn


@pytest.fixture
def sweep(write: Write) -> None:
    """Two learning rates of three seeds, each run with an output folder of its own."""
    for lr in (0.1, 0.01):
        for seed in range(3):
            config = {"lr": lr, "seed": seed, "out": f"out/{lr:g}-{seed}", "block": 64}
            write("net", config, {"val/loss": [2.0, 10 * lr + seed / 10]})


def test_two_equal_differences_tell_no_difference(runfolio, write):
    for lr, losses in ((0.1, (1.0, 2.0)), (0.01, (1.5, 2.5))):
        for seed, loss in enumerate(losses):
            write("net", {"lr": lr, "seed": seed}, {"val/loss": [loss]})

    shown = rows(runfolio("compare", "--experiment", "own", "--group-by", "-seed", "--csv").stdout)
    assert [(row["group"], row["tied"]) for row in shown] == [("lr=0.1", "False"), ("lr=0.01", "True")]


def test_groups_ignore_an_output_folder_and_say_so(runfolio, sweep):
    words = ("compare", "--experiment", "own", "--group-by", "-seed")
    said = " ".join(runfolio(*words).stdout.split())

    assert groups(runfolio(*words, "--csv").stdout) == [("lr=0.01", "3", "0.2"), ("lr=0.1", "3", "1.1")]
    assert "out differs in each run and was ignored" in said
    assert groups(runfolio(*words[:-1], "-seed,-out", "--csv").stdout) == groups(runfolio(*words, "--csv").stdout)
    assert "lr=0.01  n=3" in runfolio("plot", "val/loss", "--group-by", "-seed").stdout


def test_nothing_is_tied_where_every_group_holds_one_run(runfolio, write):
    for trial, lr in enumerate((0.1, 0.2, 0.3)):
        write("net", {"lr": lr, "seed": trial}, {"val/loss": [1.0, lr]})
    printed = runfolio("compare", "--experiment", "own", "--group-by", "-seed").stdout

    assert " =" not in printed
    assert "Each group has one run, since lr differs in each run" in " ".join(printed.split())


def test_settings_that_matter_make_groups_though_they_are_folders(runfolio, write):
    for seed, data in enumerate(("/data/a", "/data/b", "/data/c")):
        write("net", {"data_dir": data, "seed": seed, "log_dir": f"logs/{seed}"}, {"val/loss": [1.0]})

    printed = runfolio("compare", "--experiment", "own", "--group-by", "-seed", "--csv").stdout
    assert [row["group"] for row in rows(printed)] == [f"data_dir=/data/{name}" for name in "abc"]

"""`train`, `resume`, `series`, `predict`, `plot`: from flags to pictures."""

import json
import re
import statistics
from pathlib import Path

import pytest
from PIL import Image

import runfolio as rf


def test_train_prints_network_results_and_next_commands(runfolio):
    done = runfolio("train", "--model", "mlp", "--epochs", "1", "--data-fraction", "0.1", "--name", "first")

    assert done.exit_code == 0, done.output
    run = rf.open().run("first")
    assert re.match(
        r"mlp, [\d,]+ parameters, [\d,]+ trainable\nepoch 1/1  loss \d\.\d+, val/acc \d+\.\d%, ", done.stdout
    )
    assert "Epoch 1 is the best, chosen by val/acc" in done.stdout
    assert f"run   {run.folder}" in done.stdout
    assert f"runfolio predict {run.id} --sample 24" in done.stdout


def test_layers_are_printed_on_request_and_recorded(runfolio):
    words = ["train", "--model", "mlp", "--epochs", "1", "--data-fraction", "0.1", "--name", "first"]
    table = runfolio(*words, "--layers").stdout
    assert "Linear" in table
    assert "Linear" in runfolio("show", "last", "--all").stdout
    assert "Linear" not in runfolio("show", "last").stdout


def test_flags_go_before_the_file(runfolio, tmp_path):
    (tmp_path / "my.yaml").write_text("model: mlp\nepochs: 9\ndata-fraction: 0.1\nnesterov: false\n")

    done = runfolio(
        "train", "--config", "my.yaml", "--epochs", "1", "--momentum", "0.9", "--optimizer", "sgd", "--nesterov"
    )

    assert done.exit_code == 0, done.output
    params = rf.open().runs()[0].flat_config
    assert (params["model"], params["epochs"], params["nesterov"]) == ("mlp", 1, True)


def test_a_series_of_flags_is_run_ranked_and_not_repeated(runfolio):
    words = ["series", "--model", "mlp", "tinyvgg", "--epochs", "1", "--data-fraction", "0.1", "--experiment", "duel"]

    first, again = runfolio(*words), runfolio(*words)

    assert first.exit_code == again.exit_code == 0, first.output + again.output
    assert len(rf.open().runs("duel")) == 2
    assert first.stderr.splitlines()[0].startswith("1/2  model mlp      finished in ")
    assert again.stderr.splitlines()[0].startswith("1/2  model mlp      already finished: mlp-10pct-1ep-")
    assert "won with val/acc" in again.stdout
    assert "Measured on the validation data" in again.stdout
    assert again.stdout == first.stdout


def test_runs_of_a_series_have_a_line_per_epoch_in_their_logs(runfolio, in_a_shell, monkeypatch, tmp_path):
    monkeypatch.delenv("RUNFOLIO_CONSOLE")
    words = ["series", "--model", "mlp", "--lr", "1e-3", "1e-2", "--epochs", "2", "--data-fraction", "0.1"]
    out, err = in_a_shell(*words, "--store", "runs").communicate(timeout=120)

    assert "epoch 1/2" not in out + err
    for run in rf.open(tmp_path / "runs").runs():
        lines = [line for line in runfolio("logs", run.id).stdout.splitlines() if line.startswith("epoch ")]
        assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_several_seeds_are_a_series_with_mean_spread_and_interval(runfolio):
    words = ["train", "--model", "mlp", "--epochs", "1", "--data-fraction", "0.1", "--seed", "7"]

    first, again = runfolio(*words, "--seeds", "2"), runfolio(*words, "--seeds", "3")

    assert first.exit_code == again.exit_code == 0, first.output + again.output
    assert sorted(run.flat_config["seed"] for run in rf.open().runs("digits")) == [7, 8, 9]
    ended = [line for line in again.stderr.splitlines() if not line.startswith("tested ")]
    assert [line.split()[2:4] for line in ended] == [["7", "already"], ["8", "already"], ["9", "finished"]]
    (figure,) = (line for line in again.stdout.splitlines() if line.startswith("test/acc "))
    values = [run.flat_summary["test/acc"] for run in rf.open().runs()]
    shown = [float(word) for word in figure.split()[1:4]]
    assert shown == pytest.approx([3, statistics.fmean(values), statistics.stdev(values)], abs=5e-4)
    result = runfolio("compare", "--experiment", "digits", "--group-by", "-seed", "--json")
    row = next(row for row in json.loads(result.stdout) if row["metric"] == "test/acc")
    assert (row["runs"], row["mean"], row["tied"]) == (3, pytest.approx(statistics.fmean(values)), False)
    assert row["low"] < min(values) <= max(values) < row["high"]


def test_cross_validation_reports_accuracy_over_all_images(runfolio):
    words = ["--model", "mlp", "--epochs", "1", "--data-fraction", "0.1", "--val-fraction", "0.3", "--folds", "2"]

    done = runfolio("train", *words)

    assert done.exit_code == 0, done.output
    assert "val-fraction has no effect" in done.stderr
    runs = list(rf.open().runs("digits"))
    assert sorted(run.flat_config["fold"] for run in runs) == ["1/2", "2/2"]
    assert "\nOver folds\n" in done.stdout
    (pooled,) = (line for line in done.stdout.splitlines() if line.startswith("val/acc, pooled"))
    right = sum(run.flat_summary["val/acc"] * run.flat_summary["val/images"] for run in runs)
    images = sum(run.flat_summary["val/images"] for run in runs)
    assert float(pooled.split()[3]) == pytest.approx(right / images, abs=5e-4)


def test_predict_prints_and_draws_class_probability_and_truth(runfolio, trained, tmp_path):
    done = runfolio("predict", "best", "--sample", "5", "--store", trained, "--out", "answers.png", "--json")

    assert done.exit_code == 0, done.output
    answers = json.loads(done.stdout)
    assert len(answers) == 5
    assert all(0 < answer["probability"] <= 1 for answer in answers)
    assert all(answer["right"] == (answer["class"] == answer["truth"]) for answer in answers)
    with Image.open(tmp_path / "answers.png") as picture:
        assert picture.width > 200


def test_a_file_in_a_folder_named_as_a_class_has_a_truth(runfolio, trained, tmp_path):
    labelled, unlabelled = tmp_path / "3" / "a.png", tmp_path / "photos" / "b.png"
    for path in (labelled, unlabelled):
        path.parent.mkdir()
        Image.new("L", (8, 8), 200).save(path)

    answers = json.loads(runfolio("predict", "large", labelled, unlabelled, "--store", trained, "--json").stdout)

    assert [answer["truth"] for answer in answers] == ["3", None]


def test_predict_takes_folders_and_shows_three_classes(runfolio, trained, tmp_path):
    for name in ("3/a.png", "3/more/b.png", "7/c.png", "loose.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 200).save(path)

    done = runfolio("predict", "large", "photos", "--store", trained)
    answers = json.loads(runfolio("predict", "large", "photos", "--store", trained, "--json").stdout)

    assert {answer["image"]: answer["truth"] for answer in answers} == {
        "photos/3/a.png": "3",
        "photos/3/more/b.png": "3",
        "photos/7/c.png": "7",
        "photos/loose.png": None,
    }
    top = answers[0]["top"]
    assert len(top) == 3
    assert next(iter(top.items())) == (answers[0]["class"], answers[0]["probability"])
    assert f"; {sum(answer['right'] for answer in answers[:3])} of 3 right" in done.stdout
    assert f"{list(top)[1]} " in done.stdout.splitlines()[2]
    assert list(tmp_path.glob("*.png")) == []


def test_predict_refuses_a_folder_without_images(runfolio, trained, tmp_path):
    (tmp_path / "empty").mkdir()

    done = runfolio("predict", "large", "empty", "--store", trained)

    assert done.exit_code == 2
    assert "no images in the folder empty" in done.stderr


def test_a_damaged_image_among_others_is_named_and_the_others_are_answered(runfolio, trained, tmp_path):
    Image.new("L", (8, 8), 200).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not an image")

    done = runfolio("predict", "large", "bad.png", "good.png", "gone.png", "--store", trained)

    assert done.exit_code == 2
    assert "good.png" in done.stdout
    (line,) = done.stderr.splitlines()
    assert "bad.png is not an image" in line
    assert "no image gone.png" in line


def test_plot_draws_the_runs_named_or_all(runfolio, trained, tmp_path):
    one = runfolio("plot", "val/acc", "large", "--store", trained, "--out", "one.svg")
    everything = runfolio("plot", "val/acc", "--store", trained, "--out", "all.png")

    assert one.stdout == "val/acc of 1 run: one.svg\n"
    assert everything.stdout.startswith("val/acc of 2 runs: all.png\n")
    assert (tmp_path / "one.svg").stat().st_size > 1000


@pytest.mark.parametrize("command", ["train", "series"])
def test_every_setting_is_explained_with_default_and_bounds(runfolio, command):
    help_text = " ".join(runfolio(command, "--help").stdout.split())

    assert "--lr NUMBER Learning rate" in help_text
    assert "; above 0]" in help_text
    assert "Optimisation:" in help_text


def test_settings_of_a_fork_have_no_defaults_of_their_own(runfolio):
    help_text = " ".join(runfolio("fork", "--help").stdout.split())
    common = help_text.partition("Common:")[2].partition("Options:")[0]
    others = help_text.partition("Data:")[2]

    assert "Learning rate. A schedule uses it as the highest rate. [above 0]" in common
    assert "default" not in common + others


def test_the_shipped_series_is_eight_runs():
    from runfolio.series import expand, load_target, read_series

    shipped = read_series(Path(__file__).parents[2] / "series" / "digits.yaml", default_target="")

    assert len(expand(shipped, load_target(shipped.target.value).settings)) == 8


def test_training_records_its_number_of_steps(trained):
    run = rf.open(trained).run("large")
    assert run.document.total_steps == run.metrics["batch/loss"].last_step
    assert run.progress == 1.0

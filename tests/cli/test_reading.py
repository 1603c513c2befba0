"""`runs`, `show`, `best`, `compare`: the record in the terminal, as JSON and as CSV."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import runfolio as rf
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.cli.output.formatting import aligned_numbers, elementwise


@pytest.fixture
def three_runs(tmp_path):
    store = tmp_path / "runs"
    for name, lr, acc in (("slow", 0.001, 0.7), ("quick", 0.01, 0.9), ("wild", 1.0, math.nan)):
        with rf.init(name, experiment="tune", config={"lr": lr, "model": "mlp"}, store=store) as run:
            run.log({"val/acc": acc / 2, "loss": 1.0}, step=0)
            run.log({"val/acc": acc, "loss": 0.5}, step=1)
    return store


def test_runs_are_listed_newest_first(runfolio, three_runs):
    listed = runfolio("runs")

    heading, _, *rows = listed.stdout.splitlines()
    assert heading.split() == ["id", "name", "state", "started", "took", "lr", "val/acc", "best", "loss", "best"]
    assert [row.split()[1] for row in rows] == ["wild", "quick", "slow"]
    assert rows[0].split()[-2:] == ["nan", "0.5000"]
    assert listed.exit_code == 0


def test_runs_are_sorted_and_cut_to_columns(runfolio, three_runs):
    listed = runfolio("runs", "--sort", "-val/acc", "--columns", "name,lr,val/acc", "--csv")

    assert list(csv.reader(io.StringIO(listed.stdout))) == [
        ["name", "params.lr", "metrics.val/acc.best"],
        ["quick", "0.01", "0.9"],
        ["slow", "0.001", "0.7"],
        ["wild", "1.0", "NaN"],
    ]


def test_json_has_every_column_and_is_valid_with_nan_metrics(runfolio, three_runs):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    wild, *_ = json.loads(runfolio("runs", "--json").stdout, parse_constant=refuse)

    assert wild["metrics.val/acc"] == "NaN"
    assert (wild["name"], wild["state"], wild["params.lr"]) == ("wild", "finished", 1.0)


def test_empty_store_suggests_a_command_that_creates_a_run(runfolio, tmp_path):
    (tmp_path / "runs").mkdir()

    assert "No runs in" in runfolio("runs").stdout
    assert json.loads(runfolio("runs", "--json").stdout) == []


def test_store_may_be_set_by_the_environment(runfolio, three_runs, tmp_path, monkeypatch):
    three_runs.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("RUNFOLIO_STORE", str(tmp_path / "elsewhere"))

    assert "quick" in runfolio("runs").stdout


def test_narrow_terminal_drops_columns_and_cuts_names_but_not_numbers(runfolio, three_runs, monkeypatch):
    with rf.init("a-name-that-" + "goes-on-and-" * 6 + "on", experiment="other", store=three_runs) as run:
        run.log({"val/acc": 0.123456})
    monkeypatch.setenv("COLUMNS", "60")

    lines = runfolio("runs").stdout.splitlines()

    assert max(map(len, lines)) <= 60
    assert "a-name-that-" in lines[2]
    assert "…" in lines[2]
    assert lines[2].rstrip().endswith("0.1235")


def test_show_is_one_page(runfolio, trained):
    page = runfolio("show", "large", "--store", trained).stdout

    headings = [line for line in page.splitlines() if line and not line.startswith(" ") and " " not in line]
    assert {"Settings", "Results", "Metrics", "Checkpoints", "Environment", "Code", "Files"} <= set(headings)
    assert "finished" in page


def settings_on(page: str) -> list[str]:
    return page.partition("\nSettings\n")[2].partition("\n\n")[0].splitlines()


def test_show_lists_settings_that_differ_from_their_defaults(runfolio, trained):
    lines = settings_on(runfolio("show", "large", "--store", trained).stdout)

    assert {line.split()[0] for line in lines[:-1]} <= {"data_fraction", "lr", "epochs", "model"}
    assert lines[-1].endswith("settings at their defaults: --all")


def test_show_all_lists_every_setting(runfolio, trained):
    run = rf.open(trained).run("large")

    lines = settings_on(runfolio("show", "large", "--all", "--store", trained).stdout)

    assert [line.split()[0] for line in lines] == list(run.flat_config)
    assert ["fold", "none"] in [line.split() for line in lines]


def test_defaults_of_any_dataclass_config_are_recorded(runfolio, tmp_path):
    @dataclass
    class Optimizer:
        lr: float = 0.1
        momentum: float = 0.9

    @dataclass
    class Config:
        data: str
        optimizer: Optimizer
        patience: int | None = 3
        clip: float = 1.0

    config = Config("pets", Optimizer(lr=0.5), patience=None)
    with rf.init("net", store=tmp_path / "runs", config=config):
        pass

    lines = settings_on(runfolio("show", "net").stdout)
    assert [line.split() for line in lines[:-1]] == [["data", "pets"], ["optimizer/lr", "0.5"], ["patience", "none"]]
    assert lines[-1] == "2 settings at their defaults: --all"


def test_settings_without_declared_defaults_are_all_listed(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs", config={"lr": 0.1, "epochs": 5}):
        pass

    assert [line.split() for line in settings_on(runfolio("show", "net").stdout)] == [["lr", "0.1"], ["epochs", "5"]]


def test_settings_all_at_their_defaults_are_one_line(runfolio, tmp_path):
    @dataclass
    class Config:
        lr: float = 0.1

    with rf.init("net", store=tmp_path / "runs", config=Config()):
        pass

    assert settings_on(runfolio("show", "net").stdout) == ["1 setting at its default: --all"]


def test_fork_keeps_the_defaults_of_its_settings(tmp_path):
    @dataclass
    class Config:
        lr: float = 0.1

    with rf.init("net", store=tmp_path, config=Config(), recording=rf.RecordingConfig(console=False)) as run:
        run.checkpoint(step=1)
    with rf.fork(run.id, name="other", store=tmp_path, config={"lr": 0.5}, recording=rf.RecordingConfig(console=False)):
        pass

    fork = rf.open(tmp_path).run("other")
    assert (fork.flat_config, fork.document.defaults) == ({"lr": 0.5}, {"lr": 0.1})


def test_secrets_among_defaults_are_not_recorded(tmp_path):
    @dataclass
    class Config:
        api_key: str = "correct-horse-battery"

    with rf.init(
        "net", store=tmp_path, config=Config(), recording=rf.RecordingConfig(console=False, code=False)
    ) as run:
        pass

    assert "correct-horse-battery" not in (run.folder / "run.json").read_text()


@pytest.fixture
def watched_pair(tmp_path):
    store = tmp_path / "runs"
    for name in ("a", "b"):
        with rf.init(name, store=store) as run:
            run.log({"loss": 0.5, "epoch": 2, "samples": 64, "grad_norm/head": 0.1, "weight_norm/head": 0.2}, step=1)
    return store


@pytest.mark.parametrize("words", [("show", "a"), ("compare", "a", "b"), ("runs",), ("plot",)])
def test_axes_and_norms_of_parameters_are_not_listed_as_metrics(runfolio, watched_pair, words):
    listed = runfolio(*words).output

    assert "loss" in listed
    assert not [line for line in listed.splitlines() if re.search(r"\b(epoch|samples|grad_norm/head)\b", line)]


def test_norms_of_single_parameters_are_counted(runfolio, watched_pair):
    shown, explained = runfolio("show", "a").stdout, runfolio("compare", "a", "b", "--explain").stdout
    assert "and 2 metrics of individual parameters and layers: grad_norm/NAME ..." in shown
    assert "Not shown: 2 metrics of individual parameters and layers (grad_norm/NAME ...)." in explained


def test_axes_and_norms_can_be_read_by_name(runfolio, watched_pair):
    assert runfolio("plot", "epoch", "a").exit_code == 0
    assert runfolio("plot", "loss", "--x", "samples").exit_code == 0
    assert runfolio("runs", "--columns", "name,epoch").stdout.split()[-1] == "2.000"
    assert "grad_norm/head" in runfolio("compare", "a", "b", "--csv").stdout
    assert {"epoch", "samples", "grad_norm/head"} <= set(runfolio("show", "a", "--all").stdout.split())


def test_show_lists_the_checkpoints_but_of_many_single_steps_the_newest(runfolio, tmp_path):
    policy = rf.CheckpointPolicy(keep_every=10)
    with rf.init("net", store=tmp_path / "runs", checkpoints=policy) as run:
        for step in range(10, 100, 10):
            run.checkpoint(step=step, metric=-abs(step - 50))

    page = runfolio("show", "net").stdout.partition("Checkpoints\n")[2]

    names = [line.split()[0] for line in page.partition("\nand ")[0].splitlines()[2:]]
    assert names == ["best", "step-50", "step-60", "step-70", "previous", "step-80", "last", "step-90"]
    assert "and 4 earlier checkpoints, from step-10 to step-40" in page
    listed = json.loads(runfolio("show", "net", "--json").stdout)["checkpoints"]
    assert [checkpoint["step"] for checkpoint in listed if checkpoint["name"] in ("best", "last")] == [50, 90]


def test_show_has_the_reason_of_a_failure(runfolio, tmp_path):
    with pytest.raises(ZeroDivisionError), rf.init("broken", store=tmp_path / "runs") as run:
        run.log({"loss": 1 / 0})

    page = runfolio("show", "broken").stdout

    assert "failed" in page
    assert "ZeroDivisionError: division by zero" in page


def test_show_as_json_has_all_of_the_page(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs", config={"lr": 0.1}, tags=["a"]) as run:
        run.log({"odd\x00\n": math.nan, "é": 1 / 3, "bad": None}, step=5)
        run.summary["size"] = 3
    shown = json.loads(runfolio("show", run.id, "--json").stdout)

    assert (shown["id"], shown["state"], shown["tags"], shown["config"]) == (run.id, "finished", ["a"], {"lr": 0.1})
    assert (shown["summary"], shown["refused"], shown["problems"]) == ({"size": 3}, {"bad": 1}, [])
    assert (shown["metrics"]["é"]["last"], shown["metrics"]["é"]["last_step"]) == (1 / 3, 5)
    assert shown["metrics"]["odd\x00\n"]["last"] == "NaN"
    assert shown["folder"] == str(run.folder)
    assert {"environment", "code", "load", "files", "seeds", "duration_s", "reason"} <= set(shown)


def test_show_names_the_parent_of_a_fork_and_forks_of_a_parent(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs") as parent:
        parent.log({"loss": 1.0})
        parent.checkpoint(step=7)
    with rf.fork(parent.id, name="other-way", store=tmp_path / "runs", config={"lr": 1}) as fork:
        fork.log({"loss": 0.5})

    page = runfolio("show", fork.id).stdout
    assert f"forked from net ({parent.id}) at step 7, checkpoint last; " in page
    assert ", attempt" not in page
    assert f"forks: other-way ({fork.id}) at step 7" in runfolio("show", "net").stdout

    shown = json.loads(runfolio("show", fork.id, "--json").stdout)
    assert (shown["lineage"]["run"], shown["children"]) == (parent.id, [])
    assert 0 < shown["inherited_s"] < 60
    shown = json.loads(runfolio("show", "net", "--json").stdout)
    assert (shown["lineage"], shown["inherited_s"]) == (None, 0)
    assert shown["children"] == [{"id": fork.id, "name": "other-way", "kind": "fork"}]
    listed = runfolio("runs", "--columns", "name,lineage").stdout
    assert f"fork of net ({parent.id})" in listed


def test_show_tells_a_test_from_a_continued_training(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs") as run:
        run.log({"loss": 1.0})
    with rf.resume(run, checkpoint=None, purpose="test", store=tmp_path / "runs") as tested:
        tested.log({"test/acc": 0.5})

    line = runfolio("show", "net").stdout.splitlines()[2]
    assert line.endswith(", tested in a separate attempt")
    assert ", attempt" not in line
    assert "attempts" not in runfolio("reproduce", "net", "--dry-run").stdout

    with pytest.raises(rf.ConfigError, match="purpose is 'train'"):
        rf.resume(run, checkpoint=None, purpose="train", store=tmp_path / "runs")  # type: ignore[arg-type]
    rf.resume(run, checkpoint=None, store=tmp_path / "runs").finish()
    assert ", attempt 2, tested in" in runfolio("show", "net").stdout


def test_show_tells_the_seed_and_every_switch(runfolio, tmp_path):
    from runfolio.tracking.checkpointing.seeding import deterministic_algorithms

    with deterministic_algorithms(True), rf.init("net", store=tmp_path / "runs") as run:
        rf.seed_everything(42, deterministic=True)
    page = " ".join(runfolio("show", run.id).stdout.split())

    assert "seeds torch 42, seed 42, deterministic" in page
    for switch in ("deterministic algorithms", "cuDNN deterministic", "cuDNN without TF32", "cuBLAS workspace :4096:8"):
        assert switch in page


def test_show_lists_values_that_could_not_be_stored(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs") as run:
        for _ in range(3):
            run.log({"bad": "x", "good\x1b[2J": 1.0})
        run.log({"good": 1.0, "once": None}, step=0.5)  # type: ignore[arg-type]
        run.artifact("missing.pt")
    shown = runfolio("show", run.id).stdout

    assert (
        "3 values of 'bad' could not be stored and were left out\n1 value of 'once' could not be stored and was"
        in shown
    )
    assert "1 call of artifact was left out" in shown
    assert "1 step was incomplete and was replaced" in shown
    assert "\x1b" not in shown


def test_show_names_the_media_and_the_answers(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs") as run:
        for step in range(10):
            run.log_text("sample\x1b[2J", "x", step=step)
            run.log_text(f"note {step}", "x")
        run.log_answers("test", None, [0, 1], np.eye(2) * 3)
    page = runfolio("show").stdout

    assert "text  sample\\x1b[2J (10), note 0, note 1, note 2, note 3, note 4 and 5 more" in page
    assert "splits  test" in page


def test_show_says_how_to_continue_an_unfinished_run(runfolio, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py"])  # a worker of pytest has no program
    for name, saves, state in (("saved", True, "failed"), ("unsaved", False, "failed"), ("done", True, "finished")):
        with rf.init(name, store=tmp_path / "runs") as run:
            if saves:
                run.checkpoint(step=1)
            run.finish(state)

    assert f"RUNFOLIO_RUN_ID={rf.open().run('saved').id}" in runfolio("show", "saved").stdout
    assert "It saved no checkpoint" in runfolio("show", "unsaved").stdout
    assert "Continue this run" not in runfolio("show", "done").stdout


def test_best_names_the_run_and_which_data_chose(runfolio, three_runs):
    said = runfolio("best", "val/acc").stdout

    assert "quick" in said
    assert "0.9 at step 1" in said
    assert "higher is better" in said
    assert "Measured on the validation data in one run" in said


def test_best_accepts_min_and_max(runfolio, three_runs):
    assert "slow" in runfolio("best", "val/acc", "--min").stdout


def test_compare_shows_differences(runfolio, three_runs):
    rows = list(csv.DictReader(io.StringIO(runfolio("compare", "slow", "quick", "--csv").stdout)))

    assert rows == [
        {"what": "setting", "name": "lr", "slow": "0.001", "quick": "0.01"},
        {"what": "last", "name": "loss", "slow": "0.5", "quick": "0.5"},
        {"what": "last", "name": "val/acc", "slow": "0.7", "quick": "0.9"},
        {"what": "best", "name": "loss", "slow": "0.5", "quick": "0.5"},
        {"what": "best", "name": "val/acc", "slow": "0.7", "quick": "0.9"},
    ]
    assert "1 other setting is the same in all runs." in runfolio("compare", "slow", "quick").stdout


def test_compare_without_runs_says_what_to_type(runfolio, three_runs):
    said = runfolio("compare").stderr
    commands = re.findall(r"`runfolio (compare [^`]+)`", " ".join(said.split()))

    assert len(commands) == 3  # the last one asks for help
    for command in commands:
        assert runfolio(*command.split()).exit_code == 0


def test_compared_runs_are_in_the_order_of_their_names(runfolio, three_runs):
    for names in (["slow", "quick"], ["quick", "slow"]):
        lines = runfolio("compare", *names).stdout.splitlines()
        assert [line.split()[0] for line in lines if line.startswith(("slow", "quick"))] == names


def test_compare_tests_the_answers_of_the_runs(runfolio, tmp_path):
    for name, mistakes in (("first", 20), ("second", 4)):
        with rf.init(name, store=tmp_path / "runs") as run:
            said = [0] * mistakes + [1] * (100 - mistakes)
            run.log_answers("test", None, [1] * 100, np.eye(2)[said] * 2, classes=["cat", "dog"])
    said = " ".join(runfolio("compare", "first", "second").stdout.split())
    listed = json.loads(runfolio("compare", "first", "second", "--json").stdout)

    assert "On the 100 test items that both answered, second is better: 0.960 against 0.800 (McNemar" in said
    assert {"what": "answers right", "name": "test", "first": 0.8, "second": 0.96} in listed


def test_long_value_leaves_room_for_the_setting_names(runfolio, tmp_path, monkeypatch):
    for name in ("first", "second"):
        with rf.init(name, config={"weights": f"/a/long/way/to/the/file/{name}.safetensors"}, store=tmp_path / "runs"):
            pass
    monkeypatch.setenv("COLUMNS", "80")

    shown = runfolio("compare", "first", "second").stdout

    assert "run                  weights" in shown
    assert "first   …e/first.safetensors" in shown


def test_compared_runs_keep_their_labels_in_a_narrow_terminal(runfolio, tmp_path, monkeypatch):
    for width in (16, 32, 64):
        with rf.init(
            "mlp-2ep-photos", experiment="wide", config={"hidden_units": width}, store=tmp_path / "runs"
        ) as run:
            for step in range(3):
                run.log(
                    {f"{split}/{name}": 1.0 + step % 2 for split in ("train", "val") for name in ("acc", "loss")}, step
                )
    monkeypatch.setenv("COLUMNS", "80")

    shown = runfolio("compare", "--experiment", "wide").stdout

    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    heads = [line for line in shown.splitlines() if line.startswith("run ")]
    assert len(heads) > 1
    for run in rf.open(tmp_path / "runs").runs():
        assert shown.count(f"mlp-2ep-photos ({run.id})") == len(heads)
    assert {"hidden_units", "val/acc"} <= set(heads[0].split())


def test_groups_keep_their_settings_in_a_narrow_terminal(runfolio, tmp_path, monkeypatch):
    for model in ("mlp", "a-network-with-a-long-name"):
        for lr in (0.1, 0.01):
            for seed in range(4):
                config = {"model": model, "lr": lr, "device": f"cpu{seed % 2}", "seed": seed}
                with rf.init("net", experiment="wide", config=config, store=tmp_path / "runs") as run:
                    run.summary["val/acc"] = lr + seed / 100
    monkeypatch.setenv("COLUMNS", "80")

    shown = runfolio("compare", "--experiment", "wide", "--group-by", "-seed").stdout

    assert max(map(len, shown.splitlines())) <= 80
    for setting in ("lr=0.1", "lr=0.01", "device=cpu0", "device=cpu1"):
        assert len(re.findall(rf"{re.escape(setting)}(?!\d)", shown)) == 4


def test_labels_that_would_become_equal_are_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    labels = [f"{model}-{epochs}ep-photos" for model in ("mlp-wide", "mlp-deep") for epochs in (5, 10)]
    name = Column(key="name", title="run", formatter=elementwise(str))
    value = Column(key="value", title="v" * 30, formatter=elementwise(str), number=True)

    print_table(DisplayTable(columns=[name, value], rows=[{"name": label, "value": 1} for label in labels]))

    lines = [line[:8].strip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert "".join(lines) == "".join(labels)


def test_output_to_a_file_has_no_colour(runfolio, three_runs):
    assert "\x1b" not in runfolio("runs").stdout + runfolio("show", "wild").stdout


@pytest.fixture
def ranks(tmp_path, monkeypatch):
    """A run that three ranks wrote; the last vanished."""
    store = tmp_path / "runs"
    script = """
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
run.log({"loss": float(os.environ["RANK"])}, step=0)
run.flush()
if os.environ["RANK"] == "2":
    os._exit(0)
if os.environ["RANK"] == "0":
    sys.stdin.read()
"""
    first, *others = (
        subprocess.Popen(
            [sys.executable, "-c", script, store],
            env={**os.environ, "RANK": rank, "RUNFOLIO_RUN_ID": "ddp"},
            stdin=subprocess.PIPE,
        )
        for rank in "012"
    )
    assert [process.wait(60) for process in others] == [0, 0]
    first.communicate(timeout=60)
    for process in others:
        process.communicate()
    return store


def test_show_lists_the_writers_and_the_metrics_of_any_rank(runfolio, ranks):
    shown = runfolio("show", "ddp").stdout
    sentence = "3 processes wrote to it (ranks 0-2); metrics of rank 0 are shown (--rank N for another)"
    assert sentence in " ".join(shown.split())
    assert "rank 2 (process" in shown
    assert "disappeared without reporting its end" in " ".join(shown.split())
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("loss")] == [["loss", "0"]]

    of_rank = runfolio("show", "ddp", "--rank", "1").stdout
    assert "Metrics of rank 1" in of_rank
    assert [line.split()[:2] for line in of_rank.splitlines() if line.startswith("loss")] == [["loss", "1"]]

    missing = runfolio("show", "ddp", "--rank", "7")
    assert missing.exit_code != 0
    assert "has no rank 7; it has 0, 1, 2" in " ".join(missing.stderr.split())


def test_a_run_of_several_processes_is_whole_for_the_doctor(runfolio, ranks):
    assert runfolio("doctor").exit_code == 0


def test_show_of_many_metrics_is_bounded_and_names_the_rest(runfolio, tmp_path):
    with rf.init("wide", store=tmp_path / "runs") as run:
        run.log({f"m{index:04}": 1.0 for index in range(1_000)})
    page = runfolio("show", run.id).output
    assert "and 900 more: --all, --json" in page
    assert "m0099" in page
    assert "m0100" not in page
    assert "m0999" in runfolio("show", run.id, "--all").output


def test_show_and_logs_without_a_run_take_the_newest(runfolio, three_runs):
    assert runfolio("show").output.startswith("wild  ")
    assert runfolio("show", "last", "--experiment", "tune").output.startswith("wild  ")
    assert runfolio("logs").exit_code == 2  # of wild, which printed nothing


def test_last_of_an_archived_experiment_is_of_that_experiment(runfolio, three_runs):
    rf.init("newer", experiment="other", store=three_runs).finish()
    runfolio("archive", "slow", "quick", "wild")
    assert runfolio("show", "last", "--experiment", "tune").output.startswith("wild  ")


def test_tiny_number_is_not_printed_as_zero(runfolio, tmp_path):
    for name, error in (("tiny", 9.9e-17), ("zero", 0.0), ("large", 0.7528)):
        with rf.init(name, store=tmp_path / "runs") as run:
            run.log({"error": error})
    figures = {line.split()[1]: line.split()[-1] for line in runfolio("runs").output.splitlines() if "finished" in line}
    assert figures == {"tiny": "9.9e-17", "zero": "0.0000", "large": "0.7528"}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.7528, 0.62, None, 1], ["0.7528", "0.6200", "-", "1.0000"]),
        ([123.4, 0.6, 9.9e-17, 0.0], ["123.4", "0.6", "9.9e-17", "0.0"]),
        ([0.0005, 0.00012, 0], ["5.00e-04", "1.20e-04", "0"]),
        ([1_234_567.5, 512.0], ["1.23e+06", "5.12e+02"]),
        ([10, 2_000], ["10", "2,000"]),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(values, shown):
    assert aligned_numbers(values) == shown


def test_lines_of_a_note_are_indented_and_forge_no_part_of_the_page(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs", notes="first\nSettings\nlr  0.5"):
        pass

    page = runfolio("show", "net").stdout

    assert "\n  first\n  Settings\n  lr  0.5\n" in page
    assert "\nSettings\nlr" not in page

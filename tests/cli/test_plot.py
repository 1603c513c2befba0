"""`plot`: which names are metrics and which runs, in the terminal or as a file."""

import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

import runfolio as rf


@pytest.fixture
def store(tmp_path):
    """Four runs, two models of two seeds, and an old one that is archived."""
    store = tmp_path / "runs"
    with rf.init("old", store=store) as run:
        run.log({"val/acc": 1.0})
    rf.open(store).run("old").edits.archive()
    for model in ("mlp", "cnn"):
        for seed in (0, 1):
            config = {"model": model, "seed": seed}
            with rf.init(f"{model}-{seed}", experiment="grid", config=config, store=store) as run:
                for step in range(5):
                    run.log({"val/acc": step / 10 + seed / 100, "train/loss": 1 / (step + 1)}, step=step)
                if model == "cnn":
                    run.log_histogram("grad/head", np.linspace(-1, 1, 50), step=0)
    return store


def test_without_a_file_the_terminal_is_drawn_on(runfolio, store, tmp_path):
    drawn = runfolio("plot", "val/acc").stdout.splitlines()

    assert drawn[0] == "val/acc"
    assert drawn[-7:] == [
        "  highest val/acc",
        "a 0.4100  cnn-1 seed=1",
        "b 0.4100  mlp-1 seed=1 = cnn-1 seed=1",
        "c 0.4000  cnn-0 seed=0",
        "d 0.4000  mlp-0 seed=0 = cnn-0 seed=0",
        "1 archived run not shown; --archived adds them.",
        "All 4 runs are drawn; `runfolio plot val/acc last` draws the newest.",
    ]
    assert max(map(len, drawn)) <= 80
    assert "\x1b" not in "".join(drawn)
    assert list(tmp_path.glob("*.png")) == []


def test_on_a_terminal_it_is_coloured_and_fits(store):
    primary, secondary = pty.openpty()
    program = [sys.executable, "-m", "runfolio", "plot", "val/acc", "--store", str(store)]
    environment = {**os.environ, "COLUMNS": "70", "LINES": "30", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(program, stdout=secondary, env=environment)
    os.close(secondary)
    said = b""
    while True:
        try:
            piece = os.read(primary, 65536)
        except OSError:  # the other end was closed
            break
        said += piece
    os.close(primary)

    assert process.wait(timeout=60) == 0
    assert b"\x1b[38;2;40;91;190m" in said
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.decode())
    assert max(map(len, plain.splitlines())) == 70


def test_names_are_metrics_or_runs_in_any_order(runfolio, store):
    run = rf.open(store).run("mlp-1")
    drawn = runfolio("plot", "cnn-0", "train/loss", run.id[:5], "val/acc", "--out", "x.png")

    assert drawn.stdout == "train/loss, val/acc of 2 runs: x.png\n"
    assert runfolio("plot", "val/acc", "best", "--out", "y.svg").stdout == "val/acc of 1 run: y.svg\n"


def test_a_name_that_is_both_is_the_metric_and_said(runfolio, store):
    with rf.init("val/acc", store=store) as run:
        run.log({"val/acc": 0.5})
    drawn = runfolio("plot", "val/acc", run.id, "--out", "x.png")

    assert drawn.stdout == "val/acc of 1 run: x.png\n"
    assert (
        drawn.stderr == "warning: val/acc is both a metric and a run, and the metric is drawn; name the run by its id\n"
    )


def test_which_runs_are_drawn(runfolio, store):
    def drawn(*words: str) -> str:
        return runfolio("plot", "val/acc", "--out", "x.svg", *words).stdout.splitlines()[0]

    assert drawn("--archived") == "val/acc of 5 runs: x.svg"
    assert drawn("--limit", "2") == "val/acc of 2 runs: x.svg"
    assert drawn("--experiment", "grid", "--state", "finished") == "val/acc of 4 runs: x.svg"
    assert drawn("--last", "2") == drawn("--limit", "2")
    assert drawn("old") == "val/acc of 1 run: x.svg"


def test_plot_without_a_run_says_that_all_are_drawn(runfolio, store):
    said = "runs are drawn; `runfolio plot val/acc last` draws the newest."

    assert f"All 4 {said}" in runfolio("plot", "val/acc").stdout
    for words in (("last",), ("--limit", "2"), ("--experiment", "grid")):
        assert said not in runfolio("plot", "val/acc", *words).stdout


def test_groups_smoothing_and_axes(runfolio, store):
    words = (
        "--group-by",
        "-seed",
        "--smooth",
        "0.5",
        "--log",
        "y",
        "--x",
        "time",
        "--spread",
        "std",
        "--title",
        "Mine",
    )
    drawn = runfolio("plot", "val/acc", *words).stdout.splitlines()

    assert drawn[0] == "Mine"
    assert any(line.endswith("model=mlp  n=2") for line in drawn)
    assert any("time since the start (s)" in line for line in drawn)
    assert runfolio("plot", "val/acc", *words, "--size", "8x5", "--out", "x.png").exit_code == 0


def test_the_size_of_a_picture_in_the_terminal(runfolio, store):
    drawn = runfolio("plot", "val/acc", "--size", "40x10", "cnn-0").stdout.splitlines()

    assert max(map(len, drawn[1:11])) == 40


def test_a_histogram_of_one_run(runfolio, store, tmp_path):
    run = rf.open(store).run("cnn-0")

    assert runfolio("plot", "--histogram", "grad/head", "cnn-0").stdout.startswith(f"grad/head of cnn-0 ({run.id})\n")
    for look in ("ridgeline", "heatmap"):
        words = ("--histogram", "grad/head", "cnn-0", "--as", look, "--out", f"{look}.png")
        assert runfolio("plot", *words).stdout == f"grad/head of cnn-0 ({run.id}): {look}.png\n"
        assert (tmp_path / f"{look}.png").stat().st_size > 5000


def test_parallel_is_a_table_with_bars_or_a_picture(runfolio, store):
    heading, _, first, *others = runfolio("plot", "--parallel", "val/acc").stdout.splitlines()

    assert heading.split() == ["run", "model", "seed", "val/acc", "best"]
    assert first.split()[0] in ("cnn-1", "mlp-1")
    assert first.count("█") == 20
    assert others[2].count("█") == 0
    said = runfolio("plot", "--parallel", "val/acc", "--out", "x.png").stdout
    assert said.startswith("2 settings and val/acc of 4 runs: x.png\n")


def test_scatter_plot_shows_the_correlation(runfolio, store):
    drawn = runfolio("plot", "--scatter", "seed", "val/acc", "--color", "model").stdout
    assert "Pearson +1.00, Spearman +1.00 over 4 runs." in drawn
    assert "b model=mlp" in drawn
    written = runfolio("plot", "--scatter", "seed", "val/acc", "--out", "x.png").stdout
    assert written.startswith("val/acc over seed of 4 runs: x.png\nPearson +1.00")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name a metric to draw; the recorded metrics are train/loss, val/acc"),
        ("cnn-0", "name a metric to draw"),
        ("val/ac", "'val/ac' is neither a metric nor a run; did you mean val/acc?"),
        ("val/acc cnn-00", "did you mean cnn-0"),
        ("val/acc --smooth 1", "smooth is 1; it must be at least 0 and below 1"),
        ("val/acc --x epoch", "has no metric 'epoch' for the x axis; log it"),
        ("val/acc --group-by modle", "no column 'modle'; did you mean"),
        ("val/acc --color model", "--color is only for --scatter"),
        ("val/acc --as heatmap", "--as is only for --histogram"),
        ("--parallel val/acc --smooth 0.5", "--smooth is only for plots of curves"),
        ("--parallel --scatter seed val/acc", "choose one kind of plot: --parallel or --scatter"),
        ("--parallel", "--parallel takes one metric, not 0"),
        ("--histogram grad/head", "a histogram needs one run, not 4; name one run, or add --limit 1"),
        ("--histogram grad/haed cnn-0", "did you mean grad/head"),
        ("--scatter seed val/loss", "no column 'val/loss'; did you mean"),
        ("val/acc --size 8", "'8' must be WIDTHxHEIGHT, such as 8x5"),
        ("val/acc --out x.gif", "its name must end in .png, .svg or .pdf"),
    ],
)
def test_invalid_plots_are_refused_in_one_line(runfolio, store, words: str, message: str):
    done = runfolio("plot", *words.split())

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


def test_named_runs_without_the_metric_are_reported(runfolio, store):
    with rf.init("bare", store=store) as run:
        run.log({"other": 1.0})

    assert f"warning: bare ({run.id}) has no val/acc" in runfolio("plot", "val/acc", "bare", "cnn-0").stderr


def test_legend_range_interval_and_overlay_are_options(runfolio, store, tmp_path):
    limits = ["--ylim", "0", "1", "--xlim", "1", "2"]
    words = ["plot", "val/acc", "--group-by", "-seed", "--spread", "ci", "--legend", "below", *limits]
    done = runfolio(*words, "--out", tmp_path / "curves.svg")
    assert done.exit_code == 0, done.output
    assert "95 % interval of the mean" in (tmp_path / "curves.svg").read_text()
    assert runfolio("plot", "--overlay", "val/acc", "train/loss").stdout.splitlines()[0] == "val/acc, train/loss"
    assert "mlp" not in runfolio("plot", "val/acc", "--legend", "none").stdout
    assert "must be two numbers" in runfolio("plot", "val/acc", "--xlim", "2", "1").stderr

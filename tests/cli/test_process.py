"""Behaviour that only a separate process can show: start-up, signals, pipes and exit statuses."""

import json
import signal
import subprocess
import sys
import time

import pytest

import runfolio as rf

WALKS = "series: walks\ntarget: walk:target\n"


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], ["torch", "numpy", "pyarrow", "matplotlib", "rich"]),
        (["train", "--help"], ["torch", "numpy", "pyarrow", "matplotlib"]),
        (["evaluate", "--help"], ["torch", "numpy", "pyarrow", "matplotlib"]),
        (["series", "--help"], ["torch", "numpy", "pyarrow", "matplotlib"]),
        (["runs"], ["torch", "matplotlib"]),
    ],
)
def test_a_command_imports_only_what_it_needs(words, unwanted, tmp_path):
    with rf.init("walk", store=tmp_path / "runs") as run:
        run.log({"loss": 1.0})
    script = f"""
import json, sys
from runfolio.cli import main
try:
    main({words!r})
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert set(json.loads(done.stdout.splitlines()[-1])).isdisjoint(unwanted)


def test_listing_runs_that_did_not_change_imports_no_arrow(tmp_path):
    with rf.init("walk", store=tmp_path / "runs") as run:
        run.log({"loss": 1.0})
    script = """
import sys
from runfolio.cli import main
try:
    main(["runs"])
except SystemExit:
    print("pyarrow" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    answers = [subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True) for _ in range(2)]

    assert [answer.stdout.splitlines()[-1] for answer in answers] == ["True", "False"]


def test_the_version(in_a_shell):
    assert finished(in_a_shell("--version")) == (0, f"runfolio {rf.__version__}\n", "")


def test_a_closed_pipe_is_met_in_silence(in_a_shell, tmp_path):
    for _ in range(3):
        with rf.init("walk", store=tmp_path / "runs"):
            pass
    for words in (["runs"], ["runs", "--json"]):
        with in_a_shell(*words) as process:
            process.stdout.close()
            assert process.stderr.read() == ""


def test_failed_run_of_a_series_is_named_and_sets_the_exit_status(in_a_shell, tmp_path):
    (tmp_path / "walks.yaml").write_text(WALKS + "grid: {model: [tinyvgg, mlp], epochs: [1, 2]}\n")

    status, board, said = finished(in_a_shell("series", "walks.yaml"))

    assert status == 1
    assert said.splitlines() == [
        *(line for line in said.splitlines()[:4] if "/4  model" in line),
        "failed: model tinyvgg  epochs 2: ArithmeticError: the ground is gone",
        "1 of 4 runs failed; `runfolio show RUN` shows the error of each",
    ]
    assert "mlp-2" in board
    assert len(rf.open(tmp_path / "runs").runs(state="finished")) == 3


def test_winner_among_runs_of_one_name_is_named_with_its_settings(in_a_shell, tmp_path):
    (tmp_path / "walks.yaml").write_text(WALKS + "settings: {model: mlp, epochs: 2}\ngrid: {pause-s: [0, 0.01]}\n")

    _, board, _ = finished(in_a_shell("series", "walks.yaml"))

    (won,) = (line for line in board.splitlines() if " won with " in line)
    (winner,) = rf.open(tmp_path / "runs").runs()[:1] if "0.01" in won else rf.open(tmp_path / "runs").runs()[1:]
    assert won.count(winner.id) == 1
    assert "pause_s=" in won


def test_series_stopped_by_ctrl_c_is_continued_by_the_same_command(in_a_shell, tmp_path):
    (tmp_path / "walks.yaml").write_text(WALKS + "settings: {pause-s: 0.2}\ngrid: {epochs: [2, 12, 3]}\n")
    process = in_a_shell("series", "walks.yaml")
    until_running(tmp_path / "runs", "mlp-12")
    process.send_signal(signal.SIGINT)

    status, _, said = finished(process)

    assert status == 130
    assert (
        said.splitlines()[-1] == "interrupted: 1 of 3 runs are finished; the same command continues with the other runs"
    )
    assert rf.open(tmp_path / "runs").run("mlp-12").state == "interrupted"

    status, _, said = finished(in_a_shell("series", "walks.yaml"))

    assert status == 0
    assert [" ".join(line.split()[3:5]).rstrip(":") for line in said.splitlines()] == [
        "already finished",
        "resumed and",
        "finished in",
    ]


def test_a_series_of_nothing_but_failures_has_no_winner(in_a_shell, tmp_path):
    (tmp_path / "walks.yaml").write_text(WALKS + "settings: {model: tinyvgg, epochs: 2}\n")

    status, board, _ = finished(in_a_shell("series", "walks.yaml"))

    assert status == 1
    assert "failed" in board
    assert "won" not in board


def test_ctrl_c_while_training_names_the_resume_command(runfolio, forked, tmp_path):
    words = ["--model", "mlp", "--epochs", "15", "--data-fraction", "0.2", "--name", "long"]
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stderr:
        process = forked.start("-m", "runfolio", "train", *words, cwd=tmp_path, stderr=stderr)
    until_running(tmp_path / "runs", "long")
    process.send_signal(signal.SIGINT)

    status = process.wait()

    run = rf.open(tmp_path / "runs").run("long")
    assert (status, run.state) == (130, "interrupted")
    assert errors.read_text().strip() == f"interrupted; `runfolio resume {run.id}` continues it"

    done = runfolio("resume", run.id)

    assert (done.exit_code, rf.open(tmp_path / "runs").run("long").state) == (0, "finished")
    assert f"run   {run.folder}" in done.stdout


def until_running(store, name: str) -> None:
    """Wait until that run has saved its first checkpoint."""
    deadline = time.monotonic() + 120
    while not list(store.glob(f"*/{name}-*/checkpoints/last.json")):
        assert time.monotonic() < deadline, f"{name} did not begin"
        time.sleep(0.02)

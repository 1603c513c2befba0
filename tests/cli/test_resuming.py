"""`resume` prints one line that names the problem if a run cannot, or must not, be continued."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from rich.progress import Progress

import runfolio as rf
from runfolio.vision import TrainSettings, run_experiment


class PowerCut(Progress):
    """Interrupts training after its fifth step, which is in the second epoch: 115 images in batches of 32."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self._left = 5

    def advance(self, task_id, advance=1):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


def interrupted(store: Path, **settings) -> rf.RecordedRun:
    small = {"hidden_units": 4, "data_fraction": 0.1, "epochs": 3, "device": "cpu"}
    with pytest.raises(KeyboardInterrupt):
        run_experiment(TrainSettings(**small | settings), store=store, progress=PowerCut())
    return rf.open(store).runs()[0]


@pytest.fixture
def stopped(tmp_path) -> rf.RecordedRun:
    """Return an interrupted run in ./runs with a checkpoint of its first epoch."""
    return interrupted(tmp_path / "runs")


def refusal(done) -> str:
    assert done.exit_code == 2, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_resume_prints_the_results(runfolio, stopped):
    done = runfolio("resume", stopped.id)

    assert done.exit_code == 0, done.output
    assert rf.open().run(stopped.id).metric("val/acc").steps.tolist() == [1, 2, 3]
    assert f"runfolio evaluate {stopped.id}" in done.stdout


@pytest.mark.parametrize("command", [["resume"], ["fork", "--epochs", "4"]])
def test_what_a_record_has_read_is_named_before_it_is_read(runfolio, stopped, command):
    document = json.loads((stopped.folder / "run.json").read_text())
    document["config"] |= {"data": "zip:http://127.0.0.1:1/\x1b[2Ka.zip", "weights": "a b.pt"}
    (stopped.folder / "run.json").write_text(json.dumps(document))
    done = runfolio(command[0], stopped.id, *command[1:])

    *named, error = done.stderr.splitlines()
    assert named == ["model    tinyvgg", r"data     'zip:http://127.0.0.1:1/\x1b[2Ka.zip'", "weights  'a b.pt'"]
    assert error.startswith("error: ")


def test_early_stop_is_printed(runfolio):
    words = ["train", "--model", "mlp", "--data-fraction", "0.1", "--epochs", "9", "--patience", "1", "--lr", "1e-30"]

    assert "The run stopped after epoch 2 of 9: val/acc did not improve for 1 epoch." in runfolio(*words).stdout


def test_a_checkpoint_of_another_network_is_named(runfolio, stopped, tmp_path):
    other = interrupted(tmp_path / "elsewhere", model="mlp")
    shutil.rmtree(stopped.folder / "checkpoints")
    shutil.copytree(other.folder / "checkpoints", stopped.folder / "checkpoints")

    assert "contains model mlp, but the run trains tinyvgg" in refusal(runfolio("resume", stopped.id))
    assert len(rf.open().run(stopped.id).document.attempts) == 1


def test_a_checkpoint_whose_weights_do_not_fit_names_the_keys_that_differ(runfolio, stopped, tmp_path):
    other = interrupted(tmp_path / "elsewhere", model="mlp")
    for path in (stopped.folder / "checkpoints").glob("*.json"):
        of_other = json.loads((other.folder / "checkpoints" / path.name).read_text())
        shutil.copy(other.folder / "checkpoints" / of_other["files"]["model"]["file"], path.parent)
        manifest = json.loads(path.read_text())
        manifest["files"]["model"] = of_other["files"]["model"]
        path.write_text(json.dumps(manifest))

    line = refusal(runfolio("resume", stopped.id))

    assert "does not fit model: missing: " in line
    assert "; unexpected: " in line


def test_a_checkpoint_of_a_newer_runfolio_is_not_read(runfolio, stopped):
    for path in (stopped.folder / "checkpoints").glob("*.json"):
        path.write_text(
            path.read_text().replace('"runfolio": 0', '"runfolio": 99').replace('"runfolio":0', '"runfolio":99')
        )

    line = refusal(runfolio("resume", stopped.id))

    assert "newer" in line
    assert len(rf.open().run(stopped.id).document.attempts) == 1


def test_of_two_resumes_at_once_one_is_refused_by_name(runfolio, forked, tmp_path):
    stopped = interrupted(tmp_path / "runs", epochs=100_000)
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stderr:
        first = forked.start("-m", "runfolio", "resume", stopped.id, cwd=tmp_path, stderr=stderr)
    try:
        deadline = time.monotonic() + 300
        while len(rf.open().run(stopped.id).document.attempts) == 1:
            assert first.poll() is None, errors.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

        line = refusal(runfolio("resume", stopped.id))
    finally:
        first.kill()
        first.wait()

    assert f"run {stopped.id} is being written by process {first.pid} on " in line


@pytest.fixture
def read_only(stopped):
    """Return the store of the interrupted run, on a disk that no user, not even root, can write to."""
    store = stopped.folder.parent.parent
    mount = ["mount", "--bind", store, store]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    subprocess.run(["mount", "-o", "remount,bind,ro", store], check=True)
    yield store
    subprocess.run(["umount", store], check=True)


@pytest.mark.parametrize("words", [["train", "--data-fraction", "0.1", "--model", "mlp"], ["resume"]])
def test_a_store_that_cannot_be_written_is_named_with_the_remedy(runfolio, stopped, read_only, words):
    line = refusal(runfolio(*words, *([stopped.id] if words == ["resume"] else [])))

    assert "cannot write to the store" in line
    assert "Read-only file system" in line
    assert "--store" in line

"""`init(resume="auto")` for scripts that a cluster restarts, and the names of runs that `resume` accepts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio
from runfolio.errors import Ambiguous, NotFound
from runfolio.record.base.run_document import RunDocument

from ..forked import Forked

SCRIPT = """
import os, signal, sys, runfolio
recording = runfolio.RecordingConfig(console=False, code=False, system_s=0)
with runfolio.init(NAME, store=STORE, resume="auto", recording=recording) as run:
    step = run.restore().step if run.resumed else 0
    print(run.id, step)
    run.log({"loss": 1.0}, step=step + 1)
    if "bare" not in sys.argv:
        run.checkpoint(step=step + 1)
    if "fail" in sys.argv:
        raise SystemExit(3)
    if os.environ.get("KILL"):
        run.restore()
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def train(tmp_path: Path, store: Path, forked_runfolio: Forked) -> Callable[..., tuple[str, int]]:
    """Run a script that resumes by itself; return the id of its run and the step from which it continued."""

    def run(*arguments: str, name: str | None = None, script: str = "train.py", **variables: str) -> tuple[str, int]:
        path = tmp_path / script
        path.write_text(SCRIPT.replace("NAME", repr(name)).replace("STORE", repr(str(store))))
        process = forked_runfolio.run(path, *arguments, cwd=tmp_path, env={**os.environ, **variables})
        assert process.stdout, process.stderr
        run_id, step = process.stdout.split()
        return run_id, int(step)

    return run


def test_killed_and_failed_runs_are_continued_by_the_same_command(store: Path, train: Callable):
    first, step = train(KILL="1")
    assert step == 0
    assert train(KILL="1") == (first, 1)
    assert train() == (first, 2)
    document = RunDocument.read(runfolio.open(store).run(first).folder)
    assert (len(document.attempts), document.status.state) == (3, "finished")


def test_finished_run_is_followed_by_a_new_one(train: Callable):
    first, _ = train()
    second, step = train()
    assert (second != first, step) == (True, 0)


def test_other_arguments_scripts_and_names_open_separate_runs(train: Callable):
    ids = {
        train("fail")[0],
        train("fail", "--lr", "0.1")[0],
        train("fail", script="other.py")[0],
        train("fail", name="named")[0],
    }
    assert len(ids) == 4
    assert train("fail", "--lr", "0.1")[0] in ids
    assert train("fail", name="named")[0] in ids


def test_run_without_a_checkpoint_is_not_continued(train: Callable):
    first, _ = train("bare", "fail")
    second, step = train("bare", "fail")
    assert (second != first, step) == (True, 0)


def test_run_that_is_being_written_is_not_continued(store: Path, train: Callable):
    first, _ = train("fail")
    with runfolio.resume(first, store=store):
        assert train("fail")[0] != first


def test_newest_of_several_unfinished_runs_is_continued(store: Path, train: Callable):
    older, _ = train("fail")
    with runfolio.resume(older, store=store):
        newer, _ = train("fail")
    assert train("fail") == (newer, 1)


def test_run_id_in_the_environment_selects_the_run_to_continue(train: Callable):
    assert train(KILL="1", RUNFOLIO_RUN_ID="job7") == ("job7", 0)
    assert train(RUNFOLIO_RUN_ID="job7") == ("job7", 1)


def test_run_is_resumed_by_its_name_even_if_renamed(store: Path):
    with runfolio.init("first", store=store) as run:
        assert not run.resumed
        run.checkpoint(step=4)
    runfolio.open(store).run("first").edits.rename("renamed")
    with runfolio.init(resume="renamed", store=store) as again:
        assert (again.id, again.resumed, again.last_step) == (run.id, True, 4)
    with runfolio.fork("renamed", store=store) as fork:
        assert fork.resumed


def test_resume_accepts_the_names_of_the_command_line(store: Path):
    with runfolio.init("net", store=store) as run:
        run.checkpoint(step=4)
    recorded = runfolio.open(store).run("net")
    for reference in (run, recorded, run.id, run.id[:4], "net", run.folder):
        with runfolio.init(resume=reference, store=store) as again:
            assert (again.id, again.last_step) == (run.id, 4)
    with runfolio.fork(recorded, store=store) as fork:
        assert fork.resumed


def test_ambiguous_run_name_is_refused(store: Path):
    runs = [runfolio.init("twice", store=store) for _ in range(2)]
    runs[1].finish()
    with pytest.raises(Ambiguous, match=r"'twice' matches 2 runs; give more of the id, or the folder:") as error:
        runfolio.resume("twice", store=store)
    assert all(run.id in str(error.value) for run in runs)
    with pytest.raises(NotFound, match=r"no run 'twica' in .*; did you mean twice\?"):
        runfolio.resume("twica", store=store)


RESTARTED = """
import os, signal, sys, runfolio
recording = runfolio.RecordingConfig(console=False, code=False, system_s=0)
with runfolio.init(store=STORE, recording=recording) as run:
    print(run.id, run.last_step, run.resumed, file=sys.stderr)
    first = run.last_step + 1 if sys.argv[1] == "continues" else 0
    for step in range(first, 6):
        run.log({"attempt": float(len(run.recorder.document.attempts))}, step=step)
        if step == 3 and len(run.recorder.document.attempts) == 1:
            run.flush()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("script_start", "attempts"), [("continues", [1, 1, 1, 1, 2, 2]), ("starts again", [2, 2, 2, 2, 2, 2])]
)
def test_restarted_job_without_a_checkpoint_has_one_curve(
    store: Path, tmp_path: Path, forked_runfolio: Forked, script_start: str, attempts: list[int]
):
    path = tmp_path / "train.py"
    path.write_text(RESTARTED.replace("STORE", repr(str(store))))
    environment = {**os.environ, "RUNFOLIO_RUN_ID": "job1"}
    said = [forked_runfolio.run(path, script_start, cwd=tmp_path, env=environment).stderr for _ in range(2)]
    assert said == ["job1 -1 False\n", "job1 3 False\n"]
    run = runfolio.open(store).run("job1")
    assert run.state == "finished"
    assert run.metric("attempt").steps.tolist() == list(range(6))
    assert run.metric("attempt").values.tolist() == attempts


def test_unknown_option_leaves_no_run(store: Path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'pace'"):
        runfolio.fork("net", store=store, pace=None)  # type: ignore[call-arg]
    assert not store.exists()

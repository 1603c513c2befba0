"""Several processes of one run: ranks, subprocesses, forked and spawned children, DataLoader workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import runfolio
from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.layout import find_runs
from runfolio.record.liveness.heartbeats import heartbeats
from runfolio.record.points.reader import PointFiles


@contextmanager
def processes(scripts: list[str], *arguments: object, **variables: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Start Python processes at once, each with its number as RANK; end all of them afterwards."""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(len(scripts)), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, script in enumerate(scripts)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def outputs(started: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Return exit code, stdout and stderr of each process after all have ended."""
    said = [process.communicate(timeout=60) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


def the_run(store: Path) -> Path:
    (folder,) = find_runs(store)
    return folder


RANK = """
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1], config={"lr": 0.1})
for step in range(50):
    run.log({"loss": float(os.environ["RANK"]) + step / 100}, step=step)
run.finish()
"""


class TestRanks:
    def test_four_ranks_with_one_id_are_one_run_whose_primary_is_rank_0(self, store: Path):
        with processes([RANK] * 4, store, RUNFOLIO_RUN_ID="exp1") as ranks:
            assert outputs(ranks) == [(0, "", "")] * 4
        run = runfolio.open(store).run("exp1")
        assert (run.id, run.state, run.config) == ("exp1", "finished", {"lr": 0.1})
        assert len(run.document.attempts) == 1
        assert [(heartbeat.rank, heartbeat.role, heartbeat.end) for heartbeat in heartbeats(run.folder)] == [
            (0, "primary", "finished"),
            *((rank, "rank", "finished") for rank in (1, 2, 3)),
        ]
        assert sum(map(len, PointFiles(run.folder).calls("all").values())) == 200

    def test_rank_waits_for_rank_0_for_limited_time_then_opens_the_run(self, store: Path):
        rank_1 = RANK.replace("config=", "recording=runfolio.RecordingConfig(join_s=1.0), config=")
        with processes(["import time; time.sleep(60)", rank_1], store, RUNFOLIO_RUN_ID="exp2") as (absent, other):
            assert other.communicate(timeout=30) == ("", "")
            assert absent.poll() is None
        assert [(heartbeat.rank, heartbeat.role) for heartbeat in heartbeats(the_run(store))] == [(1, "primary")]

    def test_rank_that_starts_after_the_end_still_joins(self, store: Path):
        late = "import time; time.sleep(2)\n" + RANK
        with processes([RANK, late], store, RUNFOLIO_RUN_ID="exp3") as ranks:
            assert outputs(ranks) == [(0, "", "")] * 2
        assert [heartbeat.rank for heartbeat in heartbeats(the_run(store))] == [0, 1]

    def test_id_of_a_finished_run_is_refused_unless_it_resumes(self, store: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RUNFOLIO_RUN_ID", "exp4")
        with runfolio.init(store=store) as run:
            run.log({"loss": 1.0})
            run.checkpoint(step=0)
        with pytest.raises(StoreError, match=r'run exp4 .* has finished; .* another id .* init\(resume="auto"\)'):
            runfolio.init(store=store)
        with runfolio.init(store=store, resume="auto") as run:
            assert (run.resumed, run.last_step) == (True, 0)
            run.log({"loss": 2.0})
        assert runfolio.open(store).run("exp4").metric("loss").values.tolist() == [1.0, 2.0]

    def test_ranks_of_a_dead_run_continue_it_together(self, store: Path):
        script = """
import os, signal, sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
print(run.resumed)
run.log({"rank": float(os.environ["RANK"])}, step=len(run.recorder.document.attempts))
if os.environ["RANK"] == "0":
    run.checkpoint(step=1)
    run.restore()
run.flush()
if sys.argv[2] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
"""
        with processes([script], store, "dies", RUNFOLIO_RUN_ID="exp5") as ranks:
            assert [text for _, text, _ in outputs(ranks)] == ["False\n"]
        with processes([script] * 2, store, "ends", RUNFOLIO_RUN_ID="exp5") as ranks:
            assert outputs(ranks) == [(0, "True\n", "")] * 2
        run = runfolio.open(store).run("exp5")
        assert (run.state, len(run.document.attempts)) == ("finished", 2)
        assert run.metric("rank").steps.tolist() == [1, 2]
        roles = [(heartbeat.attempt, heartbeat.rank, heartbeat.role) for heartbeat in heartbeats(run.folder)]
        assert roles == [(1, 0, "primary"), (2, 0, "primary"), (2, 1, "rank")]

    @pytest.mark.parametrize("bad", ["a/b", "..", "x" * 65, "a b"])
    def test_invalid_id_is_refused(self, store: Path, monkeypatch: pytest.MonkeyPatch, bad: str):
        monkeypatch.setenv("RUNFOLIO_RUN_ID", bad)
        with pytest.raises(ConfigError, match="an id must consist of 1 to 64 letters, digits, _ and -"):
            runfolio.init(store=store)
        assert not store.exists()

    def test_subprocess_joins_by_env_and_init_sets_no_variables(self, store: Path, python: Callable):
        before = dict(os.environ)
        with runfolio.init("net", store=store, config={"lr": 1}) as run:
            assert dict(os.environ) == before
            run.log({"loss": 1.0})
            child = """
import runfolio
run = runfolio.init("evaluation")
run.log({"score": 5.0})
run.summary["score"] = 5.0
run.config["lr"] = 2
assert run.checkpoint(step=1) is False
"""
            done = python(child, env={**os.environ, **run.env})
            assert done.returncode == 0, done.stderr
            assert done.stderr.count("\n") == 1
            assert "has joined this run" in done.stderr
        (recorded,) = runfolio.open(store).runs()
        assert recorded.metric("score").values.tolist() == [5.0]
        assert (recorded.config, recorded.summary) == ({"lr": 1}, {})


class TestForkedChildren:
    @pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(3)", "raise ValueError"])
    def test_children_log_into_the_run_as_separate_writers(self, store: Path, python: Callable, ending: str):
        script = f"""
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
run.log({{"parent": 0.0}})
children = []
for child in range(8):
    if (pid := os.fork()) == 0:
        for n in range(500):
            runfolio.log({{"child": child * 500.0 + n}})
        if "{ending}".startswith("os."):
            assert run.flush()
        {ending}
    children.append(pid)
run.log({{"parent": 1.0}})
for pid in children:
    os.waitpid(pid, 0)
run.log({{"parent": 2.0}})
run.finish()
"""
        done = python(script, store)
        assert done.returncode == 0, done.stderr
        run = runfolio.open(store).run("net")
        assert run.state == "finished"
        assert run.metric("parent").values.tolist() == [0.0, 1.0, 2.0]
        assert sorted(run.metric("child").values.tolist()) == list(range(4000))
        ends = {heartbeat.end for heartbeat in heartbeats(run.folder) if heartbeat.role == "process"}
        assert ends == {{"o": None, "s": "failed", "r": "failed"}[ending[0]]}

    def test_child_that_logs_nothing_leaves_no_trace(self, store: Path, python: Callable):
        script = """
import os, sys, runfolio
with runfolio.init("net", store=sys.argv[1]) as run:
    if os.fork() == 0:
        run.finish()
        sys.exit()
    os.wait()
    run.log({"loss": 1.0})
"""
        assert python(script, store).returncode == 0
        run = runfolio.open(store).run("net")
        assert (run.state, run.metric("loss").values.tolist()) == ("finished", [1.0])
        assert len(heartbeats(run.folder)) == 1

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_children_of_multiprocessing_join_with_every_start_method(
        self, store: Path, python: Callable, tmp_path: Path, method: str
    ):
        script = tmp_path / "script.py"
        script.write_text("""
import multiprocessing, sys, runfolio

def work(run, child):
    for n in range(100):
        run.log({"child": child * 100.0 + n})
    if child == 3:
        raise ValueError("no luck")

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    with runfolio.init("net", store=sys.argv[1]) as run:
        children = [context.Process(target=work, args=(run, child)) for child in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
""")
        done = subprocess.run([sys.executable, script, store, method], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        run = runfolio.open(store).run("net")
        assert sorted(run.metric("child").values.tolist()) == list(range(400))
        assert sorted(str(heartbeat.end) for heartbeat in heartbeats(run.folder) if heartbeat.role == "process") == [
            "failed",
            *["finished"] * 3,
        ]

    @pytest.mark.parametrize("options", ["num_workers=0", "num_workers=2", "num_workers=4, persistent_workers=True"])
    def test_workers_of_a_data_loader_log_in_getitem(self, store: Path, python_torch: Callable, options: str):
        script = f"""
import sys, torch, warnings, runfolio
warnings.simplefilter("ignore")  # of torch: that the machine has fewer cores than four
from torch.utils.data import DataLoader, Dataset

class Items(Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        runfolio.log({{"index": index}})
        return torch.tensor(index)

with runfolio.init("net", store=sys.argv[1]) as run:
    loader = DataLoader(Items(), batch_size=4, {options})
    for epoch in range(2):
        for batch in loader:
            run.log({{"batch": batch[0]}})
    del loader
"""
        done = python_torch(script, store)
        assert (done.returncode, done.stderr) == (0, "")
        run = runfolio.open(store).run("net")
        assert len(run.metric("batch")) == 20
        assert sorted(run.metric("index").values.tolist()) == sorted([*range(40)] * 2)
        workers = [heartbeat.worker for heartbeat in heartbeats(run.folder) if heartbeat.role == "worker"]
        assert set(workers) == set(range(int(options[12])))

    def test_child_may_open_a_run_of_its_own(self, store: Path, python: Callable):
        script = """
import os, sys, runfolio
run = runfolio.init("parent", store=sys.argv[1])
if (child := os.fork()) == 0:
    runfolio.init("child", store=sys.argv[1])
    runfolio.log({"loss": 1.0})
    runfolio.current().finish()
    sys.exit()
os.waitpid(child, 0)
runfolio.log({"loss": 2.0})
"""
        assert python(script, store).stderr == ""
        folio = runfolio.open(store)
        losses = {name: folio.run(name).metric("loss").values.tolist() for name in ("parent", "child")}
        assert losses == {"parent": [2.0], "child": [1.0]}

    def test_items_queued_at_a_fork_are_written_only_by_the_parent(self, store: Path, python: Callable):
        script = """
import os, sys, runfolio
with runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(flush_s=60)) as run:
    for n in range(1000):
        run.log({"x": float(n)})
    if os.fork() == 0:
        run.log({"x": -1.0})
        sys.exit()
    os.wait()
"""
        assert python(script, store).returncode == 0
        assert sum(map(len, PointFiles(the_run(store)).calls("all").values())) == 1001

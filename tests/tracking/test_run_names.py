"""Default names of runs."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import runfolio
from runfolio.record.base.run_names import claim_name
from runfolio.tensorboard.summary_writer import SummaryWriter

INIT = """
import runfolio
with runfolio.init(recording=runfolio.RecordingConfig(console=False)) as run:
    print(run.name)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pets").mkdir()
    for name in ("train.py", "notes_%s.py" % ("x" * 60), "déjà vu.py", "pets/__main__.py", "pets/tune.py"):
        (tmp_path / name).write_text(INIT)
    return tmp_path


def start(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "RUNFOLIO_CODE": "off", **variables}
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def name_of(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.strip()


def test_script_names_its_runs_and_counts_them(folder: Path) -> None:
    assert [name_of(start(folder, "train.py")) for _ in range(3)] == ["train-1", "train-2", "train-3"]
    assert runfolio.open(folder / "runs").run("train-2").experiment == "default"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["-m", "pets"], "pets-1"),
        (["-m", "pets.tune"], "tune-1"),
        (["-c", INIT], "python-1"),
        (["déjà vu.py"], "déjà-vu-1"),
        (["notes_%s.py" % ("x" * 60)], f"notes_{'x' * 18}-1"),
    ],
)
def test_every_kind_of_program_gives_a_short_name(folder: Path, arguments: list[str], name: str) -> None:
    assert name_of(start(folder, *arguments)) == name


@pytest.mark.parametrize(("session", "name"), [("/home/ann/pets.ipynb", "pets-1"), ("", "notebook-1")])
def test_notebook_names_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: str, name: str) -> None:
    monkeypatch.setattr(sys, "argv", ["/venv/lib/ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    with runfolio.init(store=tmp_path) as run:
        assert run.name == name


def test_explicit_name_stays_as_it_is(tmp_path: Path) -> None:
    for _ in range(2):
        with runfolio.init("baseline", store=tmp_path) as run:
            assert run.name == "baseline"


def test_resumed_run_keeps_its_name(tmp_path: Path) -> None:
    with runfolio.init(store=tmp_path) as run:
        run.log({"loss": 1.0})
    with runfolio.resume(run.id, checkpoint=None, store=tmp_path) as resumed:
        assert resumed.name == run.name


def test_summary_writer_run_without_name_gets_a_unique_one(tmp_path: Path) -> None:
    names = set()
    for _ in range(2):
        writer = SummaryWriter.of_run(runfolio.init(store=tmp_path, tensorboard=True))
        names.add(writer.run.name)
        writer.close()
    assert len(names) == 2


def test_shared_run_without_name_is_named_by_its_id(folder: Path) -> None:
    ranks = [start(folder, "train.py", RUNFOLIO_RUN_ID="exp1", RANK=str(rank)) for rank in range(2)]
    assert [name_of(rank) for rank in ranks] == ["exp1", "exp1"]


def test_fifty_processes_at_once_get_a_hundred_names(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from runfolio.record.base.run_names import claim_name\n"
        "sys.stdin.readline()\n"
        "for _ in range(2): print(claim_name(Path('runs'), 'train'))\n"
    )
    (folder / "runs").mkdir()
    command = [sys.executable, "-c", script]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(50)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        names = [name for process in processes for name in process.communicate(timeout=120)[0].split()]
    assert sorted(names) == sorted(f"train-{number}" for number in range(1, 101))


def test_runs_of_one_script_have_different_names(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with runfolio.init(
            store=tmp_path, recording=runfolio.RecordingConfig(console=False, code=False, system_s=0)
        ) as run:
            names.add(run.name)
    assert len(names) == 20
    assert {run.name for run in runfolio.open(tmp_path).runs()} == names


def test_name_of_a_deleted_run_is_not_reused(tmp_path: Path) -> None:
    with runfolio.init(store=tmp_path) as first:
        pass
    folio = runfolio.open(tmp_path)
    folio.trash.put(folio.run(first.id))
    folio.trash.purge(folio.trash.run(first.id))
    with runfolio.init(store=tmp_path) as second:
        assert second.name != first.name


def test_next_name_in_a_large_store_follows_the_last(tmp_path: Path) -> None:
    (tmp_path / ".names").mkdir()
    for number in range(1, 3001):
        (tmp_path / ".names" / f"train-{number}").touch()
    assert claim_name(tmp_path, "train") == "train-3001"
    assert claim_name(tmp_path, "tune") == "tune-1"

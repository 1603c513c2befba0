"""Plan of a repetition: its requirements and obstacles are reported before anything is executed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.run import RecordedRun
from runfolio.record.base.redaction import REDACTED
from runfolio.record.base.run_parts import Environment
from runfolio.reproduce import command_line
from runfolio.reproduce.deviation import Deviation
from runfolio.reproduce.environment_check import find_deviations
from runfolio.reproduce.plan import Plan, ReproduceOptions, is_inside_root, make_plan
from runfolio.reproduce.recorded_variables import without_own_threads

from .conftest import MODEL, SCRIPT, Project


@pytest.fixture
def edited(project: Project) -> Callable[..., RecordedRun]:
    """Return a function that runs the script and then replaces values in `run.json`."""
    from orjson import dumps, loads

    def edited(*words: object, **changes: Any) -> RecordedRun:
        folder = project.start("train.py", "--seed", "7", *words).folder
        document = loads((folder / "run.json").read_bytes())
        for key, value in changes.items():
            document[key] = {**document[key], **value} if isinstance(document[key], dict) else value
        (folder / "run.json").write_bytes(dumps(document))
        return runfolio.open(project.store).run(folder)

    return edited


@pytest.fixture
def planned(project: Project) -> Callable[..., Plan]:
    def planned(run: RecordedRun, **wish: Any) -> Plan:
        return make_plan(run, ReproduceOptions(**wish), fresh_folder=project.temporary, store=project.store)

    return planned


def test_variables_of_then_are_set_and_those_of_today_are_not(
    project: Project, planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
):
    project.variables = {"PYTHONHASHSEED": "3", "CUDA_VISIBLE_DEVICES": "1", "SLURM_JOB_ID": "5", "RANK": "0"}
    run = project.start("train.py", "--seed", "7")
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("RUNFOLIO_RUN_ID", "another")
    plan = planned(run)
    environment = plan.environment(os.environ)
    assert environment["PYTHONHASHSEED"] == "3"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["RUNFOLIO_REPRODUCES"] == run.id
    assert environment["RUNFOLIO_STORE"] == environment["RUNFOLIO_REPRODUCE_STORE"] == str(project.store)
    assert not {"PYTHONOPTIMIZE", "RUNFOLIO_RUN_ID", "SLURM_JOB_ID", "RANK"} & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]


def test_as_many_threads_as_torch_had(edited: Callable[..., RecordedRun], planned: Callable[..., Plan]):
    run = edited(environment={"torch": {"threads": 6}, "variables": {}})
    assert planned(run).variables["OMP_NUM_THREADS"] == "6"
    run = edited(environment={"torch": {"threads": 6}, "variables": {"OMP_NUM_THREADS": "4"}})
    assert planned(run).variables["OMP_NUM_THREADS"] == "4"


def test_number_of_threads_that_a_reproduction_sets_itself_is_no_cause():
    environment: Environment = {"torch": {"threads": 6}}
    assert without_own_threads(environment, {}, {"OMP_NUM_THREADS": "6", "TZ": "UTC"}) == ({}, {"TZ": "UTC"})
    for before, after in (({}, {"OMP_NUM_THREADS": "2"}), ({"OMP_NUM_THREADS": "6"}, {"OMP_NUM_THREADS": "6"})):
        assert without_own_threads(environment, before, after) == (before, after)


def test_pythons_path_and_arguments_lead_into_the_fresh_folder(project: Project, planned: Callable[..., Plan]):
    (project.folder / "settings.txt").touch()
    (project.folder / "lib").mkdir()
    project.commit()
    script = project.folder / "train.py"
    script.write_text(SCRIPT.replace("flags = flags.parse_args()", "flags = flags.parse_known_args()[0]"))
    project.variables = {"PYTHONPATH": f"{project.folder}/lib:{os.environ['PYTHONPATH']}"}
    run = project.start(script, "--seed", "7", f"--config={project.folder}/settings.txt", f"{project.folder}/photos")
    plan = planned(run)
    tree = project.temporary / "project"
    assert plan.command[1:] == [
        str(tree / "train.py"), "--seed", "7", f"--config={tree}/settings.txt", f"{project.folder}/photos",
    ]  # fmt: skip
    assert plan.variables["PYTHONPATH"].split(":")[:2] == [str(tree / "lib"), str(project.libraries)]
    assert plan.folder == tree


def test_repository_packages_are_imported_from_the_recorded_commit(
    project: Project, edited: Callable[..., RecordedRun], planned: Callable[..., Plan]
):
    project.commit()
    run = edited(environment={"installed_from": {"own": f"file://{project.folder} (editable)"}})
    paths = planned(run).variables["PYTHONPATH"].split(":")
    assert paths[:2] == [str(project.temporary / "project" / "src"), str(project.temporary / "project")]


def test_data_that_git_ignores_is_linked_and_results_are_not(project: Project, planned: Callable[..., Plan]):
    for name in ("results", "more"):
        (project.folder / name).mkdir()
    (project.folder / "more" / "known.txt").touch()
    (project.folder / ".gitignore").write_text("photos/\nresults/\n*.raw\n")
    project.commit()
    (project.folder / "more" / "1.raw").touch()
    script = project.folder / "train.py"
    script.write_text(SCRIPT.replace("flags = flags.parse_args()", "flags = flags.parse_known_args()[0]"))
    run = project.start("train.py", "--seed", "7", "--out", "results", "more", "runs", ".", "..", "/", "nowhere")
    tree = project.temporary / "project"
    assert planned(run).links == {
        tree / "more" / "1.raw": project.folder / "more" / "1.raw",  # git knows the rest of it
        tree / "photos": project.folder / "photos",  # the script's own default, but it is in its config
    }
    with pytest.raises(NotFound, match=r"--link nothing: .* does not exist"):
        planned(run, links=["nothing"])
    assert tree / "results" in planned(run, links=["results"]).links


def test_a_secret_must_be_given_again(edited: Callable[..., RecordedRun], planned: Callable[..., Plan]):
    run = edited(code={"command": ["train.py", "--api-key", REDACTED, "--seed", "7"]})
    with pytest.raises(ConfigError, match=r"the value of --api-key is a secret, .* -- --api-key VALUE"):
        planned(run)
    assert planned(run, arguments=["--api-key", "s3cret"]).command[-4:] == ["--api-key", "s3cret", "--seed", "7"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": {"command": ["/x/ipykernel_launcher.py", "-f", "k.json"], "script": None}}, "started in a notebook"),
        ({"code": {"command": ["-c"], "script": None}}, "Python's prompt or by `python -c`"),
        ({"code": {"command": []}}, "its record does not contain the command"),
        ({"environment": {"variables": {"WORLD_SIZE": "4"}}}, "several ranks wrote to it"),
    ],
)
def test_run_that_cannot_be_repeated_is_refused(
    edited: Callable[..., RecordedRun], planned: Callable[..., Plan], changes: dict[str, Any], reason: str
):
    with pytest.raises(ConfigError, match=rf"run net \(\w+\) cannot be repeated: .*{reason}"):
        planned(edited(**changes))


def test_code_that_is_nowhere(project: Project, planned: Callable[..., Plan]):
    project.variables = {"RUNFOLIO_CODE": "off"}
    run = project.start("train.py", "--seed", "7")
    with pytest.raises(NotFound, match="its code was not captured; --here repeats it"):
        planned(run)
    assert planned(run, here=True).tree == project.folder
    project.commit()
    run = project.start("train.py", "--seed", "7")
    assert planned(run).source.kind == "worktree"
    project.folder.rename(project.folder.with_name("moved"))
    with pytest.raises(NotFound, match=r"commit \w+ of run net .* is not in .*; pass a repository"):
        planned(run)
    with pytest.raises(NotFound, match="does not contain commit"):
        planned(run, repository=project.temporary)


def test_uncommitted_changes_that_were_not_kept(project: Project, planned: Callable[..., Plan]):
    project.commit()
    (project.folder / "model.py").write_text("# changed\n" + (project.folder / "model.py").read_text())
    project.variables = {"RUNFOLIO_CODE": "off"}
    with pytest.raises(ConfigError, match="uncommitted changes that were not captured"):
        planned(project.start("train.py", "--seed", "7"))


def test_what_is_not_as_it_was_is_said(project: Project, planned: Callable[..., Plan]):
    (project.folder / "mask.bin").write_bytes(b"\0\1")
    project.commit()
    (project.folder / "mask.bin").write_bytes(b"\0\2")
    (project.folder / "photo.png").write_bytes(b"\0")
    (project.folder / "old.png").write_bytes(b"\0")
    (project.folder / "login.py").write_text("password = 'hunter2hunter2'\n")
    run = project.start("train.py", "--seed", "7")
    (project.folder / "old.png").unlink()
    plan = planned(run)
    assert [remark.partition(":")[0].partition(" (")[0] for remark in plan.remarks] == [
        "the changes to mask.bin were not captured, because it is a binary file; its committed version is used",
        "old.png was not captured",
        "login.py",
    ]
    assert project.temporary / "project" / "photo.png" in plan.links  # today's is taken


def test_a_run_that_was_resumed_is_repeated_from_its_first_start(project: Project, planned: Callable[..., Plan]):
    run = project.start("train.py", "--seed", "7")
    resume = "import sys, runfolio\nrunfolio.resume(sys.argv[1], checkpoint=None).finish()"
    subprocess.run([sys.executable, "-c", resume, run.id], env=project.environment, cwd=project.folder, check=True)
    plan = planned(runfolio.open(project.store).run(run.id))
    assert plan.command[1:] == [str(project.temporary / "project" / "train.py"), "--seed", "7"]
    assert plan.remarks == ["the run was resumed (2 attempts); the whole run is repeated, from its first start"]


def test_data_that_changed_between_two_attempts_is_said(
    edited: Callable[..., RecordedRun], planned: Callable[..., Plan]
):
    run = edited()
    run = edited(data={"train": {"fingerprint": run.data["train"].fingerprint, "earlier": [{"fingerprint": "0" * 32}]}})
    assert planned(run).remarks == [
        "the train data changed between attempts of the run; today's data is used from the start"
    ]


def test_only_paths_below_the_root_are_laid():
    assert all(map(is_inside_root, ("a.py", "a/b.py", "..a/b")))
    assert not any(map(is_inside_root, ("", "/etc/passwd", "../a", "a/../../b", ".git/hooks/post-checkout", "a\0b")))


@pytest.mark.parametrize(
    ("recorded", "given", "merged", "named"),
    [
        ("--lr 0.1 -x", "--lr 0.2", "--lr 0.2 -x", [("--lr", "0.1", "0.2")]),
        ("--lr=0.1", "--lr 0.2", "--lr 0.2", [("--lr", "0.1", "0.2")]),
        ("--lr 0.1", "--lr=0.2", "--lr=0.2", [("--lr", "0.1", "0.2")]),
        ("a.yaml --lr 0.1", "--amp", "a.yaml --lr 0.1 --amp", [("--amp", None, "given")]),
        ("--lr 0.1 a.yaml", "--lr 0.2", "--lr 0.2 a.yaml", [("--lr", "0.1", "0.2")]),
        ("--shift -0.5", "--shift -1e-3", "--shift -1e-3", [("--shift", "-0.5", "-1e-3")]),
        ("--lr 0.1", "--lr 0.1", "--lr 0.1", []),
        ("--lr 0.1", "more", "--lr 0.1 more", [("arguments", None, "more")]),
        ("", "", "", []),
    ],
)
def test_given_arguments_go_into_the_place_of_those_of_the_same_flag(
    recorded: str, given: str, merged: str, named: list[tuple[str, str | None, str]]
):
    words, changed = command_line.merge_arguments(recorded.split(), given.split())
    assert " ".join(words) == merged
    assert changed == [Deviation("flag", *entry) for entry in named]


words = st.lists(st.sampled_from(["--lr", "0.1", "-v", "--out=x", "a", "-1", "--", "-"]), max_size=8)


@given(words)
def test_without_given_arguments_a_command_line_stays_as_it_is(recorded: list[str]):
    assert command_line.merge_arguments(recorded, []) == (recorded, [])
    assert command_line.without_flag(recorded, "--nothing") == recorded


def test_the_folder_is_given_by_its_name(project: Project, planned: Callable[..., Plan]):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    assert planned(run).tree == Path(project.temporary, "project")


def test_changes_in_a_submodule_are_left_out_of_the_plan(project: Project, planned: Callable[..., Plan]):
    library = project.store.parent / "library"
    library.mkdir()
    (library / "conf.yaml").write_text("lr: 0.1\n")
    source = replace(project, folder=library)
    source.commit()
    project.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    project.commit()
    (project.folder / "lib" / "conf.yaml").write_text("lr: 99\n")
    (project.folder / "model.py").write_text(MODEL + "\n")
    plan = planned(project.start("train.py", "--seed", "7"))
    assert b"model.py" in plan.diff
    assert b"conf.yaml" not in plan.diff
    assert "the repository has submodules, which are not checked out" in plan.remarks


def test_missing_folder_that_an_argument_named_is_listed(project: Project, planned: Callable[..., Plan]):
    (project.folder / ".gitignore").write_text("photos/\nextra/\nmade/\n")
    project.commit()
    script = project.folder / "train.py"
    script.write_text(SCRIPT.replace("flags = flags.parse_args()", "flags = flags.parse_known_args()[0]"))
    shared = project.store.parent / "shared"
    folders = [project.folder / "extra", project.folder / "made", shared]
    for folder in folders:
        folder.mkdir()
    arguments = ("--extra=extra", "--out", "made", "--shared", str(shared), "--mode", "fast")
    run = project.start("train.py", "--seed", "7", *arguments)
    assert run.document.code["existing"] == ["extra", "made", str(shared)]
    assert planned(run).missing_data == []

    for folder in folders:
        folder.rmdir()
    plan = planned(run)
    assert plan.missing_data == ["extra", str(shared)]
    said = [deviation.text for deviation in find_deviations(plan)]
    assert "extra: present -> (none) (missing; pass it with --link extra=PATH)" in said
    assert f"{shared}: present -> (none) (missing; pass a different path after --)" in said
    assert planned(run, arguments=["--extra=photos", "--shared", "photos"]).missing_data == []
    assert planned(run, links=[f"extra={project.folder / 'photos'}"]).missing_data == [str(shared)]


def test_missing_data_file_is_named_and_may_be_elsewhere(project: Project, planned: Callable[..., Plan]):
    (project.folder / ".gitignore").write_text("corpus.txt\nphotos/\n")
    project.commit()
    corpus = project.folder / "corpus.txt"
    corpus.write_text("to be\n")
    script = project.folder / "train.py"
    script.write_text(SCRIPT.replace("flags = flags.parse_args()", "flags = flags.parse_known_args()[0]"))
    run = project.start("train.py", "--seed", "7", "--corpus", "corpus.txt")
    elsewhere = project.store.parent / "moved.txt"
    corpus.rename(elsewhere)
    plan = planned(run)
    assert plan.missing_data == ["corpus.txt"]
    assert "corpus.txt: present -> (none) (missing; pass it with --link corpus.txt=PATH)" in [
        deviation.text for deviation in find_deviations(plan)
    ]
    given = planned(run, links=[f"corpus.txt={elsewhere}"])
    assert given.missing_data == []
    assert given.links[project.temporary / "project" / "corpus.txt"] == elsewhere
    with pytest.raises(ConfigError, match="is outside of"):
        planned(run, links=[f"../corpus.txt={elsewhere}"])

"""A run of unknown origin: nothing of it runs before the user agrees, and only the new folder is written to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from orjson import dumps, loads

from runfolio.query.run import RecordedRun

from .conftest import SCRIPT, Project, typed, typed_in_a_shell


def _edit(path: Path, **changes: Any) -> None:
    document = loads(path.read_bytes())
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(document[key], dict) else value
    path.write_bytes(dumps(document))


def _list_of_code(run: RecordedRun) -> Path:
    (path,) = (run.folder / "code").glob("*.json")
    return path


def test_an_interpreter_that_came_with_it_is_not_asked(project: Project):
    run = project.start("train.py", "--seed", "7")
    trace = project.store.parent / "it ran"
    for name, recorded in (("python3", None), ("python", f"{run.folder.relative_to(project.store.parent)}/python")):
        sent = run.folder / name
        sent.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
        sent.chmod(0o755)
        _edit(run.folder / "run.json", environment={"executable": recorded or str(sent)})
        done = typed_in_a_shell(project, run.id, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "is not trusted" in done.stdout
        assert not trace.exists()


def test_a_repository_that_came_with_it_is_not_used(project: Project):
    run = project.start("train.py", "--seed", "7")
    trace = project.store.parent / "it ran"
    sent = Project(run.folder / "sent", project.store, project.libraries, project.server)
    sent.folder.mkdir()
    (sent.folder / "train.py").write_text(SCRIPT)
    (sent.folder / ".gitattributes").write_text("* filter=any\n")
    sent.commit()
    sent.git("config", "filter.any.smudge", f"touch '{trace}'; cat")
    facts = {"commit": sent.git("rev-parse", "HEAD").strip(), "folder": str(sent.folder)}
    _edit(run.folder / "run.json", code={**facts, "script": str(sent.folder / "train.py")})
    _edit(_list_of_code(run), root=str(sent.folder))
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "the files stored with the run" in done.stdout
    assert not trace.exists()


def test_no_folder_is_made_elsewhere(project: Project):
    run = project.start("train.py", "--seed", "7")
    elsewhere = project.store.parent / "elsewhere" / "deep"
    _edit(run.folder / "run.json", code={"folder": str(elsewhere)})
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 2
    assert f"{elsewhere}, where run net ({run.id}) was started, is missing" in done.stderr
    assert not elsewhere.parent.exists()


def test_no_folder_is_made_where_a_link_of_the_commit_leads(project: Project):
    (project.store.parent / "outside").mkdir()
    (project.folder / "out").symlink_to(project.store.parent / "outside")
    project.commit()
    run = project.start("train.py", "--seed", "7")
    _edit(run.folder / "run.json", code={"folder": str(project.folder / "out" / "new")})
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 2
    assert "a link in its repository leads out of the fresh folder" in done.stderr
    assert not list((project.store.parent / "outside").iterdir())


def test_dry_run_prints_the_plan_as_json(project: Project):
    run = project.start("train.py", "--seed", "7")
    said = json.loads(typed(project, run.id, "--dry-run", "--json", "--", "--lr", "0.3").stdout)
    assert said["command"][-4:] == ["--seed", "7", "--lr", "0.3"]
    assert said["set"]["RUNFOLIO_REPRODUCES"] == run.id
    assert said["differences"] == [{"kind": "flag", "text": "--lr: (none) -> 0.3"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"code": {"folder": 7}},
        {"code": {"command": "train.py"}},
        {"code": {"script": "train\0.py"}},
        {"code": {"earlier": 3}},
        {"environment": {"packages": ["torch"]}},
        {"environment": {"torch": "x"}},
    ],
)
def test_a_record_of_other_kinds_of_values_is_damaged(project: Project, changes: dict[str, Any]):
    run = project.start("train.py", "--seed", "7")
    _edit(run.folder / "run.json", **changes)
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 2
    assert f"{run.folder / 'run.json'} is damaged (" in done.stderr
    assert "Traceback" not in done.stderr

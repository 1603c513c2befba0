"""However a run was begun: it is begun again the same way, in a fresh folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import runfolio

from ..forked import Forked
from .conftest import SCRIPT, Project, reproduced, typed


def test_a_script_outside_of_git(project: Project):
    run = project.start("train.py", "--seed", "7")
    (project.folder / "train.py").write_text("raise SystemExit('of today')")
    assert reproduced(project, run).word == "bit-equal"


def test_python_m(project: Project):
    package = project.folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(SCRIPT)
    project.commit()
    run = project.start("-m", "package.train", "--seed", "7")
    (package / "train.py").write_text("raise SystemExit('of today')")
    assert reproduced(project, run).word == "bit-equal"


def test_a_package_that_is_run_as_a_whole(project: Project):
    package = project.folder / "package"
    package.mkdir()
    (package / "__main__.py").write_text(SCRIPT)
    project.commit()
    run = project.start("-m", "package", "--seed", "7")
    assert reproduced(project, run).word == "bit-equal"


def test_uncommitted_changes_and_a_module_git_does_not_know(project: Project):
    project.commit()
    script, model = project.folder / "train.py", project.folder / "model.py"
    script.write_text(SCRIPT.replace("from model import", "from untracked import"))
    model.rename(project.folder / "untracked.py")
    run = project.start("train.py", "--seed", "7")
    project.git("checkout", "-q", ".")
    (project.folder / "untracked.py").unlink()
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert "with its uncommitted changes" in again.stderr
    repeated = runfolio.open(project.store).run(again.said["id"])
    assert [(file.path, file.sha256) for file in repeated.code.files] == [
        (file.path, file.sha256) for file in run.code.files
    ]
    assert repeated.code.diff == run.code.diff


def test_a_script_started_from_another_folder(project: Project):
    project.commit()
    elsewhere = project.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (project.folder / "photos").rename(elsewhere / "photos")
    run = project.start(project.folder / "train.py", "--seed", "7", cwd=elsewhere)
    assert reproduced(project, run).word == "bit-equal"


def test_a_script_started_from_a_folder_of_the_repository(project: Project):
    (project.folder / "below").mkdir()
    (project.folder / "below" / "kept.txt").touch()
    project.commit()
    run = project.start("../train.py", "--seed", "7", "--data", "../photos", cwd=project.folder / "below")
    assert reproduced(project, run).word == "bit-equal"


def test_the_repository_has_moved(project: Project):
    project.commit()
    (project.folder / "photos").rename(project.folder.parent / "photos")
    run = project.start("train.py", "--seed", "7", "--data", project.folder.parent / "photos")
    project.folder.rename(project.folder.with_name("moved"))
    alone = reproduced(project, run)
    assert alone.word == "bit-equal"
    assert "only the files captured with the run are used" in alone.stderr
    result = reproduced(project, run, "--repository", project.folder.with_name("moved"))
    assert result.word == "bit-equal"
    assert "in a fresh worktree" in result.stderr


def test_the_commit_is_only_in_a_repository_it_came_from(project: Project):
    project.commit()
    (project.folder / "photos").rename(project.folder.parent / "photos")
    clone = project.folder.with_name("clone")
    subprocess.run(["git", "clone", "-q", project.folder, clone], check=True)
    run = project.start(clone / "train.py", "--seed", "7", "--data", project.folder.parent / "photos")
    clone.rename(project.folder.with_name("moved"))
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert "in a fresh clone" in again.stderr


def test_a_run_of_runfolio_train(project: Project, forked: Forked):
    settings = ["--model", "mlp", "--epochs", "1", "--data-fraction", "0.2", "--lr", "3e-3", "--workers", "0"]
    program = Path(sys.executable).with_name("runfolio")
    project.server = forked
    run = project.start(program, "train", *settings, "--store", project.store)
    again = reproduced(project, run)
    assert again.word == "bit-equal", again.said
    assert again.said["tensors"] > 0


def test_up_to_a_step(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    again = reproduced(project, run, "--steps", "4")
    assert (again.word, again.said["points"]) == ("bit-equal", 5)
    changed = reproduced(project, run, "--steps", "4", "--", "--lr", "0.2")
    assert (changed.word, changed.said["step"]) == ("parts", 1)
    repeated = runfolio.open(project.store).run(changed.said["id"])
    assert not (repeated.document.lineage or {}).get("changed")  # cut short, it counts nowhere


def test_worktree_is_removed_and_the_project_is_unchanged(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    before = project.git("status", "--porcelain", "--ignored") + project.git("worktree", "list")
    reproduced(project, run)
    assert project.git("status", "--porcelain", "--ignored") + project.git("worktree", "list") == before


def test_worktree_is_kept_on_request(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    done = typed(project, run.id, "--yes", "--keep")
    assert done.returncode == 0, done.stderr
    (worktree,) = project.temporary.iterdir()
    assert (worktree / "project" / "train.py").read_text() == SCRIPT
    assert str(worktree) in project.git("worktree", "list")


def test_data_that_only_the_script_names(project: Project):
    script = SCRIPT.replace('"--data", default="photos"', '"--other"').replace("flags.data", '"photos"')
    (project.folder / "train.py").write_text(script)
    project.commit()
    run = project.start("train.py", "--seed", "7")
    assert reproduced(project, run).word == "bit-equal"  # log_data received the path
    (project.folder / "train.py").write_text(script.replace("    run.log_data", "    # run.log_data"))
    project.commit()
    run = project.start("train.py", "--seed", "7")
    lacking = reproduced(project, run)
    assert lacking.word == "parts"
    assert any("with --link [NAME=]PATH" in remark for remark in lacking.said["remarks"])
    assert reproduced(project, run, "--link", "photos").word == "bit-equal"


FORK = """\
import sys
import runfolio

with runfolio.fork(sys.argv[1], name="net", step=5) if len(sys.argv) > 1 else runfolio.init("net") as run:
    begin = run.restore().step + 1 if len(sys.argv) > 1 else 0
    for step in range(begin, 8):
        run.log({"loss": 1 / (step + 1 + len(sys.argv))}, step=step)
        if step == 5 and len(sys.argv) == 1:
            run.checkpoint(step=step, value=1.0)
"""


def test_fork_is_reproduced_from_the_same_checkpoint(project: Project):
    (project.folder / "fork.py").write_text(FORK)
    project.commit()
    parent = project.start("fork.py")
    fork = project.start("fork.py", parent.id)
    again = reproduced(project, fork)
    assert (again.word, again.said["points"]) == ("bit-equal", 8)
    repeated = runfolio.open(project.store).run(again.said["id"])
    assert repeated.document.lineage == {"kind": "reproduction", "run": fork.id, "name": "net"}
    manifest = parent.folder / "checkpoints" / "last.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"step": 7}))
    assert "at step 5, but this checkpoint is now at step 7" in typed(project, fork.id, "--yes").stderr
    manifest.unlink()
    assert "is a fork, and its checkpoint is not available" in typed(project, fork.id, "--yes").stderr


def test_a_script_with_a_summary_writer(project: Project):
    script = SCRIPT.replace("import runfolio\n", "from runfolio import SummaryWriter\n")
    script = script.replace(
        'with runfolio.init("net", experiment="e", config=vars(flags)) as run:',
        f"with SummaryWriter({str(project.store / 'logs' / 'net')!r}) as writer:\n    run = writer.run",
    )
    (project.folder / "train.py").write_text(script)
    run = project.start("train.py", "--seed", "7")
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert again.said["id"] != run.id

"""Whatever state a repository was in when a run was begun: the same files are laid."""

from __future__ import annotations

from .conftest import SCRIPT, Project, reproduced

SECRET = "API_KEY = 'sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD'"


def _begins_with(project: Project, *lines: str) -> None:
    (project.folder / "train.py").write_text("\n".join([*lines, SCRIPT]))


def test_renamed_new_and_changed_files_of_any_name(project: Project):
    (project.folder / "old.txt").write_text("a\n" * 20)
    (project.folder / "größe.txt").write_text("1\n")
    project.commit()
    project.git("mv", "old.txt", "the new.txt")
    (project.folder / "größe.txt").write_text("2\n")
    (project.folder / "empty ü.txt").touch()
    project.git("add", "-A")
    _begins_with(
        project,
        "import sys",
        "assert [len(open(path).read()) for path in ('the new.txt', 'größe.txt', 'empty ü.txt')] == [40, 2, 0]",
        "assert open('größe.txt').read() == '2\\n'",
        "sys.argv = [word for word in sys.argv if not word.endswith('.txt')]",
    )
    run = project.start("train.py", "the new.txt", "größe.txt", "empty ü.txt", "--seed", "7")
    project.git("checkout", "-q", "HEAD", "größe.txt")
    assert reproduced(project, run).word == "bit-equal"


def test_a_new_binary_file_is_that_of_today_and_a_program_can_be_started(project: Project):
    project.commit()
    (project.folder / "table.npy").write_bytes(b"\0\1\2")
    project.git("add", "table.npy")
    program = project.folder / "seven.sh"
    program.write_text("#!/bin/sh\necho 7\n")
    program.chmod(0o755)
    _begins_with(
        project,
        "import subprocess",
        "assert open('table.npy', 'rb').read() == b'\\0\\1\\2'",
        "assert subprocess.check_output(['./seven.sh']) == b'7\\n'",
    )
    run = project.start("train.py", "--seed", "7")
    assert reproduced(project, run).word == "bit-equal"
    (project.folder / "table.npy").unlink()
    _begins_with(project)
    run = project.start("train.py", "--seed", "7")
    assert "table.npy" not in reproduced(project, run).stderr


def test_a_secret_beside_an_uncommitted_change(project: Project):
    (project.folder / "settings.py").write_text(f"B = 1\n{SECRET}\nA = 1\n")
    project.commit()
    (project.folder / "settings.py").write_text(f"B = 1\n{SECRET}\nA = 2\n")
    _begins_with(project, "import settings", "assert settings.API_KEY.startswith('sk-') and settings.A == 2")
    run = project.start("train.py", "--seed", "7")
    assert "sk-" not in run.code.diff.replace("startswith('sk-')", "")
    project.git("checkout", "-q", ".")
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert "secrets were removed" not in again.stderr  # the commit has them


def test_before_the_first_commit(project: Project):
    project.git("init", "-q")
    (project.folder / "settings.txt").write_text("2\n")
    project.git("add", "-A")
    _begins_with(project, "assert open('settings.txt').read() == '2\\n'")
    run = project.start("train.py", "--seed", "7")
    (project.folder / "settings.txt").unlink()
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert [kind for kind, _ in again.causes if kind != "seeds"] == []


def test_files_that_git_knows_no_more_are_no_cause(project: Project):
    project.commit()
    (project.folder / "unused.txt").write_text("1\n")
    project.git("add", "-A")
    run = project.start("train.py")
    again = reproduced(project, run)
    assert (again.word, [kind for kind, _ in again.causes if kind != "seeds"]) == ("parts", [])
    assert again.said["chance"]

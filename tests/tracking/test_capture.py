"""Capture of a run's environment and code without user code, and without changes to the user's repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.base.layout import find_runs
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import code
from runfolio.record.content.code import Code
from runfolio.tracking.environment import libraries, seeds
from runfolio.tracking.environment.sources import Sources

from ..forked import Forked

SCRIPT = """
import argparse, sys
import helper, pkg.inner
import runfolio
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--api-key", default="")
with runfolio.init("net", config=parser.parse_args()) as run:
    run.log({"loss": 1.0})
"""
SECRET = "s3cr3t0123456789"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a script with its own modules, including modules that it does not use."""
    folder = tmp_path / "project"
    for name, content in {
        "train.py": SCRIPT,
        "helper.py": "SIZE = 3\n",
        "unused.py": "",
        "pkg/__init__.py": "",
        "pkg/inner.py": "from pkg import deep\n",
        "pkg/deep.py": "DEEP = True\n",
        ".gitignore": "data/\n*.log\n__pycache__\nruns/\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "remote", "add", "origin", f"https://ann:{SECRET}@git.example.org/ann/project.git")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "first")
    return project


@pytest.fixture
def start(store: Path, forked_runfolio: Forked) -> Callable[..., Path]:
    """Start Python in a folder; return the folder of the only run that it recorded."""

    def start(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Path:
        before = set(find_runs(store))
        environment = {**os.environ, "RUNFOLIO_STORE": str(store), **(env or {})}
        done = forked_runfolio.run("-W", "error", *arguments, cwd=cwd, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        (folder,) = set(find_runs(store)) - before
        return folder

    return start


def code_of(folder: Path) -> Code:
    capture = code.read(folder, [RunDocument.read(folder).attempts[-1].writer])
    assert capture is not None
    return capture


def kept(folder: Path) -> dict[str, str]:
    """Return the reason for recording each file, by path."""
    return {entry.path: entry.why for entry in code_of(folder).files}


def content(folder: Path, path: str) -> str:
    (digest,) = (entry.sha256 for entry in code_of(folder).files if entry.path == path)
    return code.read_text(folder, digest)


def diff(folder: Path) -> str:
    digest = code_of(folder).diff
    return "" if digest is None else code.read_text(folder, digest)


def test_script_in_a_clean_repository_is_recorded(repository: Path, start: Callable[..., Path]):
    folder = start("train.py", "--lr", "0.5", cwd=repository)
    assert RunDocument.read(folder).code == {
        "command": ["train.py", "--lr", "0.5"],
        "module": None,
        "script": str(repository / "train.py"),
        "folder": str(repository),
        "existing": [],
        "remote": "https://ann:[redacted]@git.example.org/ann/project.git",
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
    }
    assert kept(folder) == {
        "train.py": "script",
        "helper.py": "module",
        "pkg/__init__.py": "module",
        "pkg/inner.py": "module",
        "pkg/deep.py": "module",
    }
    assert content(folder, "train.py") == SCRIPT
    assert diff(folder) == ""


def test_uncommitted_changes_are_restored_by_git_apply(repository: Path, start: Callable[..., Path], tmp_path: Path):
    git(repository, "config", "diff.noprefix", "true")
    git(repository, "config", "color.ui", "always")
    (repository / "helper.py").write_text("SIZE = 4\n")
    (repository / "unused.py").write_text("staged = True\n")
    git(repository, "add", "unused.py")
    (repository / "notes with spaces é.md").write_text("# mine\n")
    (repository / "weights.bin").write_bytes(b"\0" * 10)
    (repository / "odd.txt").write_bytes(b"a\0b")
    (repository / ".env").write_text(f"TOKEN={SECRET}\n")
    (repository / "debug.log").write_text("ignored by git\n")

    folder = start("train.py", cwd=repository)

    assert RunDocument.read(folder).code["dirty"] is True
    assert {path for path, why in kept(folder).items() if why == "untracked"} == {"notes with spaces é.md"}
    assert {(entry.path, entry.why) for entry in code_of(folder).left_out} == {
        ("weights.bin", "not text"),
        ("odd.txt", "not text"),
        (".env", "may hold secrets"),
    }
    git(repository, "clone", "--quiet", str(repository), str(tmp_path / "again"))
    (tmp_path / "patch").write_text(diff(folder))
    git(tmp_path / "again", "apply", str(tmp_path / "patch"))
    for name in ("helper.py", "unused.py"):
        assert (tmp_path / "again" / name).read_text() == (repository / name).read_text()


def test_store_in_the_repository_is_not_recorded_as_code(repository: Path):
    (repository / "mine.txt").write_text("kept\n")
    inside = repository / "records"
    env = {**os.environ, "RUNFOLIO_STORE": str(inside)}
    for _ in range(2):
        subprocess.run([sys.executable, "train.py"], cwd=repository, env=env, check=True, timeout=60)
    for folder in find_runs(inside):
        assert [path for path, why in kept(folder).items() if why == "untracked"] == ["mine.txt"]


def test_capture_does_not_change_the_repository(repository: Path, start: Callable[..., Path]):
    (repository / "helper.py").write_text("SIZE = 4\n")
    os.utime(repository / "train.py", (1e9, 1e9))  # git tends to record that this is the same file
    before = {path: path.stat().st_mtime_ns for path in (repository / ".git").rglob("*")}
    start("train.py", cwd=repository)
    assert {path: path.stat().st_mtime_ns for path in (repository / ".git").rglob("*")} == before


def test_script_outside_of_a_repository_is_recorded(project: Path, start: Callable[..., Path], tmp_path: Path):
    folder = start(str(project / "train.py"), cwd=tmp_path)
    assert RunDocument.read(folder).code["commit"] is None
    assert kept(folder)["helper.py"] == "module"
    assert code_of(folder).root == str(project)


def test_module_run_by_name_is_recorded(repository: Path, start: Callable[..., Path]):
    (repository / "pkg" / "main.py").write_text(SCRIPT)
    folder = start("-m", "pkg.main", cwd=repository)
    assert RunDocument.read(folder).code["module"] == "pkg.main"
    assert kept(folder)["pkg/main.py"] == "script"


def test_repository_without_a_commit_is_recorded(project: Path, start: Callable[..., Path]):
    git(project, "init", "--quiet", "--initial-branch", "new")
    folder = start("train.py", cwd=project)
    info = RunDocument.read(folder).code
    assert (info["commit"], info["branch"]) == (None, "new")
    assert kept(folder)["unused.py"] == "untracked"


@pytest.mark.parametrize("script", ["", "import os; os.rmdir(os.getcwd())"])
def test_code_without_a_file_or_folder_is_recorded(start: Callable[..., Path], tmp_path: Path, script: str):
    (tmp_path / "empty").mkdir()
    folder = start("-c", f"{script}\nimport runfolio\nrunfolio.init().finish()", cwd=tmp_path / "empty")
    assert RunDocument.read(folder).code["script"] is None


def test_modules_imported_later_are_recorded_at_the_end(project: Path, start: Callable[..., Path]):
    (project / "late.py").write_text(
        "import runfolio\nrun = runfolio.init()\nrun.flush()\nimport unused\nrun.finish()\n"
    )
    assert kept(start("late.py", cwd=project)) == {"late.py": "script", "unused.py": "module"}


def test_modules_are_listed_while_others_are_imported(fresh_python: Callable):
    fresh_python("""
import gc, sys, types
from runfolio.tracking.environment.program import own_modules

def one_more(phase, about):
    name = f"late{len(sys.modules)}"
    sys.modules[name] = types.ModuleType(name)

gc.callbacks.append(one_more)
gc.set_threshold(1)
try:
    own_modules()
finally:
    gc.callbacks.clear()
""").check_returncode()


def test_script_deleted_while_it_runs_is_listed_as_omitted(project: Path, start: Callable[..., Path]):
    (project / "gone.py").write_text("import os, runfolio\nos.remove(__file__)\nrunfolio.init().finish()\n")
    folder = start("gone.py", cwd=project)
    assert [(entry.path, entry.why) for entry in code_of(folder).left_out] == [("gone.py", "deleted")]


def test_large_and_surplus_files_are_listed_as_omitted(repository: Path, start: Callable[..., Path]):
    (repository / "large.txt").write_text("x" * 1_000_001)
    for number in range(2100):
        (repository / f"n{number:04}.txt").write_text(str(number))
    folder = start("train.py", cwd=repository)
    capture = code_of(folder)
    assert len(capture.files) == 1000
    assert ("large.txt", 1_000_001, "larger than 1,000,000 bytes") in [
        (entry.path, entry.bytes, entry.why) for entry in capture.left_out
    ]
    assert len(capture.left_out) == 1001
    assert capture.left_out[-1].why == "and 106 more files"


@pytest.mark.parametrize(
    ("argument", "variable"), [("recording=runfolio.RecordingConfig(code=False)", ""), ("", "off")]
)
def test_contents_of_code_can_be_turned_off(repository: Path, start: Callable[..., Path], argument: str, variable: str):
    (repository / "short.py").write_text(f"import runfolio\nrunfolio.init({argument}).finish()\n")
    folder = start("short.py", cwd=repository, env={"RUNFOLIO_CODE": variable})
    assert not (folder / "code").exists()
    assert RunDocument.read(folder).code["commit"]


def test_switch_that_is_not_boolean_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNFOLIO_CODE", "maybe")
    with pytest.raises(ConfigError, match="RUNFOLIO_CODE is 'maybe'; it must be on or off"):
        runfolio.init(store=store)


def test_no_secret_reaches_any_file_of_the_run(repository: Path, start: Callable[..., Path]):
    (repository / "helper.py").write_text(f"PASSWORD = '{SECRET}'\nSIZE = 4\n")
    (repository / "mine.yaml").write_text(f"db:\n  password: {SECRET}\n")
    (repository / "train.py").write_text(
        SCRIPT + f"    run.config['login'] = dict(token={SECRET!r})\n    raise SystemExit(0 and 'x')\n"
    )
    (repository / "bad.py").write_text(
        "import helper, os, runfolio\nwith runfolio.init(config=dict(os.environ)) as run:\n"
        "    try:\n        raise ValueError('cannot log in with ' + helper.PASSWORD + ' at https://a:pa55word@host/')\n"
        "    except ValueError as error:\n        run.finish('failed', str(error))\n"
    )
    variables = {"MY_SERVICE_TOKEN": SECRET, "SLURM_JWT": SECRET, "SLURM_JOB_ID": "17", "PYTORCH_ALLOC_CONF": "x:1"}
    script = (repository / "train.py").read_text().replace('"net",', '"net", tensorboard=True,')
    (repository / "train.py").write_text(script)
    for arguments in (["train.py", "--api-key", SECRET], ["bad.py"]):
        folder = start(*arguments, cwd=repository, env=variables)
        for path in folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
        recorded = RunDocument.read(folder).environment["variables"]
        assert recorded["SLURM_JOB_ID"] == "17"
        assert recorded["PYTORCH_ALLOC_CONF"] == "x:1"
        assert "MY_SERVICE_TOKEN" not in recorded
    assert RunDocument.read(folder).status.reason == "cannot log in with [redacted] at https://a:[redacted]@host/"


def test_script_itself_keeps_its_secrets(store: Path):
    with runfolio.init(store=store, config={"api_key": SECRET, "num_tokens": 5}) as run:
        assert run.config["api_key"] == SECRET
    assert RunDocument.read(run.folder).config == {"api_key": "[redacted]", "num_tokens": 5}


def test_every_installed_package_is_recorded_with_its_version(store: Path):
    with runfolio.init(store=store) as run:
        pass
    environment = RunDocument.read(run.folder).environment
    wanted = {_canonical(entry.metadata["Name"]): entry.version for entry in reversed([*metadata.distributions()])}
    assert environment["packages"] == wanted
    assert environment["installed_from"]["runfolio"].endswith("(editable)")


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def test_machine_and_torch_settings_are_recorded(store: Path):
    import torch

    with runfolio.init(store=store) as run:
        pass
    environment = RunDocument.read(run.folder).environment
    assert environment["torch"]["version"] == torch.__version__
    assert environment["torch"]["threads"] == torch.get_num_threads()
    assert environment["torch"]["deterministic_algorithms"] is False
    assert 0 < environment["cpu"]["usable"] <= environment["cpu"]["threads"]
    assert environment["memory_mb"] > 100
    assert environment["disk_free_mb"] > 0
    assert isinstance(environment["gpus"], list)


@pytest.mark.parametrize(("arguments", "count"), [((), 3), (("later",), 2)])
def test_recorded_thread_count_is_that_of_the_training_thread(
    store: Path, python_torch: Callable, arguments: tuple[str, ...], count: int
):
    script = (
        "import sys, threading, torch, runfolio\ntorch.set_num_threads(3)\nrun = runfolio.init(store=sys.argv[1])\n"
        "helper = threading.Thread(target=torch.set_num_threads, args=(1,))\nhelper.start()\nhelper.join()\n"
        "run.log({'loss': 1.0})\nrun.flush()\nif sys.argv[2:]:\n    torch.set_num_threads(2)\nrun.finish()\n"
    )
    done = python_torch(script, store, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = find_runs(store)
    assert RunDocument.read(folder).environment["torch"]["threads"] == count


def test_torch_imported_later_is_recorded(project: Path, start: Callable[..., Path]):
    (project / "late.py").write_text(
        "import runfolio\nrun = runfolio.init()\nrun.flush()\nimport torch\n"
        "torch.use_deterministic_algorithms(True)\ntorch.manual_seed(7)\nrun.finish()\n"
    )
    document = RunDocument.read(start("late.py", cwd=project))
    assert document.environment["torch"]["deterministic_algorithms"] is True
    assert document.seeds["torch"] == 7


def test_runs_with_equal_random_states_have_equal_digests(project: Path, start: Callable[..., Path]):
    (project / "seeded.py").write_text(
        "import random, sys, numpy.random, runfolio\nrandom.seed(int(sys.argv[1]))\n"
        "numpy.random.seed(int(sys.argv[1]))\nrunfolio.init().finish()\n"
    )
    first, same, other = (RunDocument.read(start("seeded.py", seed, cwd=project)).seeds for seed in "112")
    assert first == same
    assert first["random"] != other["random"]
    assert first["numpy"] != other["numpy"]


NOTEBOOK = """
import time, runfolio
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in ("x = 1", "password = 'hunter2x'"):
    shell.run_cell(cell, store_history=True)
run = runfolio.init()
while not list(run.folder.glob("code/*.json")):
    time.sleep(0.01)
shell.run_cell("y = 2", store_history=True)
run.finish()
"""


def test_executed_cells_of_a_notebook_are_recorded(start: Callable[..., Path], tmp_path: Path):
    folder = start("-c", NOTEBOOK, cwd=tmp_path, env={"IPYTHONDIR": str(tmp_path)})
    assert content(folder, "notebook.py") == (
        "# In [1]\nx = 1\n\n# In [2]\npassword = '[redacted]'\n\n# In [3]\ny = 2\n\n"
    )
    assert len(list((folder / "code" / "files").iterdir())) == 1


def test_resumed_run_keeps_the_code_of_both_starts(project: Path, start: Callable[..., Path], store: Path):
    folder = start("train.py", cwd=project)
    (project / "again.py").write_text(f"import runfolio\nrunfolio.resume({str(folder)!r}, checkpoint=None).finish()\n")
    env = {**os.environ, "RUNFOLIO_STORE": str(store)}
    subprocess.run([sys.executable, "again.py"], cwd=project, env=env, check=True, timeout=60)
    assert kept(folder) == {"again.py": "script"}
    first = RunDocument.read(folder).attempts[0].writer
    assert json.loads((folder / "code" / f"{first}.json").read_text())["files"][0]["path"] == "train.py"


def test_unbuffered_output_is_not_cut_when_git_processes_end(repository: Path, store: Path, tmp_path: Path):
    """A child's end may interrupt a write to a full pipe, and Python treats a short write as complete."""
    script = """
import os, sys, runfolio
with runfolio.init("net", store=sys.argv[1]):
    assert os.write(1, bytes(100_001)) == 100_001
"""
    reader = [sys.executable, "-c", "import sys, time; time.sleep(0.5); print(len(sys.stdin.buffer.read()))"]
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", script, store], cwd=repository, stdout=subprocess.PIPE
        ) as training:
            read = subprocess.run(reader, stdin=training.stdout, capture_output=True, text=True)
        assert (training.returncode, read.stdout) == (0, "100001\n")


def test_changes_in_a_submodule_are_part_of_the_diff(repository: Path, start: Callable[..., Path], tmp_path: Path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "conf.yaml").write_text("lr: 0.1\n")
    git(library, "init", "--quiet")
    git(library, "add", ".")
    git(library, "commit", "--quiet", "--message", "first")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    git(repository, "commit", "--quiet", "--message", "library")
    (repository / "lib" / "conf.yaml").write_text("lr: 99\n")
    folder = start("train.py", cwd=repository)
    assert RunDocument.read(folder).code["dirty"] is True
    assert "+++ b/lib/conf.yaml" in diff(folder)
    assert "+lr: 99" in diff(folder)


def test_repository_of_another_user_is_named_with_the_remedy(repository: Path, start: Callable[..., Path]):
    (repository / "helper.py").write_text("SIZE = 4\n")
    folder = start("train.py", cwd=repository, env={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    info = RunDocument.read(folder).code
    assert (info["commit"], info["branch"]) == (git(repository, "rev-parse", "HEAD"), "main")
    assert info["dirty"] is None
    assert f"safe.directory {repository}" in info["git_problem"]
    assert content(folder, "helper.py") == "SIZE = 4\n"


class Library:
    """Library of C functions as cffi adds it to the modules: it claims to be a module, but lacks its attributes."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> object:
        if name == "__class__":
            return ModuleType
        raise OSError(f"no function {name}")


@pytest.mark.parametrize("name", ["_openssl.lib", "IPython", "random", "numpy.random", "torch", "torch.utils.data"])
def test_objects_other_than_modules_do_not_end_the_capture(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, name, cast("ModuleType", Library()))
    script = tmp_path / "train.py"
    script.write_text("x = 1\n")
    folder = tmp_path / "run"
    folder.mkdir()
    sources = Sources(folder, "a81kq0zd", tmp_path, None)
    sources.begin(str(script))
    sources.update()
    recorded = code.read(folder, ["a81kq0zd"])
    assert recorded is not None
    assert [source.path for source in recorded.files] == ["train.py"]
    assert seeds.seeds().keys() >= {"PYTHONHASHSEED"}
    assert libraries.device() == "cpu"
    assert libraries.torch_info() is None or name != "torch"

"""Differences between the starts of two runs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import DamagedFile, NotFound
from runfolio.query.explain.run_diff import Change, RunDiff, changes, diff
from runfolio.query.run import RecordedRun

SCRIPT = "import sys, helper, runfolio\nrunfolio.init('net', config={'lr': float(sys.argv[1])}).finish()\n"


@pytest.fixture
def start(store: Path, tmp_path: Path) -> Callable[..., RecordedRun]:
    """Run a script with a module whose content can change between two runs."""

    def start(lr: float = 0.1, helper: str = "SIZE = 3\n", **environment: str) -> RecordedRun:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "train.py").write_text(SCRIPT)
        (folder / "helper.py").write_text(helper)
        env = {**os.environ, "PYTHONHASHSEED": "0", "RUNFOLIO_STORE": str(store), **environment}
        # A module that is written twice within a second would be loaded from the first bytecode.
        subprocess.run([sys.executable, "-B", "train.py", str(lr)], cwd=folder, env=env, check=True, timeout=60)
        return runfolio.open(store).runs()[0]

    return start


def without_seeds(difference: RunDiff) -> str:
    return difference.sentence.removesuffix(" The random generators started differently.")


def test_same_script_started_twice_has_no_differences(start: Callable[..., RecordedRun]):
    first, second = start(), start()
    difference = diff(first, second)
    assert without_seeds(difference) == "Same code; settings, packages, data and environment are the same."
    assert (
        difference.files
        == difference.packages
        == difference.config
        == difference.environment
        == difference.command
        == []
    )


def test_changed_setting_module_and_variable_are_listed(start: Callable[..., RecordedRun]):
    first, second = start(), start(0.5, "SIZE = 4\n", OMP_SCHEDULE="static")
    difference = diff(first, second)
    assert without_seeds(difference) == "1 file of the code differs; 1 setting and 1 fact of the environment differ."
    assert difference.config == [Change("lr", "changed", 0.1, 0.5)]
    assert difference.environment == [Change("variables/OMP_SCHEDULE", "added", None, "static")]
    (file,) = difference.files
    assert (file.path, file.kind) == ("helper.py", "changed")
    assert file.diff.splitlines() == ["--- a/helper.py", "+++ b/helper.py", "@@ -1 +1 @@", "-SIZE = 3", "+SIZE = 4"]


def test_module_of_only_one_run_is_added_or_removed(start: Callable[..., RecordedRun], tmp_path: Path):
    first = start()
    (tmp_path / "project" / "more.py").write_text("MORE = 1\n")
    second = start(helper="import more\n")
    assert [(file.path, file.kind) for file in diff(first, second).files] == [
        ("helper.py", "changed"),
        ("more.py", "added"),
    ]
    removed = diff(second, first).files[1]
    assert removed.kind == "removed"
    assert removed.diff.splitlines()[:2] == ["--- a/more.py", "+++ /dev/null"]


def test_missing_code_is_not_reported_as_equal(start: Callable[..., RecordedRun]):
    first, second = start(), start(RUNFOLIO_CODE="off")
    difference = diff(first, second)
    assert difference.sentence.startswith("Code not recorded by both runs; ")
    assert difference.files == []


def test_added_removed_and_changed_packages_are_listed(
    write: Callable[..., Path], edit: Callable[..., None], store: Path
):
    runs = []
    for versions in ({"torch": "2.12", "old": "1"}, {"torch": "2.13", "new": "3"}):
        folder = write()
        edit(folder, environment={"packages": versions, "installed_from": {"new": "file:///new (editable)"}})
        runs.append(runfolio.open(store).run(folder))
    difference = diff(*runs)
    assert difference.packages == [
        Change("new", "added", None, "3 from file:///new (editable)"),
        Change("old", "removed", "1", None),
        Change("torch", "changed", "2.12", "2.13"),
    ]
    assert "3 packages differ" in difference.sentence


def test_data_changes_are_separate_from_other_settings(write: Callable[..., Path], store: Path):
    first = write(config={"data": "digits", "lr": 1}, summary={"train/images": 100, "classes": ["a", "b"]})
    second = write(config={"data": "folder:x", "lr": 1}, summary={"train/images": 90, "classes": ["a", "b"]})
    difference = diff(*(runfolio.open(store).run(folder) for folder in (first, second)))
    assert [change.name for change in difference.data] == ["data", "train/images"]
    assert difference.config == []
    assert "2 facts of the data differ" in difference.sentence


def test_captured_code_can_be_read_from_python(start: Callable[..., RecordedRun]):
    run = start()
    assert [(file.path, file.why) for file in run.code.files] == [("train.py", "script"), ("helper.py", "module")]
    assert run.code.read("helper.py") == "SIZE = 3\n"
    assert run.code.diff == ""
    with pytest.raises(NotFound, match=r"has no captured file 'helpr\.py'; did you mean helper\.py"):
        run.code.read("helpr.py")
    (file,) = (file for file in run.code.files if file.path == "helper.py")
    (run.folder / "code" / "files" / file.sha256).write_text("SIZE = 9\n")
    with pytest.raises(DamagedFile, match="is damaged"):
        run.code.read("helper.py")


def test_true_differs_from_1_and_nan_equals_nan():
    assert changes({"a": True, "b": math.nan}, {"a": 1, "b": math.nan}) == [Change("a", "changed", True, 1)]


values = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=2)
mappings = st.dictionaries(st.sampled_from("abcd"), values)


@given(mappings, mappings)
def test_changes_turn_each_mapping_into_the_other(before: dict[str, Any], after: dict[str, Any]):
    forward, back = changes(before, after), changes(after, before)
    assert changes(before, before) == []
    assert [(change.name, repr(change.before), repr(change.after)) for change in forward] == [
        (change.name, repr(change.after), repr(change.before)) for change in back
    ]
    patched = {name: value for name, value in before.items() if value is not None}
    for change in forward:
        patched.pop(change.name, None)
        if change.kind != "removed":
            patched[change.name] = change.after
    assert changes(patched, after) == []

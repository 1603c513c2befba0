"""A fresh virtual environment: the recorded packages, each from where it came."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from orjson import dumps, loads

import runfolio
from runfolio.errors import ConfigError, DamagedFile
from runfolio.query.run import RecordedRun
from runfolio.reproduce import venv
from runfolio.reproduce.plan import ReproduceOptions, make_plan

from .conftest import Project, typed

COMMIT = "8f0c" * 10


def with_packages(project: Project, packages: dict[str, str], origins: dict[str, str]) -> RecordedRun:
    """A run that was begun with these packages installed."""
    folder = project.start("train.py", "--seed", "7").folder
    document = loads((folder / "run.json").read_bytes())
    document["environment"] |= {"packages": packages, "installed_from": origins}
    (folder / "run.json").write_bytes(dumps(document))
    return runfolio.open(project.store).run(folder)


def required(project: Project, run: RecordedRun) -> list[str]:
    return venv.requirements_of(
        make_plan(run, ReproduceOptions(fresh_venv=True), fresh_folder=project.temporary, store=project.store)
    )


def test_packages_are_installed_from_their_recorded_sources(project: Project, tmp_path: Path):
    project.commit()
    (tmp_path / "local wheel").mkdir()
    versions = {"a": "1.0", "b": "2.0", "c": "3.0", "d": "4.0", "pip": "25", "stepping": "1.0"}
    origins = {
        "b": f"https://example.org/b.git@{COMMIT}",
        "c": f"file://{tmp_path}/local%20wheel",
        "d": f"file://{tmp_path}/local%20wheel (editable)",
    }
    assert required(project, with_packages(project, versions, origins)) == [
        "a==1.0",
        f"b @ git+https://example.org/b.git@{COMMIT}",
        f"c @ file://{tmp_path}/local%20wheel",
        f"-e file://{tmp_path}/local%20wheel",
    ]  # without `stepping`, which is on PYTHONPATH


def test_a_package_of_no_index_is_named_before_one_agrees(project: Project, tmp_path: Path):
    project.commit()
    run = with_packages(project, {"a": "1.0", "b": "2.0"}, {"b": f"https://example.org/b.git@{COMMIT}"})
    done = typed(project, run.id, "--fresh-venv", "--dry-run")
    shown = [line for line in done.stdout.splitlines() if line.startswith("install")]
    assert shown == ["install  a==1.0", f"install  b @ git+https://example.org/b.git@{COMMIT}"]


@pytest.mark.parametrize(
    ("packages", "origins"),
    [({"a": "1.0\n--index-url=https://example.org"}, {}), ({"-r x": "1"}, {}), ({"a": "1"}, {"a": "https://x\n-r y"})]
    + [
        ({"a": "1"}, {"a": url}) for url in ("https://x --config-settings=y", "https://x/${TOKEN}", "https://x/\u202ey")
    ],
)
def test_no_option_of_pips_comes_with_a_record(project: Project, packages: dict, origins: dict):
    project.commit()
    with pytest.raises(DamagedFile, match="has an invalid package"):
        required(project, with_packages(project, packages, origins))


@pytest.mark.parametrize("url", ["http://x/a.whl", "ext::sh%20-c%20true", "git+ssh://-oProxyCommand=x/y"])
def test_a_package_from_an_address_that_proves_nothing_is_not_installed(project: Project, url: str):
    project.commit()
    with pytest.raises(ConfigError, match="cannot install a 1 from"):
        required(project, with_packages(project, {"a": "1"}, {"a": url}))


def test_a_package_that_came_with_the_record_is_not_installed(project: Project):
    project.commit()
    sent = project.store / "e" / "package"
    sent.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot install a 1 from"):
        required(project, with_packages(project, {"a": "1"}, {"a": f"file://{sent}"}))


def test_a_package_that_came_from_a_folder_that_is_gone_is_named(project: Project):
    project.commit()
    run = with_packages(project, {"own": "1.0"}, {"own": "file:///nowhere/own (editable)"})
    with pytest.raises(ConfigError, match=r"cannot install own 1\.0 from file:///nowhere/own"):
        required(project, run)


def test_the_environments_own_program_runs_the_script(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    plan = make_plan(run, ReproduceOptions(fresh_venv=True), fresh_folder=project.temporary, store=project.store)
    assert plan.command[0] == os.fspath(project.temporary / "venv" / "bin" / "python")


def test_a_package_that_no_index_has_is_pips_own_word(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.commit()
    run = with_packages(project, {"nobody-has-this": "1.0"}, {})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    project.temporary.mkdir(exist_ok=True)
    plan = make_plan(run, ReproduceOptions(fresh_venv=True), fresh_folder=project.temporary, store=project.store)
    with pytest.raises(ConfigError, match=r"cannot create the fresh virtual environment .* nobody-has-this==1\.0"):
        venv.make_venv(plan)

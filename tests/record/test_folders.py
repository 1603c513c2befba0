"""Folders of stores, runs and caches: where they are, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli.tree import main
from runfolio.record.base.cache_folder import cache_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_tilde_in_store_variable_is_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNFOLIO_STORE", "~/runs")
    with runfolio.init("net") as run:
        run.log({"loss": 1.0})
    assert run.folder.is_relative_to(home / "runs")
    assert runfolio.open().run("net").folder == run.folder


def test_tilde_in_store_argument_and_option_is_the_home_folder(home: Path):
    with runfolio.init("net", store="~/runs") as run:
        run.log({"loss": 1.0})
    assert runfolio.open("~/runs").run("net").folder == run.folder
    answer = CliRunner().invoke(main, ["runs", "--store=~/runs", "--json"])
    assert run.id in answer.output


@pytest.mark.parametrize("variable", ["RUNFOLIO_CACHE", "XDG_CACHE_HOME"])
def test_tilde_in_cache_variable_is_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.delenv("RUNFOLIO_CACHE", raising=False)
    monkeypatch.setenv(variable, "~/cache")
    cache = cache_folder()
    assert cache is not None
    assert cache.is_relative_to(home / "cache")


def test_git_ignores_a_new_store_and_an_existing_one_stays(tmp_path: Path):
    with runfolio.init("net", store=tmp_path / "new"):
        pass
    assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    (tmp_path / "own").mkdir()
    with runfolio.init("net", store=tmp_path / "own"):
        pass
    assert not (tmp_path / "own" / ".gitignore").exists()

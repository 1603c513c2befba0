"""Places and names of the folders of stores, runs and caches."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli.tree import main
from runfolio.record.base.cache_folder import cache_folder
from runfolio.record.spool import Spool


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


@pytest.fixture
def open_umask():
    """A umask that leaves files as they are asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_cache_is_private_whatever_the_umask(home: Path, monkeypatch: pytest.MonkeyPatch, store: Path):
    monkeypatch.setenv("RUNFOLIO_CACHE", str(home / "above" / "cache"))
    runfolio.init("net", store=store).finish()
    Spool(store / "net", "aaaaaaaa", "w1", 1, itertools.count(1), 1000).write_points(b"{}\n")
    runfolio.open(store).runs()
    cache = cache_folder()
    assert cache is not None
    assert len(list(cache.rglob("index.db"))) == len(list(cache.rglob("tail-*"))) == 1
    folders = [path for path in (cache.parent, cache, *cache.rglob("*")) if path.is_dir()]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


@pytest.mark.usefixtures("open_umask")
def test_store_is_as_open_as_the_umask_says(store: Path):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 1.0})
    assert {path.stat().st_mode & 0o777 for path in (store, *store.rglob("*"))} == {0o777, 0o666}
    assert run.folder.is_dir()

"""`runfolio cache` lists and clears the files that save time, and never removes points of runs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runfolio.vision.batches.cache_budget import open_row_store
from runfolio.vision.batches.cache_rows import RowStore


def keep(kind: str, name: str, used: float = 1e9) -> RowStore:
    """A folder of 10 kB and a little, open."""
    rows = open_row_store(kind, {"name": name}, 1000)
    rows.add([number.to_bytes(16, "little") for number in range(10)], np.zeros((10, 1000), dtype=np.uint8))
    os.utime(rows.folder / ".lock", (used, used))
    return rows


@pytest.fixture
def filled(cache: Path) -> Path:
    """A cache with something of each kind."""
    keep("features", "a").close()
    keep("pixels", "a").close()
    for name in ("images/0.json", "data/food/a.jpg", f"{'ab' * 16}/index.db", "spool/run-writer-2/metrics/1.jsonl"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(bytes(500))
    return cache


def test_each_kind_is_listed_with_its_size(runfolio, filled):
    listed = {row["kind"]: row for row in json.loads(runfolio("cache", "--json").stdout)}

    assert list(listed) == ["features", "pixels", "images", "digests", "data", "logdirs", "index", "spool"]
    assert [row["entries"] for row in listed.values()] == [1, 1, 1, 0, 1, 0, 1, 1]
    assert 10_000 < listed["features"]["bytes"] < 15_000
    text = runfolio("cache").stdout
    assert f"in {filled}; limit for features and pixels: 10 GB" in text


def test_without_a_cache_there_is_nothing_to_see_or_clear(runfolio, cache):
    assert all(row["bytes"] == 0 for row in json.loads(runfolio("cache", "--json").stdout))
    assert runfolio("cache", "clear").stdout == "There is nothing to clear.\n"


def test_budget_persists_and_evicts_the_least_recently_used(runfolio, cache):
    folders = [keep("features", name, used) for name, used in (("old", 1e9), ("new", 2e9))]
    for rows in folders:
        rows.close()

    done = runfolio("cache", "--budget", "12kB")

    assert "limit for features and pixels: 12 kB" in done.stdout
    assert [rows.folder.exists() for rows in folders] == [False, True]
    assert "limit for features and pixels: 12 kB" in runfolio("cache").stdout


def test_invalid_size_is_refused(runfolio):
    done = runfolio("cache", "--budget", "lots")

    assert done.exit_code == 2
    assert "'lots' is not a size; give a number followed by kB, MB, GB or TB" in done.stderr


@pytest.mark.parametrize("kinds", [["features"], ["pixels", "index"], []])
def test_clear_removes_those_kinds_and_never_the_spool(runfolio, filled, kinds):
    before = {row["kind"]: row["bytes"] for row in json.loads(runfolio("cache", "--json").stdout)}

    done = runfolio("cache", "clear", *kinds, "--yes")

    assert done.stdout.startswith("cleared ")
    after = {row["kind"]: row["bytes"] for row in json.loads(runfolio("cache", "--json").stdout)}
    cleared = set(kinds) or set(before) - {"spool"}
    assert after == {kind: 0 if kind in cleared else size for kind, size in before.items()}
    assert (filled / "spool/run-writer-2/metrics/1.jsonl").exists()


def test_the_spool_cannot_be_cleared_by_name(runfolio, filled):
    done = runfolio("cache", "clear", "spool", "--yes")

    assert done.exit_code == 2
    assert "'spool' is not one of" in done.stderr


def test_clear_keeps_entries_that_a_training_has_open(runfolio, cache):
    rows = keep("features", "open")

    done = runfolio("cache", "clear", "--yes")

    assert rows.folder.exists()
    assert "kept " in done.stdout
    assert "that a training process is using" in done.stdout


def test_nothing_is_cleared_unasked(runfolio, filled):
    done = runfolio("cache", "clear", "features")

    assert done.exit_code == 2
    assert "add --yes" in done.stderr
    assert json.loads(runfolio("cache", "--json").stdout)[0]["entries"] == 1


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"y\n", 0)])
def test_at_a_terminal_it_asks(filled, runfolio, answer, left):
    main, child = pty.openpty()
    os.write(main, answer)
    done = subprocess.run(
        [sys.executable, "-m", "runfolio", "cache", "clear", "features"], stdin=child, capture_output=True, text=True
    )
    os.close(child)
    os.close(main)

    assert done.returncode == 0, done.stderr
    assert json.loads(runfolio("cache", "--json").stdout)[0]["entries"] == left

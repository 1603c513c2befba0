"""Commands that only read end with one line when a record would fill the memory."""

from __future__ import annotations

import pytest

SCRIPT = """
import sys
from runfolio.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def large_store(python, store):
    """Return a store with a run whose document is 60 MB of JSON."""
    made = python("import runfolio, sys; runfolio.init(store=sys.argv[1]).finish()", store)
    assert made.returncode == 0, made.stderr
    (document,) = store.glob("*/*/run.json")
    start, end = document.read_text().rstrip().rsplit("}", 1)
    document.write_text(start + ', "filling": [' + "[]," * 20_000_000 + "0]}" + end)
    return store


@pytest.mark.parametrize("command", ["show", "doctor"])
def test_reading_command_out_of_memory_names_the_file(python, large_store, monkeypatch, command):
    monkeypatch.setenv("RUNFOLIO_MEMORY_LIMIT", "0.4")
    (document,) = large_store.glob("*/*/run.json")

    done = python(SCRIPT, command, document.parent.name.rpartition("-")[2], "--store", large_store)

    assert done.returncode == 1
    assert done.stderr == (
        f"error: reading {document} needs more memory than it may take; if you trust what it reads, set"
        " RUNFOLIO_MEMORY_LIMIT to a number of GB, or to off\n"
    )


def test_memory_limit_of_no_number_is_refused(python, store, monkeypatch):
    monkeypatch.setenv("RUNFOLIO_MEMORY_LIMIT", "much")

    done = python(SCRIPT, "runs", "--store", store)

    assert done.returncode == 2
    assert "RUNFOLIO_MEMORY_LIMIT is 'much'; it must be a number of GB above 0, or off" in done.stderr


def test_half_of_the_memory_is_the_limit_of_a_reading_command(python, store):
    script = """
import os, resource, sys
from runfolio.cli.memory_limit import limit_memory
limit_memory()
total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
print(0 < resource.getrlimit(resource.RLIMIT_DATA)[0] <= total // 2)
"""
    assert python(script).stdout == "True\n"

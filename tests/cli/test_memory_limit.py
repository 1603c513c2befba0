"""Commands that only read end with one line when a record would fill the memory."""

from __future__ import annotations

import pytest

SCRIPT = """
import sys
from runfolio.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["runs", "doctor"])
def test_reading_command_out_of_memory_names_the_file(python, store, monkeypatch, command):
    made = python("import runfolio, sys; runfolio.init(store=sys.argv[1]).finish()", store)
    assert made.returncode == 0, made.stderr
    (document,) = store.glob("*/*/run.json")
    document.write_bytes(b'{"runfolio": 0, "notes": "' + b"a" * 60_000_000 + b'"}')
    monkeypatch.setenv("RUNFOLIO_MEMORY_LIMIT", "0.15")

    done = python(SCRIPT, command, "--store", store)

    assert done.returncode == 1
    assert done.stderr == (
        f"error: reading {document} needs more memory than the limit allows; if you trust the data, set"
        " RUNFOLIO_MEMORY_LIMIT to a larger number of GB, or to off\n"
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

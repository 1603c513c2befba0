"""`make bench`, in its quick form and without peers, measures everything it lists. The figures are not checked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)  # some forty processes, on a machine that may be busy

ROOT = Path(__file__).resolve().parents[2]
LOGGERS = ["floor", "runfolio", "runfolio-sealing"]

Table = dict[str, list[str]]
"""A table's rows by their first cell."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """The tables of the page by heading."""
    page = tmp_path_factory.mktemp("bench") / "benchmarks.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--loggers", *LOGGERS, "--page", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    sections = re.split(r"^##? ", page.read_text(), flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: rows(section) for section in sections}


def rows(section: str) -> Table:
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def test_page_names_the_machine_it_was_measured_on(tables):
    assert {"processor", "cores", "system", "Python", "date", "commit of runfolio"} <= set(tables["Benchmarks"])


@pytest.mark.parametrize("heading", ["One scalar per call, unpaced", "Ten scalars per call, unpaced"])
def test_each_logger_has_figures_of_its_calls(tables, heading: str):
    assert [title.split()[0] for title in tables[heading]] == ["list.append", "runfolio"]
    for mean, median, p99, p999, longest, calls, *_ in tables[heading].values():
        assert 0 < number(median) <= number(p99) <= number(p999) <= number(longest) + 1
        assert number(mean) > 0
        assert number(calls) > 0


def test_a_paced_logger_makes_its_calls(tables):
    paced = tables["One scalar per call, 1,000 calls per second"]
    assert any(title.startswith("runfolio, sealing") for title in paced)
    for cells in paced.values():
        made, _, wanted = cells[5].partition(" of ")
        assert 0 < number(made) <= number(wanted)


def test_points_older_than_half_a_second_survive_a_kill(tables):
    survived = tables["Readable after kill -9"]
    assert len(survived) == 1
    for readable_of_logged, old in survived.values():
        readable, logged = map(number, readable_of_logged.split(" of "))
        assert 0 < readable <= logged
        read_back, expected = old.split(" of ")
        assert read_back == expected


def test_encodings_large_runs_and_init_have_figures(tables):
    encodings = tables["Encodings of points that are not sealed yet"]
    assert encodings["lines as runfolio writes them"][-1] == "yes"
    assert encodings["Arrow IPC, one batch per flush"][-1] == "no"
    assert number(tables["Large runs, runfolio alone"]["... files"][0]) > 0
    (cells,) = tables["`init` in a git repository of 3 modules with a diff, runfolio alone"].values()
    assert all(number(cell) > 0 for cell in cells)


def test_every_target_is_shown_next_to_its_measurement(tables):
    targets = tables["runfolio compared with its targets"]
    assert len(targets) >= 12
    assert {met for *_, met in targets.values()} <= {"yes", "**no**"}


def test_nothing_was_left_out_silently(tables):
    assert tables["Left out"] == {}

"""The lines of `docs/format.md` that read points without runfolio."""

from __future__ import annotations

from pathlib import Path

import pytest

import runfolio

from .commands import ROOT, blocks


def test_pandas_polars_and_duckdb_read_points_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(2):
        with runfolio.init(f"net-{number}", store=tmp_path / "runs") as run:
            for step in range(5):
                run.log({"train/loss": number + 1 / (step + 1), "other": 0.0}, step=step)
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    section = page[page.index("### Read points without runfolio") :]
    code = next(block for block in blocks(section) if block.language == "python").text
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "format.md", "exec"), names)

    recorded = runfolio.open(tmp_path / "runs").runs()
    expected = sorted(value for run in recorded for value in run.metric("train/loss").values.tolist())
    assert sum(bool(line) for line in code.splitlines()) <= 10
    assert sorted(names["with_pandas"]["value"].tolist()) == expected
    assert sorted(names["with_polars"]["value"].to_list()) == expected
    assert sorted(row[2] for row in names["with_duckdb"].fetchall()) == expected
    assert names["with_polars"]["file"].n_unique() == 2

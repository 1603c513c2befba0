"""The generated pages, `docs/cli.md` and `docs/api/`, match the current commands and docstrings."""

from __future__ import annotations

import subprocess
import sys

import runfolio
from runfolio.cli import main

from .commands import ROOT


def test_generated_pages_are_up_to_date():
    command = [sys.executable, "-m", "docs.generators", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_every_command_has_a_section():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in main.commands if f"\n## runfolio {name}\n" not in page] == []  # type: ignore[attr-defined]


def test_every_public_name_has_a_section():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    names = [name for name in runfolio.__all__ if name != "__version__"]
    assert [name for name in names if f"\n## {name}\n" not in pages] == []

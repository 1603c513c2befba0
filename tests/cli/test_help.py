"""The help lists commands under five headings, and the most common training settings first."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from runfolio.cli.tree import main


def help_lines(*words: str) -> list[str]:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, [*words, "-h"], terminal_width=80).output.splitlines()


def test_every_command_has_one_full_line_below_a_heading():
    lines = help_lines()
    headings = [line for line in lines if line in ("Train:", "Look:", "Decide:", "Keep:", "House:")]
    assert len(headings) == 5
    described = [line.split()[0] for line in lines[lines.index("Train:") :] if line.startswith("  ")]
    assert sorted(described) == sorted(main.commands)
    assert not any(line.endswith("...") for line in lines[lines.index("Train:") :])


@pytest.mark.parametrize("command", ["train", "series", "fork"])
def test_common_settings_come_first(command: str):
    lines = help_lines(command)
    sections = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert sections[:2] == ["Common:", "Options:"]
    common = "\n".join(lines[lines.index("Common:") : lines.index("Options:")])
    names = ("data", "model", "epochs", "lr", "batch-size", "optimizer", "seed")
    assert [line.split()[0] for line in common.splitlines() if line.startswith("  --")][:7] == [
        f"--{name}" for name in names
    ]

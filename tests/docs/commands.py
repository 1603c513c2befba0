"""Blocks and command lines of a document, and the check that the program would take them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import click

from runfolio.cli import main
from runfolio.cli.commands.series import FLAGS, SeriesCommand
from runfolio.cli.output.multiple_values import check_setting_flags
from runfolio.settings import fields_of
from runfolio.vision.settings import TrainSettings

ROOT = Path(__file__).parents[2]

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
"""Every document."""
WALKED = [
    "README.md",
    "docs/get-started.md",
    "docs/your-own-script.md",
    "docs/coming-from-tensorboard.md",
    "docs/resume-and-reproduce.md",
    "docs/series.md",
    "docs/comparing.md",
    "docs/filter.md",
    "docs/frames.md",
    "docs/data.md",
    "docs/several-processes.md",
    "docs/the-record.md",
]
"""Pages whose code and commands are run in the order of the page."""
TUTORIALS = ["docs/tutorials/foodvision.md", "docs/tutorials/own-loop.md", "docs/tutorials/training-script.md"]
"""Pages that are run the same way, on photos."""


@dataclass(frozen=True)
class Block:
    """A fenced block: `text` after a fence with `language` and `title`, as in "```python train.py"."""

    language: str
    title: str
    text: str


def blocks(document: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    pieces = re.split(r"^```(.*)$", document, flags=re.MULTILINE)
    # Text, opening fence's words, block, closing fence's nothing, text, ...
    names = [name.partition(" ") for name in pieces[1::4]]
    return [
        Block(language, title, text.strip("\n")) for (language, _, title), text in zip(names, pieces[2::4], strict=True)
    ]


def shell_lines(text: str) -> list[str]:
    """Return the lines of a block of the shell, continued lines joined."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def command_lines(document: str) -> list[str]:
    """Return every `runfolio ...` line of the blocks of the shell, without the remark to its right."""
    lines = [line for block in blocks(document) if block.language == "sh" for line in shell_lines(block.text)]
    return [re.split(r" {2,}", line)[0] for line in lines if line.startswith("runfolio ")]


def parse(line: str) -> None:
    """Parse as the program would, without doing it.

    Raises:
        click.UsageError: An unknown command or flag, a word too many, a value that the flag does not take.
    """
    assert isinstance(main, click.Group)
    _, *words = takewhile(lambda word: word not in (">", "|"), shlex.split(line))
    with click.Context(main) as context:
        name, command, rest = main.resolve_command(context, words)
        assert command is not None
    parsed = command.make_context(name, rest)
    if isinstance(command, SeriesCommand):  # its settings are read where they are used
        check_setting_flags(parsed.meta[FLAGS], fields_of(TrainSettings), command.own_flags(parsed))

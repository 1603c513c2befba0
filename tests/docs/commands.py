"""The command lines of a document, and whether the program would take them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from runfolio.cli import main
from runfolio.cli.commands.series import FLAGS, SeriesCommand
from runfolio.cli.output.multiple_values import check_setting_flags
from runfolio.settings import fields_of
from runfolio.vision.settings import TrainSettings

ROOT = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    """What stands in its fenced blocks of that language."""
    pieces = re.split(r"^```(.*)$", document, flags=re.MULTILINE)
    # Text, opening fence's language, block, closing fence's nothing, text, ...
    return [block for name, block in zip(pieces[1::4], pieces[2::4], strict=True) if name == language]


def command_lines(document: str, language: str) -> list[str]:
    """Every `runfolio ...` line, continued lines joined, without what explains it further right."""
    text = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks(document, language)))
    return [re.split(r" {2,}", line)[0] for line in text.splitlines() if line.startswith("runfolio ")]


def parse(line: str) -> None:
    """Parse as the program would, without doing it.

    Raises:
        click.UsageError: An unknown command or flag, a word too many, a value that the flag does not take.
    """
    assert isinstance(main, click.Group)
    _, *words = shlex.split(line)
    with click.Context(main) as context:
        name, command, rest = main.resolve_command(context, words)
        assert command is not None
    parsed = command.make_context(name, rest)
    if isinstance(command, SeriesCommand):  # its settings are read where they are used
        check_setting_flags(parsed.meta[FLAGS], fields_of(TrainSettings), command.own_flags(parsed))

"""Confirmation of actions that cannot be undone."""

from __future__ import annotations

import sys

import click

from runfolio.cli.output.console import ask
from runfolio.errors import ConfigError

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: str) -> bool:
    """Ask the user at the terminal and return the answer.

    Raises:
        ConfigError: Standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise ConfigError("no terminal to ask for confirmation; add --yes")
    return ask(question)

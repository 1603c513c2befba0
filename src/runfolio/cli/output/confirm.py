"""Asking before something is done that cannot be taken back."""

from __future__ import annotations

import sys

import click

from runfolio.cli.output.console import ask
from runfolio.errors import ConfigError

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def confirm(question: str) -> bool:
    """Whether somebody at a terminal says so.

    Raises:
        ConfigError: There is no terminal.
    """
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to be asked; say --yes to go on")
    return ask(question)

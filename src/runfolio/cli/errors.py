"""Conversion of each error to one line on stderr and an exit status.

Status 2 means that the request was wrong (a setting, name, file or flag). Status 1 means that the execution failed (a
failed run or a bug). Status 130 means that the user pressed Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from runfolio.cli.memory_limit import memory_message
from runfolio.cli.output.console import print_failure, print_traceback
from runfolio.errors import Ambiguous, FilterError, RunfolioError, did_you_mean, nearest

_ALIASES = {"ls": "runs", "list": "runs"}
"""Names that users know from other programs, with the commands that they stand for."""


class CommandTree(click.Group):
    """Root command, which contains all other commands. It prints errors without a traceback unless `--debug` is
    given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headings: dict[str, list[str]] = {}
        """Names of the commands under each heading of the help text."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for heading, names in self.headings.items():
            lines = [(f"{name:<{width}}", _summary(self.commands[name])) for name in names]
            with formatter.section(heading):
                formatter.write_dl(lines)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # click would sort the commands alphabetically

    def main(self, args: Sequence[str] | None = None, *ignored: Any, **extra: Any) -> NoReturn:
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(arguments, **{**extra, "prog_name": "runfolio", "standalone_mode": False})
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            status = _report(error, debug="--debug" in arguments)
        sys.exit(status)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        args = [_ALIASES.get(args[0], args[0]), *args[1:]]
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}; {did_you_mean(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)


def _summary(command: click.Command) -> str:
    """Return the first line of a command's help."""
    return command.short_help or (command.help or "").partition("\n\n")[0].replace("\n", " ")


def _report(error: BaseException, *, debug: bool) -> int:
    """Print the error and return the exit status."""
    if isinstance(error, click.Abort):
        print_failure("")  # ends the line of the unanswered question
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return 130
    if isinstance(error, BrokenPipeError):
        # The reader closed the pipe, as in `runfolio runs | head -1`. If stdout were not redirected, Python's flush at
        # exit would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    if debug:
        print_traceback(error)
    if isinstance(error, (Ambiguous, FilterError)):  # the messages of both errors have several lines
        print_failure(*f"error: {error}".rsplit("\n", 2 if isinstance(error, FilterError) else -1))
        return 2
    if isinstance(error, RunfolioError):
        return _print_error_line(str(error), status=2)
    if isinstance(error, click.ClickException):
        return _print_error_line(_usage_message(error), status=2)
    if isinstance(error, MemoryError):
        return _print_error_line(memory_message(error), status=1)
    hint = "" if debug else "; run again with --debug for the traceback"
    return _print_error_line(f"{type(error).__name__}: {_first_line(error)}{hint}", status=1)


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        message = f"no option {error.option_name}; {_near_options(error)}"
    first, *following = (line.strip() for line in message.splitlines())  # click puts choices on separate lines
    message = f"{first} {'; '.join(following)}".rstrip()
    message = message[:1].lower() + message[1:].removesuffix(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return message
    return f"{message}{'' if message.endswith('?') else ';'} see `{context.command_path} --help`"


def _near_options(error: click.NoSuchOption) -> str:
    flags = [flag for param in error.ctx.command.get_params(error.ctx) for flag in param.opts] if error.ctx else []
    near = nearest(error.option_name, [flag for flag in flags if flag.startswith("--")])
    return f"did you mean {' or '.join(near)}?" if near else "no option is similar"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")


def _print_error_line(message: str, *, status: int) -> int:
    print_failure(f"error: {message.strip()}")
    return status

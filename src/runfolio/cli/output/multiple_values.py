"""Parsing of flags with several values (`--epochs 5 10`), which click does not support."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence

import click

from runfolio.errors import did_you_mean
from runfolio.settings import Field

_NUMBER = re.compile(r"-[\d.]")


def split_setting_flags(args: Sequence[str], own: Mapping[str, click.Option]) -> tuple[list[str], dict[str, list[str]]]:
    """Split the arguments. Return the arguments for click, and the values of all flags that are not in `own`.

    The values of a flag are all words up to the next flag. A negative number is a value, not a flag.
    """
    own_args: list[str] = []
    flags: dict[str, list[str]] = {}
    tokens = deque(args)
    while tokens:
        token = tokens.popleft()
        flag, equals, value = token.partition("=")
        if not _is_flag(token):
            own_args.append(token)
        elif flag in own:
            own_args.append(token)
            if tokens and not (equals or own[flag].is_flag):
                own_args.append(tokens.popleft())
        else:
            values = flags.setdefault(flag.lstrip("-").replace("_", "-"), [])
            values += [value] if equals else []
            while tokens and not _is_flag(tokens[0]):
                values.append(tokens.popleft())
    return own_args, flags


def check_setting_flags(
    flags: Mapping[str, Sequence[str]], fields: Sequence[Field], own: Mapping[str, click.Option]
) -> dict[str, list[str]]:
    """Return the values of settings, keyed by setting. For a boolean, `--x` means true and `--no-x` means false.

    Raises:
        click.UsageError: A flag is not a setting, has no value, or is followed by a YAML file.
    """
    fields_by_key = {field.key: field for field in fields}
    settings: dict[str, list[str]] = {}
    for key, values in flags.items():
        positive = key.removeprefix("no-")
        switch = fields_by_key.get(positive)
        if switch is not None and switch.kind is bool and not values:
            settings.setdefault(positive, []).append("true" if key == positive else "false")
        elif key not in fields_by_key:
            raise click.UsageError(
                f"no option --{key}; {did_you_mean(f'--{key}', [*own, *map('--{}'.format, fields_by_key)])}"
            )
        elif not values:
            raise click.UsageError(f"--{key} needs a value")
        elif files := [value for value in values if value.endswith((".yaml", ".yml"))]:
            raise click.UsageError(f"{files[0]} is read as a value of --{key}; put the file before the flags")
        else:
            settings.setdefault(key, []).extend(values)
    return settings


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.match(word)

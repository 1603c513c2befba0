"""`--epochs 5 10`: flags with several values, which click does not know."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence

import click

from runfolio.errors import did_you_mean
from runfolio.settings import Field

_NUMBER = re.compile(r"-[\d.]")


def split_settings(args: Sequence[str], own: Mapping[str, click.Option]) -> tuple[list[str], dict[str, list[str]]]:
    """Arguments as those click is to parse and the values of every flag it does not own.

    The values of a flag are all that stands between it and the next flag; a negative number is a value.
    """
    rest: list[str] = []
    flags: dict[str, list[str]] = {}
    tokens = deque(args)
    while tokens:
        token = tokens.popleft()
        flag, equals, value = token.partition("=")
        if not _is_flag(token):
            rest.append(token)
        elif flag in own:
            rest.append(token)
            if tokens and not (equals or own[flag].is_flag):
                rest.append(tokens.popleft())
        else:
            values = flags.setdefault(flag.lstrip("-").replace("_", "-"), [])
            values += [value] if equals else []
            while tokens and not _is_flag(tokens[0]):
                values.append(tokens.popleft())
    return rest, flags


def checked_flags(
    flags: Mapping[str, Sequence[str]], fields: Sequence[Field], own: Mapping[str, click.Option]
) -> dict[str, list[str]]:
    """Flags as settings by key; `--x` alone is true and `--no-x` is false where x is true or false.

    Raises:
        click.UsageError: A flag that is no setting, or one without a value.
    """
    known = {field.key: field for field in fields}
    found: dict[str, list[str]] = {}
    for key, values in flags.items():
        positive = key.removeprefix("no-")
        switch = known.get(positive)
        if switch is not None and switch.kind is bool and not values:
            found.setdefault(positive, []).append("true" if key == positive else "false")
        elif key not in known:
            raise click.UsageError(f"no option --{key}; {did_you_mean(f'--{key}', [*own, *map('--{}'.format, known)])}")
        elif not values:
            raise click.UsageError(f"--{key} needs a value")
        elif files := [value for value in values if value.endswith((".yaml", ".yml"))]:
            raise click.UsageError(f"{files[0]} reads as a value of --{key}; put the file before the flags")
        else:
            found.setdefault(key, []).extend(values)
    return found


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.match(word)

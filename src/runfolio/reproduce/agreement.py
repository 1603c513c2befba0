"""Fields of a plan that the user must agree to. These fields list everything that will be started, set or written."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from runfolio.errors import ConfigError
from runfolio.record.base.visible_text import HIDDEN_IN_LINE
from runfolio.reproduce.plan import Plan


class AgreedField(NamedTuple):
    """One line of the plan as shown to the user. `shlex.split` recovers the exact words from its text."""

    name: str
    text: str


def agreed_fields(plan: Plan) -> list[AgreedField]:
    """Return the source of the code, the files and links to write, the start folder, the command and its variables.

    Raises:
        ConfigError: A field contains characters that a terminal does not show (the message names the field), or the
            uncommitted changes are not a valid patch.
    """
    fields = [AgreedField(name, shlex.join(words)) for name, words in _fields(plan)]
    for name, text in fields:
        if HIDDEN_IN_LINE.search(text):
            raise ConfigError(
                f"{plan.start.label} is not repeated: {_FIELD_NAMES.get(name, name)} contains control or bidirectional"
                f" characters, so it may differ from what a terminal shows: {text}"
            )
    return fields


_FIELD_NAMES = {
    "from": "the folder of the code",
    "venv": "the interpreter",
    "changed": "the path of an uncommitted change",
    "kept": "the path of a captured file",
    "link": "a link",
    "folder": "the folder",
    "command": "the command",
    "set": "a variable",
}


def _fields(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    if (folder := plan.tree if plan.source.kind == "here" else plan.source.repository) is not None:
        yield "from", [os.fspath(folder)]
    if plan.venv is not None:
        yield "venv", [os.fspath(plan.interpreter), "-m", "venv", os.fspath(plan.venv)]
    for path in changed_paths(plan):
        yield "changed", [path]
    for file in plan.captured_files:
        yield "kept", [file.path]
    for link, target in plan.links.items():
        yield "link", [os.fspath(link), os.fspath(target)]
    yield "folder", [os.fspath(plan.folder)]
    yield "command", plan.command
    for name, value in sorted(plan.variables.items()):
        yield "set", [f"{name}={value}"]


def changed_paths(plan: Plan) -> list[str]:
    """Return the files that the uncommitted changes write or remove, according to git."""
    if not plan.diff:
        return []
    # `--numstat` does not apply the patch. Inside a repository, git would list only the files below the current folder.
    command = ["git", "-C", os.sep, "apply", "--numstat", "-z", "-"]
    listed = subprocess.run(command, input=plan.diff, capture_output=True, check=False)
    if listed.returncode:
        raise ConfigError(
            f"the uncommitted changes of {plan.start.label} are not a valid patch; --here runs today's code instead"
        )
    return [os.fsdecode(entry.split(b"\t", 2)[2]) for entry in listed.stdout.split(b"\0") if entry]

"""What the documents promise is tried: examples run, commands exist, public names are the deliberate ones."""

from __future__ import annotations

import re
import shlex
from importlib import metadata
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import runfolio
from runfolio.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    pieces = re.split(r"^```(.*)$", README, flags=re.MULTILINE)
    # Text, opening fence's language, block, closing fence's nothing, text, ...
    return [block for name, block in zip(pieces[1::4], pieces[2::4], strict=True) if name == language]


def test_the_python_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    last_loss = float(capsys.readouterr().out.split()[0])
    assert last_loss < 0.1


def commands() -> list[str]:
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("runfolio ")]
    return [re.split(r" {2,}", line)[0] for line in lines]


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_exist_with_these_flags(command: str):
    assert isinstance(main, click.Group)
    _, name, *words = shlex.split(command)
    known = main.commands[name]
    with click.Context(known, info_name=name) as context:
        flags = {flag for param in known.get_params(context) for flag in param.opts}
        flags |= set(re.findall(r"--[a-z-]+", known.get_help(context)))
    assert {word for word in words if word.startswith("--")} <= flags


def test_the_readme_shows_every_command():
    assert isinstance(main, click.Group)
    assert {command.split()[1] for command in commands()} == set(main.commands)


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_public_name_can_be_imported_and_nothing_else_is_promised():
    for name in runfolio.__all__:
        assert getattr(runfolio, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        runfolio.nothing  # noqa: B018
    assert set(dir(runfolio)) == set(runfolio.__all__)


def test_the_core_brings_at_most_15_packages_and_nothing_heavy():
    """20 with the board's server to come, which brings five."""
    pending, brought = ["runfolio"], set[str]()
    while pending:
        for line in metadata.requires(pending.pop()) or []:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name not in brought and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                brought.add(name)
                pending.append(name)
    assert len(brought) <= 15
    assert not brought & {"torch", "pydantic", "matplotlib", "pandas", "scikit-learn"}

"""What the documents promise is tried: examples run, commands exist, public names are the deliberate ones."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import click
import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import runfolio
from runfolio.cli import main

from .commands import ROOT, blocks, command_lines, parse

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    example, _ = blocks(README, "python")
    exec(compile(example, "README.md", "exec"), {})
    last_loss = float(capsys.readouterr().out.split()[0])
    assert last_loss < 0.1


def test_resume_example_continues_mid_epoch_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    _, example = blocks(README, "python")

    def weights(code: str) -> torch.Tensor:
        torch.manual_seed(1)
        exec(compile(code, "README.md", "exec"), names := {})
        return names["run"].restore().tensors("model")["1.weight"]

    straight = weights(example)
    with pytest.raises(AssertionError):
        weights(example.replace("step += 1", "step += 1; assert step < 14"))
    (stopped,) = runfolio.open().runs(state="failed")
    assert stopped.checkpoint("last").step == 13
    assert torch.equal(weights(example.replace("resume = None", f"resume = {stopped.id!r}")), straight)


@pytest.mark.parametrize("line", command_lines(README, ""))
def test_the_commands_of_the_readme_exist_with_these_flags(line: str):
    parse(line)


def test_the_readme_shows_every_command():
    assert isinstance(main, click.Group)
    assert {line.split()[1] for line in command_lines(README, "")} == set(main.commands)


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

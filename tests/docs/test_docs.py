"""The documents keep their promises: pages can be followed, commands exist, links lead somewhere."""

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

from ..forked import Forked
from .commands import PAGES, ROOT, WALKED, blocks, command_lines, parse
from .walk import Walk

PAGE_NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.timeout(600)  # some twenty processes, on a machine that may be busy
@pytest.mark.parametrize("page", WALKED)
def test_page_can_be_followed(page: str, forked: Forked, tmp_path: Path):
    Walk(forked, tmp_path).page(text_of(page))


def test_every_page_with_commands_is_followed_or_generated():
    followed = {*WALKED, "docs/cli.md"}
    others = [page for page in PAGE_NAMES if page not in followed and "/tutorials/" not in page]
    assert [page for page in others if command_lines(text_of(page))] == []


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_commands_of_the_page_exist_with_these_flags(page: str):
    for line in command_lines(text_of(page)):
        parse(line)


def test_a_command_that_does_not_exist_would_be_found():
    for wrong in ("runfolio trian", "runfolio train --epohcs 3", "runfolio series --lerning-rate 1", "runfolio runs x"):
        with pytest.raises(click.UsageError):
            parse(wrong)


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_links_lead_to_files_and_headings(page: str):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_index():
    reached, pending = set[Path](), [ROOT / "docs" / "index.md"]
    while pending:
        page = pending.pop()
        if page not in reached:
            reached.add(page)
            targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
            pending += [(page.parent / target).resolve() for target in targets if "://" not in target]
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= reached


def test_readme_is_short():
    assert len(text_of("README.md").splitlines()) <= 150


def test_example_of_the_readme_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = [block.text for block in blocks(text_of("README.md")) if block.language == "python"]
    assert len(example.splitlines()) == 15
    exec(compile(example, "README.md", "exec"), {})
    assert float(capsys.readouterr().out.split()[0]) < 0.1


def test_resume_example_continues_mid_epoch_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (example,) = [block.text for block in blocks(text_of("docs/resume-and-reproduce.md")) if block.title == "exact.py"]

    def weights(code: str, *arguments: str) -> torch.Tensor:
        monkeypatch.setattr("sys.argv", ["exact.py", *arguments])
        exec(compile(code, "exact.py", "exec"), names := {})
        return names["run"].restore().tensors("model")["1.weight"]

    straight = weights(example)
    with pytest.raises(AssertionError):
        weights(example.replace("step += 1", "step += 1; assert step < 14"))
    (stopped,) = runfolio.open().runs(state="failed")
    assert stopped.checkpoint("last").step == 13
    assert torch.equal(weights(example, stopped.id), straight)


def test_every_public_name_can_be_imported_and_nothing_else_is_promised():
    for name in runfolio.__all__:
        assert getattr(runfolio, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        runfolio.nothing  # noqa: B018
    assert set(dir(runfolio)) == set(runfolio.__all__)


def test_the_core_brings_at_most_20_packages_and_nothing_heavy():
    pending, brought = ["runfolio"], set[str]()
    while pending:
        for line in metadata.requires(pending.pop()) or []:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name not in brought and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                brought.add(name)
                pending.append(name)
    assert len(brought) <= 20
    assert not brought & {"torch", "pydantic", "matplotlib", "pandas", "scikit-learn"}

"""The source distribution, and the facts the package states about itself."""

import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.version import Version
from trove_classifiers import classifiers

ROOT = Path(__file__).parents[2]
NOT_DISTRIBUTED = (".ci/",)
ADDED_BY_THE_BUILD = "PKG-INFO"


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Files of a source distribution that is built for the test."""
    (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))
    with tarfile.open(built) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if not member.isdir()}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def committed() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked distribution has no list of committed files")
def test_source_distribution_has_every_committed_file(distributed: set[str]) -> None:
    wanted = {name for name in committed() if not name.startswith(NOT_DISTRIBUTED)}

    assert distributed - {ADDED_BY_THE_BUILD} == wanted


def test_source_distribution_has_the_documents_of_the_project(distributed: set[str]) -> None:
    assert {"SECURITY.md", "CONTRIBUTING.md", "CITATION.cff", "CHANGELOG.md", "LICENSE", "README.md"} <= distributed


def test_classifiers_are_known_to_the_registry(project: dict[str, Any]) -> None:
    assert set(project["classifiers"]) <= classifiers


def test_citation_agrees_with_the_package(project: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())

    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == project["authors"]
    assert citation["license"] == project["license"]


@pytest.mark.parametrize(("library", "last_unsafe"), [("pillow", "12.2.99"), ("torch", "2.9.99")])
def test_libraries_that_decode_files_have_safe_lowest_versions(
    project: dict[str, Any], library: str, last_unsafe: str
) -> None:
    extras = project["optional-dependencies"].values()
    stated = [Requirement(line) for line in (*project["dependencies"], *(line for extra in extras for line in extra))]
    found = [requirement for requirement in stated if requirement.name == library and requirement.specifier]
    assert found
    assert not any(requirement.specifier.contains(last_unsafe) for requirement in found)
    pinned = next(
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith(f"{library}==")
    )
    assert Version(pinned.partition("==")[2]) > Version(last_unsafe)


def test_wheel_has_every_file_of_the_board(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        packed = {name.removeprefix("runfolio/board/") for name in archive.namelist()}

    board = ROOT / "src/runfolio/board"
    assert {path.relative_to(board).as_posix() for path in (board / "web").rglob("*") if path.is_file()} <= packed

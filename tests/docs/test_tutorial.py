"""The tutorial is followed: its commands exist, and are typed in its order where its photos and weights are at hand."""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

import runfolio
from runfolio.cli import main

from .commands import ROOT, command_lines, parse

TUTORIAL = ROOT / "docs" / "tutorials" / "foodvision.md"
TEXT = TUTORIAL.read_text(encoding="utf-8")
LINES = command_lines(TEXT, "sh")
NETWORK = "sh network"
"""The language of blocks that need one."""

SHARED = ROOT.parent / "shared"
COPIES = {
    "pizza_steak_sushi.zip": SHARED / "data" / "pizza_steak_sushi.zip",
    "pizza_steak_sushi_20_percent.zip": SHARED / "data" / "pizza_steak_sushi_20_percent.zip",
    "mobilenet_v2.pth": SHARED / "weights" / "mobilenet_v2_from_tflite_quant.pth",
}

SMALL = ["--data-fraction", "0.1", "--image-size", "96"]
EPOCHS = {"5": "1", "10": "2"}
"""What the series trains here instead."""


@pytest.mark.parametrize("line", [*LINES, *command_lines(TEXT, NETWORK)])
def test_the_commands_of_the_tutorial_exist_with_these_flags(line: str):
    parse(line)


def test_a_command_that_does_not_exist_would_be_found():
    for wrong in ("runfolio trian", "runfolio train --epohcs 3", "runfolio series --lerning-rate 1", "runfolio runs x"):
        with pytest.raises(click.UsageError):
            parse(wrong)


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT):
        assert (TUTORIAL.parent / target).exists(), target


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's working folder: both zips, the weights, the series, a photo and a folder of photos."""
    if missing := [path.name for path in COPIES.values() if not path.exists()]:
        pytest.skip(f"no local copy of {', '.join(missing)} beside this checkout")
    for name, copy in COPIES.items():
        (tmp_path / name).symlink_to(copy)
    shutil.copytree(ROOT / "series", tmp_path / "series")
    with zipfile.ZipFile(COPIES["pizza_steak_sushi.zip"]) as photos:
        for number, name in enumerate(sorted(name for name in photos.namelist() if name.startswith("train/"))):
            photo = tmp_path / "photos" / Path(name).parent.name / f"{number}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(photos.read(name))
    shutil.copy(tmp_path / "photos" / "pizza" / "0.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(line: str) -> list[str]:
    """The same command at a budget for tests, on runs that are named after it."""
    _, command, *words = shlex.split(line)
    words = [re.sub(r"_v2-(\d+)ep", lambda name: f"_v2-10pct-{EPOCHS[name[1]]}ep", word) for word in words]
    if command == "series":
        words += [*SMALL, "--epochs", *EPOCHS.values()]
    if command == "train":
        words += [*SMALL, "--epochs", "1"]
    return [command, *words]


def test_the_tutorial_can_be_walked(kitchen: Path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # test workers share the cores
    try:
        for line in LINES:
            if not line.startswith("runfolio resume "):  # nothing is interrupted here
                done = CliRunner().invoke(main, small(line), catch_exceptions=False)
                assert done.exit_code == 0, f"{line}\n{done.output}"
    finally:
        torch.set_num_threads(before)

    runs = runfolio.open(kitchen / "runs")
    series = runs.runs("foodvision")
    assert [run.state for run in series] == ["finished"] * 4
    assert {run.flat_summary["test/images"] for run in series} == {75}
    assert len([run for run in series if "test/acc" in run.flat_summary and len(run.document.attempts) > 1]) == 1
    best = runs.best("val/acc", experiment="foodvision")
    assert best.flat_summary["val/acc"] == max(run.flat_summary["val/acc"] for run in series)
    for picture in ("batch.png", "val-loss.png", "predictions.png", "evaluation/mistakes.png"):
        assert (kitchen / picture).stat().st_size > 1000, picture

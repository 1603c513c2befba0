"""The tutorials are followed where their photos and weights are at hand, on few and small photos."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

import runfolio

from ..forked import Forked
from .commands import ROOT, TUTORIALS
from .walk import Walk

pytestmark = pytest.mark.timeout(600)  # some fifty processes, on a machine that may be busy

SHARED = ROOT.parent / "shared"
ZIP = SHARED / "data" / "pizza_steak_sushi.zip"
COPIES = {
    "pizza_steak_sushi.zip": ZIP,
    "pizza_steak_sushi_20_percent.zip": SHARED / "data" / "pizza_steak_sushi_20_percent.zip",
    "mobilenet_v2.pth": SHARED / "weights" / "mobilenet_v2_from_tflite_quant.pth",
}
FOODVISION, OWN_LOOP, TRAINING_SCRIPT = ((ROOT / page).read_text(encoding="utf-8") for page in TUTORIALS)

SMALL = ["--data-fraction", "0.1", "--image-size", "96"]
EPOCHS = {"5": "1", "10": "2", "400": "20"}
"""Epochs that are trained here instead."""


def needed(*files: Path) -> None:
    if missing := [file.name for file in files if not file.exists()]:
        pytest.skip(f"no local copy of {', '.join(missing)} beside this checkout")


def unpack(folder: Path, part: str, *, size: int) -> None:
    """Write a third of the photos of a part of the zip into one folder per class, `size` pixels square."""
    with zipfile.ZipFile(ZIP) as photos:
        names = sorted(name for name in photos.namelist() if name.startswith(f"{part}/") and name.endswith("jpg"))
        for name in names[::3]:
            photo = folder / Path(name).parent.name / Path(name).name
            photo.parent.mkdir(parents=True, exist_ok=True)
            Image.open(io.BytesIO(photos.read(name))).resize((size, size)).save(photo)


def at_a_budget(words: list[str]) -> list[str]:
    """Return the same command on fewer and smaller images, on runs that are named after it."""
    words = [re.sub(r"_v2-(\d+)ep", lambda name: f"_v2-10pct-{EPOCHS[name[1]]}ep", word) for word in words]
    if words[0] == "series":
        words += [*SMALL, "--epochs", "1", "2"]
    if words[0] == "train":
        # The folder has few photos already.
        words = [EPOCHS.get(word, word) for word in words] + (SMALL[2:] if "folder:photos" in words else SMALL)
    return words


def fewer_epochs(words: list[str]) -> list[str]:
    """Return the same command with fewer epochs."""
    return [
        {"8": "3", "30": "12"}.get(word, word) if before == "--epochs" else word
        for before, word in pairwise(["", *words])
    ]


def test_foodvision_can_be_followed(forked: Forked, tmp_path: Path):
    needed(*COPIES.values())
    for name, copy in COPIES.items():
        (tmp_path / name).symlink_to(copy)
    shutil.copytree(ROOT / "series", tmp_path / "series")
    unpack(tmp_path / "photos", "train", size=96)
    shutil.copy(next((tmp_path / "photos" / "pizza").iterdir()), tmp_path / "photo.jpg")

    Walk(forked, tmp_path, at_a_budget).page(FOODVISION)

    folio = runfolio.open(tmp_path / "runs")
    series = folio.runs("foodvision")
    assert [run.state for run in series] == ["finished"] * 4
    assert {run.flat_summary["test/images"] for run in series} == {75}
    assert len([run for run in series if "test/acc" in run.flat_summary and len(run.document.attempts) > 1]) == 1
    best = folio.best("val/acc", experiment="foodvision")
    assert best.flat_summary["val/acc"] == max(run.flat_summary["val/acc"] for run in series)
    assert len(folio.run("long").document.attempts) == 2
    for picture in ("batch.png", "val-loss.png", "predictions.png", "evaluation/mistakes.png"):
        assert (tmp_path / picture).stat().st_size > 1000, picture


def test_own_loop_can_be_followed(forked: Forked, tmp_path: Path):
    needed(ZIP)
    for part in ("train", "test"):
        unpack(tmp_path / "photos" / part, part, size=64)

    Walk(forked, tmp_path, fewer_epochs).page(OWN_LOOP)

    runs = runfolio.open(tmp_path / "runs").runs("food")
    assert len(runs) == 9  # and the first, which is archived
    resumed = runs[0]
    assert [len(resumed.document.attempts), resumed.state] == [2, "finished"]
    assert resumed.metric("val/acc").steps.tolist() == list(range(1, 13))


def test_training_script_can_be_followed(forked: Forked, tmp_path: Path):
    Walk(forked, tmp_path).page(TRAINING_SCRIPT)

    folio = runfolio.open(tmp_path / "runs")
    assert {run.name for run in folio.runs("sweep")} >= {"sweep-6-fork", "sweep-6-reproduced"}
    verdict = folio.run("sweep-6-reproduced").edits.verdict
    assert verdict is not None
    assert verdict["word"] == "bit-equal"

"""Training with ImageNet weights on photos, if they are next to this checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

import runfolio
from runfolio.vision import TrainSettings, run_experiment

SHARED = Path(__file__).parents[3] / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_from_tflite_quant.pth"
PHOTOS = SHARED / "data" / "pizza_steak_sushi.zip"

pytestmark = pytest.mark.skipif(
    not (WEIGHTS.exists() and PHOTOS.exists()), reason="no real weights and photographs beside this checkout"
)


def test_new_head_on_frozen_backbone_learns_from_a_few_photographs(store):
    settings = TrainSettings(
        data=f"zip:{PHOTOS}",
        data_fraction=0.4,
        image_size=128,
        model="mobilenet_v2",
        weights=str(WEIGHTS),
        freeze_backbone=True,
        lr=3e-3,
        batch_size=8,
        epochs=2,
        device="cpu",
    )

    folder = run_experiment(settings, store=store)
    run = runfolio.open(store).run(folder)

    assert run.flat_summary["test/images"] == 75
    assert run.flat_summary["test/acc"] * 75 > 50

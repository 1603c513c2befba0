"""Trainings on cached features of a frozen backbone, with the same results as without a cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_model

import runfolio
from runfolio import RecordedRun
from runfolio.errors import ConfigError
from runfolio.settings import build
from runfolio.vision import TrainSettings, find_lr, run_experiment
from runfolio.vision.batches import loaders
from runfolio.vision.batches.cache_budget import BUDGETED_KINDS
from runfolio.vision.continuing.series_conclusion import conclude
from runfolio.vision.data import files
from runfolio.vision.data.pictures import read_picture
from runfolio.vision.loop import input_pipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.prepare import prepare

from .photos import fill
from .test_feature_cache import Counting
from .test_training import texts

SPEC = ModelSpec(name="tinyvgg", channels=3, height=32, width=32, classes=2, hidden_units=4)
MANY = 20_000
Train = Callable[..., tuple[RecordedRun, int]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return photos of two classes, and weights."""
    folder = tmp_path_factory.mktemp("inputs")
    torch.manual_seed(0)
    save_model(build_model(SPEC), str(folder / "weights.safetensors"))
    return {
        "data": f"folder:{fill(folder / 'food', {'pizza': 12, 'sushi': 12})}",
        "weights": str(folder / "weights.safetensors"),
    }


@pytest.fixture
def train(inputs: dict[str, str], store: Path) -> Train:
    """Return a function that trains a head and returns the run and the number of images with computed features."""

    def run(series: dict[str, str] | None = None, **changes: object) -> tuple[RecordedRun, int]:
        settings = {
            "model": SPEC.name,
            "hidden_units": SPEC.hidden_units,
            "freeze_backbone": True,
            "image_size": SPEC.height,
            "batch_size": 5,
            "epochs": 3,
            "device": "cpu",
            "watch": 2,
            "tensorboard": False,
        }
        progress = Counting()
        folder = run_experiment(
            TrainSettings(**{**inputs, **settings, **changes}),
            store=store,
            series=series,
            progress=progress,  # type: ignore[arg-type]
        )
        return runfolio.open(store).run(folder), progress.computed

    return run


@pytest.mark.parametrize(
    "how", [{"dropout": 0.3, "ema": 0.7, "accumulate": 2, "optimizer": "adamw"}, {"test_at": "epoch"}]
)
def test_head_does_not_depend_on_the_cache(train, how):
    cached_run, computed = train(**how)
    through, none = train(**how, cache=False)

    assert (computed, none) == (24, 0)
    ours, theirs = (run.checkpoint("last").tensors("model") for run in (cached_run, through))
    for key, tensor in theirs.items():
        torch.testing.assert_close(ours[key], tensor, rtol=1e-3, atol=1e-4)
    # A backbone whose features are cached does not run, so its dead units are not counted.
    assert set(cached_run.metrics) == {name for name in through.metrics if not name.startswith("dead_units")}
    for name in ("train/loss", "val/loss", "batch/loss"):
        assert cached_run.metric(name).values == pytest.approx(through.metric(name).values, rel=1e-3, abs=1e-4)
    assert train(**how)[1] == 0


@pytest.mark.parametrize(("most", "threads"), [(100_000, 1), (1, 2)])
def test_only_a_small_head_is_trained_on_one_thread(inputs, monkeypatch, most, threads):
    monkeypatch.setattr(input_pipeline, "_SMALL_HEAD", most)
    settings = TrainSettings(
        **inputs, model=SPEC.name, hidden_units=4, freeze_backbone=True, image_size=32, batch_size=5, device="cpu"
    )
    preparation = prepare(settings)
    state, pipeline = TrainState(preparation), input_pipeline.InputPipeline(preparation)
    pipeline.open_cache(state, None)
    torch.set_num_threads(2)
    try:
        with pipeline.connect(state):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_range_test_of_a_head_computes_features_once(inputs, store):
    progress = Counting()
    settings = TrainSettings(
        **inputs, model=SPEC.name, hidden_units=SPEC.hidden_units, image_size=SPEC.height, freeze_backbone=True
    )
    find_lr(settings, store=store, progress=progress)  # type: ignore[arg-type] - it counts
    assert progress.computed == 24


@pytest.mark.parametrize("ema", [None, 0.7])
def test_late_test_on_features_gives_the_same_bits(train, store, ema):
    later, computed = train(series={"name": "heads", "fingerprint": "1"}, ema=ema, test_at="chosen")
    untested = int(later.flat_summary["test/images"])
    assert computed == 24 - untested
    progress = Counting()
    conclude({later.folder: build(TrainSettings, later.config)}, store=store, progress=progress)  # type: ignore[arg-type] - it counts
    assert progress.computed == untested

    at_once, _ = train(ema=ema, test_at="end")
    tested = runfolio.open(store).run(later.folder)
    for name in ("test/loss", "test/acc"):
        assert tested.flat_summary[name] == at_once.flat_summary[name]


def test_training_cycles_through_views_and_validation_uses_originals(train):
    augmented, computed = train(augment="flip-crop", cached_views=2)

    images = augmented.flat_summary
    assert computed == 2 * images["train/images"] + images["val/images"] + images["test/images"]
    assert train(augment="flip-crop", cached_views=2, epochs=5)[1] == 0
    through, none = train(augment="flip-crop")
    assert none == 0
    epochs = [run.metric("train/loss").values for run in (augmented, through)]
    assert epochs[0][:2] == pytest.approx(epochs[1][:2], rel=1e-3)


def test_features_beyond_the_cache_budget_are_reported_once(train, monkeypatch):
    monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "1kB")

    run, computed = train()

    assert (run.state, computed) == ("finished", 0)
    notice = texts(run)["notice"]
    assert notice.startswith(
        "computes the whole network in each epoch: the features of 16 images take 0.0164 MB, but the cache budget"
        " (`runfolio cache --budget`) or the disk has only 0.00"
    )
    assert notice.endswith(" MB left")


def test_images_are_decoded_once_for_all_runs_if_the_backbone_trains(train, monkeypatch):
    decoded: list[Path] = []
    monkeypatch.setattr(files, "read_picture", lambda path, *how: decoded.append(path) or read_picture(path, *how))
    whole = {"freeze_backbone": False, "weights": None, "epochs": 2}
    shown = 1 + 16 + 8  # images that each run decodes to record the graph, the inputs and the predictions

    cached_run, _ = train(**whole)
    assert len(set(decoded)) == 24
    assert len(decoded) == 24 + shown
    again, _ = train(**whole, augment="flip-crop")
    assert len(decoded) == 24 + 2 * shown
    through, _ = train(**whole, cache=False)
    # Without a cache, the graph shows one of the images that are decoded for training.
    assert len(decoded) == 24 + 2 * shown + 24 + (shown - 1)

    ours, theirs = (run.checkpoint("last").tensors("model") for run in (cached_run, through))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert again.state == "finished"


def test_images_beyond_the_pixel_cache_are_decoded_again(train, monkeypatch):
    monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "20kB")  # less than 24 x 3,072 bytes
    monkeypatch.setattr(loaders, "MEMORY_CACHE_BYTES", 0)  # no pixels stay in memory

    run, _ = train(freeze_backbone=False, weights=None, epochs=2)

    assert run.state == "finished"
    assert "decodes some images in each epoch: the cache budget" in texts(run)["notice"]


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"augment": "none"}, "an --augment that changes images"),
        ({"augment": "trivial", "freeze_backbone": False}, "freeze-backbone"),
        ({"augment": "trivial", "cache": False}, "the cache"),
        ({"augment": "trivial", "mixup": 0.2}, "images that are not mixed"),
    ],
)
def test_views_without_the_required_settings_are_refused(settings, needed):
    with pytest.raises(ConfigError, match=f"cached-views is 4 but needs {needed}"):
        TrainSettings(**{"freeze_backbone": True, "weights": "w.pth", "cached_views": 4, **settings})


TRAINING = """
import resource, sys
import numpy as np, torch
from pathlib import Path
from PIL import Image
from runfolio.vision import TrainSettings, run_experiment

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000

place, files, frozen = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "frozen"
for n in range(files):
    folder = place / "many" / "ab"[n % 2]
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 48, 3), n % 2 * 200, np.uint8)
    pixels[0, :3, 0] = n % 256, n // 256, 7
    Image.fromarray(pixels).save(folder / f"{n}.png", compress_level=0)
settings = dict(model="tinyvgg", hidden_units=1, image_size=32, epochs=1, device="cpu", watch=0, tensorboard=False)
if frozen:
    settings |= {"freeze_backbone": True, "weights": sys.argv[4]}
before = peak()
run_experiment(TrainSettings(data=f"folder:{place / 'many'}", **settings), store=place / "runs")
print(before, peak())
"""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["frozen", "whole"])
def test_training_on_20000_files_takes_bounded_memory_and_disk(tmp_path, cache, monkeypatch, how):
    torch.manual_seed(0)
    save_model(build_model(replace(SPEC, hidden_units=1)), str(tmp_path / "weights.safetensors"))
    monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "20MB")  # less than the pixels, 20,000 x 3,072 bytes
    monkeypatch.setenv("RUNFOLIO_CODE", "off")

    command = [sys.executable, "-c", TRAINING, tmp_path, str(MANY), how, tmp_path / "weights.safetensors"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)

    before, after = map(int, done.stdout.splitlines()[-1].split())
    cached_bytes = sum(
        path.stat().st_size for kind in BUDGETED_KINDS for path in (cache / kind).rglob("*") if path.is_file()
    )
    print(f"{how}: peak before {before} MB, after {after} MB; kept {cached_bytes / 1e6:.1f} MB")
    assert after - before < 400
    assert 0 < cached_bytes < 25e6

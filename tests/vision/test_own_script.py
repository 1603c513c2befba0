"""`predict` and `evaluate` with networks of the user's scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import runfolio
from runfolio import RecordedRun
from runfolio.errors import ConfigError
from runfolio.record.checkpoints.image_transforms import check_steps, plain_steps
from runfolio.vision._torchvision import models, transforms, v2
from runfolio.vision.evaluation.own_classifier import StoredTransform

from .photos import picture

CLASSES = ["dark", "bright"]
PREPARE = v2.Compose(
    [v2.Resize((8, 8)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.25] * 3)]
)
MODULE = """
import torch
from torch import nn

class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 2)

    def forward(self, images):
        return self.head(images.mean(dim=(1, 2, 3))[:, None])
"""


class Brightness(nn.Module):
    """Network that classifies an image as bright if its mean is above one half."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-5.0], [5.0]]))
            self.head.bias.zero_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.mean(dim=(1, 2, 3))[:, None])


@pytest.fixture
def recorded(store: Path) -> RecordedRun:
    with runfolio.init("own", store=store) as run:
        run.checkpoint(model=Brightness(), step=1, metric=0.9, classes=CLASSES, transform=PREPARE)
    return runfolio.open(store).run(run.id)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of dark and bright noise, with training and test images."""
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for name, low in (("dark", 0), ("bright", 140)):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = random.integers(low, low + 110, (10, 12, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_run_of_a_script_predicts_with_its_classes_and_transform(recorded, photos):
    predictions = recorded.predict(sorted((photos / "test").rglob("*.png")), Brightness)

    assert [entry.label for entry in predictions] == ["bright"] * 4 + ["dark"] * 4
    assert list(predictions[0].probabilities) == CLASSES


def test_stored_transform_gives_the_same_tensors_as_the_script():
    weights = v2.Compose(
        [
            v2.Resize(12, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(10),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
        ]
    )
    steps = json.loads(json.dumps(plain_steps(weights)))

    stored = StoredTransform.of(check_steps(steps), Brightness())

    assert torch.equal(stored(picture(1, 30, 20)), weights(picture(1, 30, 20)))


@pytest.mark.parametrize(
    "given",
    [
        models.ResNet18_Weights.DEFAULT.transforms(),
        transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()]),
    ],
)
def test_transforms_of_weights_and_of_the_older_package_are_stored(given):
    stored = StoredTransform.of(check_steps(plain_steps(given)), Brightness())

    assert torch.equal(stored(picture(1, 300, 260)), given(picture(1, 300, 260)))


@pytest.mark.parametrize("dtype", ["onnx", "load", "nothing"])
def test_stored_transform_only_names_dtypes(dtype, monkeypatch):
    monkeypatch.setattr(torch, "__getattr__", lambda name: pytest.fail(f"torch.{name} is imported"))

    with pytest.raises(ValueError, match=r"0\.dtype is .* it must be one of"):
        check_steps([{"name": "ConvertImageDtype", "dtype": dtype}])


def test_grey_images_stay_grey_for_a_network_that_takes_them():
    steps = plain_steps(v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]))

    stored = StoredTransform.of(check_steps(steps), nn.Sequential(nn.Conv2d(1, 2, 3)))

    assert stored(picture(1)).shape == (1, 8, 12)


def test_random_transform_is_left_out_with_one_warning(store, caplog):
    random = v2.Compose([v2.RandomHorizontalFlip(), v2.ToImage()])
    with runfolio.init("own", store=store) as run:
        for step in range(2):
            run.checkpoint(model=Brightness(), step=step, metric=step, classes=CLASSES, transform=random)

    assert caplog.text.count("the transform RandomHorizontalFlip cannot be stored; pass the validation transform") == 1
    with pytest.raises(ConfigError, match="has no transform; save them with"):
        runfolio.open(store).run(run.id).predict([picture()], Brightness)


def test_run_of_a_script_without_module_prints_python_code(recorded):
    with pytest.raises(ConfigError) as refusal:
        recorded.predict([picture()])

    first, *lines = str(refusal.value).splitlines()
    assert "--module my_module:MyNet" in first
    assert len(lines) == 6
    assert str(recorded.folder.name) in lines[3]


def test_commands_take_the_network_from_a_module(recorded, photos, store, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from runfolio.cli import main

    (tmp_path / "my_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    words = ["--module", "my_networks:Brightness", "--store", str(store), "--json"]

    predicted = CliRunner().invoke(main, ["predict", "own", "photos/test", *words])
    measured = CliRunner().invoke(main, ["evaluate", "own", "folder:photos", *words])

    assert [answer["right"] for answer in json.loads(predicted.stdout)] == [True] * 8
    assert json.loads(measured.stdout)["accuracy"] == 1.0
    for words in (["predict", "own", "--sample", "1"], ["evaluate", "own"]):
        refused = CliRunner().invoke(main, [*words, "--module", "my_networks:Brightness", "--store", str(store)])
        assert (refused.exit_code, "did not name its data" in refused.stderr) == (2, True)

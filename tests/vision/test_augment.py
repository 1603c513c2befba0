"""Augmentation: only of training images, and the same in all processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import runfolio
from runfolio.errors import ConfigError
from runfolio.vision import run_experiment
from runfolio.vision.batches.augment import AUGMENTATIONS, Augmentation
from runfolio.vision.batches.loaders import AugmentedImages, EpochOrder, PreparedImages, batch_loader
from runfolio.vision.data import load_data
from runfolio.vision.data.transform import ImageTransform, check_transform
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import prepare

RANDOM = [name for name in AUGMENTATIONS if name != "none"]


@pytest.fixture(scope="module")
def prepared() -> PreparedImages:
    digits = load_data("digits")
    return PreparedImages(digits.train, np.arange(40), ImageTransform.for_source(digits, image_size=16))


def augmentation(name: str, seed: int = 7) -> Augmentation:
    return Augmentation(name, height=16, width=16, seed=seed)


@pytest.mark.parametrize("name", RANDOM)
def test_augmentation_depends_only_on_seed_epoch_and_index(prepared, name):
    def changed(seed=7, epoch=0, index=0):
        return torch.stack(
            [
                augmentation(name, seed)(prepared.pixels(position), epoch=epoch, index=index + position)
                for position in range(20)
            ]
        )

    torch.manual_seed(1)
    once = changed()
    torch.manual_seed(2)
    assert torch.equal(changed(), once)
    assert once.dtype == torch.uint8
    before = torch.stack([prepared.pixels(position) for position in range(20)])
    for other in (changed(seed=8), changed(epoch=1), changed(index=100), before):
        assert not torch.equal(other, once)


@pytest.mark.parametrize("name", RANDOM)
def test_augmentation_does_not_change_torchs_generator(prepared, name):
    before = torch.get_rng_state()

    augmentation(name)(prepared.pixels(0), epoch=0, index=0)

    assert torch.equal(torch.get_rng_state(), before)


def test_prepared_image_is_cached_without_augmentation(prepared):
    original = prepared.pixels(3).clone()
    images = AugmentedImages(prepared, augmentation("trivial"))

    first, again = ([images[visit][0] for visits in EpochOrder(40, 8, seed=0) for visit in visits] for _ in range(2))

    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert torch.equal(prepared.pixels(3), original)


@pytest.mark.parametrize("channels", [1, 3])
def test_flip_crop_keeps_size_and_colours(channels):
    pixels = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (channels, 24, 40)).astype(np.uint8))

    changed = Augmentation("flip-crop", height=24, width=40, seed=0)(pixels, epoch=0, index=0)

    assert changed.shape == pixels.shape
    colours = {tuple(colour) for colour in pixels.flatten(1).T.tolist()}
    assert {tuple(colour) for colour in changed.flatten(1).T.tolist()} <= colours


def test_batches_do_not_depend_on_the_number_of_workers(prepared):
    def all_batches(workers: int) -> list[torch.Tensor]:
        order = EpochOrder(40, 16, seed=3)
        images = AugmentedImages(prepared, augmentation("randaugment"))
        loader = batch_loader(images, workers=workers, seed=3, order=order)
        batches = []
        for epoch in range(2):
            order.begin(epoch)
            batches += [images for images, _ in loader]
        return batches

    none, one, two = (all_batches(workers) for workers in (0, 1, 2))

    assert len(none) == 6
    assert not torch.equal(none[0], none[3])
    for others in (one, two):
        assert all(torch.equal(batch, other) for batch, other in zip(none, others, strict=True))


def test_weights_do_not_depend_on_the_number_of_workers(store, tiny):
    def weights(workers: int) -> dict[str, torch.Tensor]:
        settings = tiny(augment="trivial", workers=workers, dropout=0.2, image_size=16, data_fraction=0.05)
        folder = run_experiment(settings, store=store)
        return runfolio.open(store).run(folder).checkpoint("last").tensors("model")

    none, one, two = (weights(workers) for workers in (0, 1, 2))

    assert all(torch.equal(none[key], one[key]) and torch.equal(none[key], two[key]) for key in none)


def test_only_training_images_are_augmented(tiny):
    def unchanged_batches(augment: str) -> list[torch.Tensor]:
        preparation = prepare(tiny(augment=augment))
        state = TrainState(preparation)
        with InputPipeline(preparation).connect(state) as batches:
            assert batches.val is not None
            return [images for part in (batches.val, batches.test) for images, _ in part]

    plain, augmented = unchanged_batches("none"), unchanged_batches("trivial")

    assert all(torch.equal(one, other) for one, other in zip(augmented, plain, strict=True))


def test_unknown_augmentation_is_refused_with_similar_names(tiny):
    with pytest.raises(ConfigError, match=r"augment is 'trivail'; .* did you mean trivial"):
        tiny(augment="trivail")


def test_old_metadata_without_margin_resize_the_whole_picture():
    meta = {"channels": 1, "height": 8, "width": 8, "mean": [0.3], "std": [0.4]}

    transform = check_transform(meta)

    assert transform.as_meta() == meta | {"resize": None, "interpolation": "bilinear", "reducing_gap": None}
    assert transform(Image.new("RGB", (30, 10))).shape == (1, 8, 8)

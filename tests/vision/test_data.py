"""Data by name, stratified shares, and the order of batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runfolio.errors import ConfigError, NotFound
from runfolio.vision._torchvision import v2
from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.loaders import AugmentedImages, EpochOrder, PreparedImages, batch_loader, default_workers
from runfolio.vision.data import load_data
from runfolio.vision.data.split import stratified_share, train_and_validation
from runfolio.vision.data.transform import ImageTransform, check_transform
from runfolio.vision.folds import Fold
from runfolio.vision.settings import TrainSettings

LABELS = np.random.RandomState(0).choice(4, size=300, p=[0.4, 0.3, 0.2, 0.1]).astype(np.int64)
CLASSES = ["a", "b", "c", "d"]

fractions = st.floats(0.1, 1.0)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def test_digits_are_1797_real_images_in_ten_classes(digits):
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.classes == tuple("0123456789")
    assert (digits.channels, digits.image_size) == (1, (8, 8))
    assert digits.train.image(0).size == (8, 8)
    assert digits.train.image(0).mode == "L"


def test_test_images_are_a_fifth_of_each_class(digits):
    shares = np.bincount(digits.test.labels) / (np.bincount(digits.test.labels) + np.bincount(digits.train.labels))

    assert shares == pytest.approx(np.full(10, 0.2), abs=0.01)


def test_unknown_data_is_refused_with_similar_names():
    with pytest.raises(NotFound, match="no data 'digts'; did you mean digits"):
        load_data("digts")


@given(small=fractions, large=fractions, seed=seeds)
def test_smaller_share_is_a_subset_of_a_larger_one(small, large, seed):
    small, large = sorted((small, large))

    assert set(stratified_share(LABELS, fraction=small, seed=seed)) <= set(
        stratified_share(LABELS, fraction=large, seed=seed)
    )


@given(fraction=st.floats(0.0001, 1.0), seed=seeds)
def test_a_share_is_stratified_and_has_every_class(fraction, seed):
    chosen = stratified_share(LABELS, fraction=fraction, seed=seed)

    expected = np.maximum(1, np.bincount(LABELS) * fraction)
    assert np.bincount(LABELS[chosen], minlength=4) == pytest.approx(expected, abs=0.5001)


@given(small=fractions, large=fractions, val=st.floats(0.2, 0.8), seed=seeds)
def test_validation_images_never_train_in_a_larger_share(small, large, val, seed):
    def split(data_fraction):
        return train_and_validation(LABELS, CLASSES, data_fraction=data_fraction, val_fraction=val, seed=seed)

    (train, validation), (more_train, more_validation) = (split(fraction) for fraction in sorted((small, large)))

    assert set(train) <= set(more_train)
    assert set(validation) <= set(more_validation)
    assert not set(more_train) & set(more_validation)


@given(seed=seeds)
def test_all_data_is_used_once(seed):
    train, val = train_and_validation(LABELS, CLASSES, data_fraction=1, val_fraction=0.2, seed=seed)

    assert sorted([*train, *val]) == list(range(300))
    assert np.bincount(LABELS[val]) == pytest.approx(np.bincount(LABELS) * 0.2, abs=0.5001)


@given(count=st.integers(2, 20), fraction=st.floats(0.7, 1.0), seed=seeds)
def test_each_image_validates_in_one_fold_and_trains_in_the_others(count, fraction, seed):
    def split(number):
        fold = Fold.parse(f"{number}/{count}")
        return train_and_validation(LABELS, CLASSES, data_fraction=fraction, val_fraction=0.2, seed=seed, fold=fold)

    folds = [split(number) for number in range(1, count + 1)]
    every = sorted(index for _, val in folds for index in val.tolist())

    assert every == stratified_share(LABELS, fraction=fraction, seed=seed).tolist()
    assert all(sorted([*train, *val]) == every for train, val in folds)
    assert np.ptp([len(val) for _, val in folds]) <= 1
    assert all(np.ptp(counts) <= 1 for counts in zip(*(np.bincount(LABELS[val]) for _, val in folds), strict=True))


def test_a_class_with_fewer_images_than_folds_is_refused():
    with pytest.raises(ConfigError, match=r"class 'd' has 3 images at data-fraction 0.1, too few for 5 folds"):
        train_and_validation(LABELS, CLASSES, data_fraction=0.1, val_fraction=0.2, seed=0, fold=Fold(1, 5))


@pytest.mark.parametrize("text", ["5", "0/5", "6/5", "1/1", "a/b", "", "-1/5", "1/5/2"])
def test_invalid_fold_is_refused(text):
    with pytest.raises(ConfigError, match="it must look like 2/5, the second of five"):
        TrainSettings(fold=text)


def test_another_seed_chooses_other_images():
    assert set(stratified_share(LABELS, fraction=0.2, seed=1)) != set(stratified_share(LABELS, fraction=0.2, seed=2))


def test_split_without_validation_images_of_a_class_is_refused():
    with pytest.raises(ConfigError) as refusal:
        train_and_validation(LABELS, CLASSES, data_fraction=0.001, val_fraction=0.2, seed=0)

    assert str(refusal.value) == (
        "class 'a' has 1 image at data-fraction 0.001; val-fraction 0.2 leaves none for validation; "
        "increase one fraction, or set val-fraction to 0"
    )


def test_without_validation_all_images_train():
    train, val = train_and_validation(LABELS, CLASSES, data_fraction=1, val_fraction=0, seed=0)

    assert (len(train), len(val)) == (300, 0)


def test_prepared_images_are_normalised_by_the_stated_mean_and_deviation(digits):
    transform = ImageTransform.for_source(digits)
    images = PreparedImages(digits.train, np.arange(len(digits.train)), transform)

    everything = transform.normalised(torch.stack([image for image, _ in images]))

    assert everything.shape == (len(digits.train), 1, 8, 8)
    assert everything.mean().item() == pytest.approx(0, abs=1e-3)
    assert everything.std().item() == pytest.approx(1, abs=1e-3)


@given(
    pixels=st.integers(1, 5).flatmap(lambda count: arrays(np.uint8, (count, 3, 4, 5))),
    mean=st.tuples(*[st.floats(0, 1, width=32)] * 3),
    std=st.tuples(*[st.floats(0.125, 1, width=32)] * 3),
)
def test_batch_normalisation_equals_torchvision_bit_by_bit(pixels, mean, std):
    transform = ImageTransform(channels=3, height=4, width=5, mean=mean, std=std)
    batch = torch.from_numpy(pixels)

    for layout in (torch.contiguous_format, torch.channels_last):
        normalised = transform.normalised(batch.contiguous(memory_format=layout))
        for ours, image in zip(normalised, batch, strict=True):
            scaled = v2.functional.to_dtype(image, torch.float32, scale=True)
            assert torch.equal(ours, v2.functional.normalize(scaled, list(mean), list(std)))


def test_an_image_is_prepared_once_and_the_same_each_epoch(digits):
    class Counting:
        labels = digits.train.labels
        decoded = 0
        in_files = False

        def __len__(self) -> int:
            return len(self.labels)

        def image(self, index: int, at_least: int | None = None):
            self.decoded += 1
            return digits.train.image(index)

        def reference(self, index: int) -> str:
            return digits.train.reference(index)

        def digests(self):
            return digits.train.digests()

    source = Counting()
    images = PreparedImages(source, np.arange(20), ImageTransform.for_source(digits))

    first, second = ([images[position][0] for position in range(20)] for _ in range(2))

    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert source.decoded == 20


def test_images_are_resized_on_request(digits):
    transform = ImageTransform.for_source(digits, image_size=12)

    assert transform(digits.train.image(0)).shape == (1, 12, 12)


def test_transform_is_restored_from_json(digits):
    transform = ImageTransform.for_source(digits)

    assert check_transform(transform.as_meta()) == transform


@pytest.mark.parametrize("workers", [0, 2])
def test_order_depends_only_on_seed_and_epoch(digits, workers):
    prepared = PreparedImages(digits.test, np.arange(100), ImageTransform.for_source(digits))
    images = AugmentedImages(prepared, Augmentation("none", height=8, width=8, seed=7))
    order = EpochOrder(100, 32, seed=7)
    loader = batch_loader(images, workers=workers, seed=7, order=order)

    def labels_of(epoch):
        order.begin(epoch)
        return torch.cat([labels for _, labels in loader]).tolist()

    def expected(epoch):
        return digits.test.labels[np.random.RandomState([7, epoch]).permutation(100)].tolist()

    assert [labels_of(3), labels_of(0)] == [expected(3), expected(0)]


@pytest.mark.parametrize(
    ("cores", "expected"),
    [(1, (0, 1)), (1.5, (0, 1)), (2, (1, 2)), (4, (3, 4)), (64, (4, 8)), (None, (0, 1))],
)
def test_default_number_of_workers_depends_on_the_cores(monkeypatch, cores, expected):
    monkeypatch.setattr("runfolio.vision.batches.loaders.usable_cpus", lambda: cores)

    assert tuple(default_workers(device, are_ready=False) for device in ("cpu", "cuda")) == expected
    assert default_workers("cuda", are_ready=True) == default_workers("cpu", are_ready=True) == 0


def test_loading_batches_does_not_change_torchs_generator(digits):
    images = PreparedImages(digits.test, np.arange(10), ImageTransform.for_source(digits))
    before = torch.get_rng_state()

    list(batch_loader(images, batch_size=4, workers=0, seed=0))

    assert torch.equal(torch.get_rng_state(), before)

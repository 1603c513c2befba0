"""Classifier of a finished run: loading, prediction and figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Snapshot
from runfolio.record.checkpoints.wrappers import ModuleState
from runfolio.vision import LoadedClassifier, Prediction, draw_predictions, sample_test_images
from runfolio.vision.evaluation.loading import load


@pytest.fixture
def classifier(trained) -> LoadedClassifier:
    return load(trained.checkpoint("best"))


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    """Return a copy of the run's folder for changes."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copied"))


def rewrite_manifest(folder: Path, **changes) -> None:
    path = folder / "checkpoints" / "best.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite_weights(folder: Path, change) -> None:
    """Replace the tensors of the model by `change(tensors)`, with correct digests in the manifest."""
    old = manifests.read(folder, "best")
    manifests.save(
        folder,
        ["best"],
        "rewritten",
        Snapshot.capture({"model": ModuleState(change(dict(old.tensors("model"))), {}, [])}, {}).copy(),
        {
            "step": 1,
            "metric": 1.0,
            "attempt": 1,
            "position": {},
            "position_us": 0,
            "loader": "vision",
            "meta": old.meta,
        },
    )


def a_prediction(label: str, probability: float = 0.9) -> Prediction:
    return Prediction(label=label, probability=probability, probabilities={label: probability}, seconds=0.1, image="x")


def test_loaded_classifier_has_the_recorded_accuracy(trained, classifier):
    samples = sample_test_images(classifier, 359)

    predictions = classifier.predict([sample.picture for sample in samples])

    right = sum(prediction.label == sample.truth for prediction, sample in zip(predictions, samples, strict=True))
    assert right / 359 == pytest.approx(trained.flat_summary["test/acc"])
    assert not classifier.model.training


def test_a_recorded_run_finds_the_loader_by_its_name(trained, classifier):
    model = trained.load_model()

    assert all(torch.equal(value, classifier.model.state_dict()[key]) for key, value in model.state_dict().items())


def test_prediction_has_class_probability_and_time(classifier):
    (sample,) = sample_test_images(classifier, 1, seed=3)

    (prediction,) = classifier.predict([sample.picture])

    assert list(prediction.probabilities) == list("0123456789")
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert (
        prediction.probability == max(prediction.probabilities.values()) == prediction.probabilities[prediction.label]
    )
    assert prediction.seconds > 0


def test_predictions_are_equal_for_files_pictures_and_arrays(classifier, tmp_path):
    (sample,) = sample_test_images(classifier, 1)
    path = tmp_path / "digit.png"
    sample.picture.convert("RGBA").save(path)

    pixels = np.asarray(sample.picture)
    predictions = classifier.predict([path, str(path), sample.picture, pixels, pixels / 255])

    assert len({tuple(prediction.probabilities.items()) for prediction in predictions}) == 1
    assert [prediction.image for prediction in predictions] == [str(path), str(path), "image 3", "image 4", "image 5"]
    assert classifier.predict(path)[0].label == predictions[0].label


def test_predictions_are_equal_for_bytes_and_tensors(classifier, tmp_path):
    (sample,) = sample_test_images(classifier, 1)
    path = tmp_path / "digit.png"
    sample.picture.save(path)
    grey = torch.from_numpy(np.array(sample.picture))

    forms = [path.read_bytes(), grey, grey[None], grey / 255, grey.expand(3, 8, 8)]
    predictions = [*classifier.predict(forms), *classifier.predict(grey[None]), *classifier.predict(grey[None, None])]

    assert len({tuple(prediction.probabilities.items()) for prediction in predictions}) == 1
    assert len(predictions) == len(forms) + 2
    assert classifier.predict(path.read_bytes())[0].label == classifier.predict(np.array(sample.picture))[0].label


def test_a_pillow_image_is_turned_upright(classifier, tmp_path):
    (sample,) = sample_test_images(classifier, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    sample.picture.rotate(90).save(tmp_path / "sideways.png", exif=exif)  # the orientation reverses the rotation

    with Image.open(tmp_path / "sideways.png") as sideways:
        (prediction,) = classifier.predict(sideways)

    assert prediction.probabilities == classifier.predict(sample.picture)[0].probabilities


def test_top_classes_come_in_the_order_of_their_probability(classifier):
    (sample,) = sample_test_images(classifier, 1)

    (prediction,) = classifier.predict(sample.picture)

    assert (
        list(prediction.top()) == sorted(prediction.probabilities, key=prediction.probabilities.get, reverse=True)[:3]
    )


def test_damaged_bytes_are_named_by_their_number(classifier):
    with pytest.raises(DamagedFile, match="image 1 is not an image of a known format"):
        classifier.predict([b"broken"])


@pytest.mark.parametrize(
    ("thing", "named"),
    [(7, "int"), (np.full((2, 2), 16.0), "array of float64"), (np.zeros((2, 2, 5), np.uint8), "array of")],
)
def test_invalid_picture_is_refused(classifier, thing, named):
    with pytest.raises(ConfigError, match=f"not a picture: {named}"):
        classifier.predict([thing])


def test_an_unreadable_image_is_named(classifier, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"broken")

    with pytest.raises(DamagedFile, match=r"broken\.png is not an image"):
        classifier.predict([tmp_path / "broken.png"])


def test_a_sample_is_drawn_from_the_test_images_by_seed(classifier):
    def references(seed):
        return [sample.reference for sample in sample_test_images(classifier, 24, seed)]

    assert references(1) == references(1) != references(2)
    assert len(set(references(1))) == 24
    assert references(1)[0].startswith("digits test image ")


@pytest.mark.parametrize("count", [0, 360])
def test_a_sample_cannot_be_larger_than_the_test_set(classifier, count):
    with pytest.raises(ConfigError, match=f"cannot draw {count} test images of digits; give 1 to 359"):
        sample_test_images(classifier, count)


def test_tensors_that_do_not_fit_are_named(copied):
    def damage(tensors):
        tensors["classifier.2.bias"] = torch.zeros(3)
        tensors["stray"] = tensors.pop("block_1.0.weight")
        return tensors

    rewrite_weights(copied, damage)

    with pytest.raises(ConfigError) as refusal:
        load(manifests.read(copied, "best"))

    assert str(refusal.value).endswith(
        "does not fit model tinyvgg: missing: block_1.0.weight; unexpected: stray; "
        "of a different shape: classifier.2.bias (3 instead of 10)"
    )


def test_flipped_byte_is_detected_before_tensors_are_used(copied):
    path = copied / "checkpoints" / json.loads((copied / "checkpoints/best.json").read_text())["files"]["model"]["file"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(DamagedFile, match=path.name):
        load(manifests.read(copied, "best"))


@pytest.mark.parametrize("part", ["model", "transform", "classes"])
def test_checkpoint_without_a_classifier_is_damaged(copied, trained, part):
    meta = {key: value for key, value in trained.checkpoint("best").meta.items() if key != part}
    rewrite_manifest(copied, meta=meta)

    with pytest.raises(DamagedFile, match=f"does not describe a classifier: {part} is missing"):
        load(manifests.read(copied, "best"))


def test_missing_class_is_damage(copied, trained):
    rewrite_manifest(copied, meta=trained.checkpoint("best").meta | {"classes": ["0", "1"]})

    with pytest.raises(DamagedFile, match="names 2 classes for a model with 10"):
        load(manifests.read(copied, "best"))


def test_unknown_model_of_a_checkpoint_is_not_found(copied, trained):
    meta = trained.checkpoint("best").meta
    rewrite_manifest(copied, meta=meta | {"model": meta["model"] | {"name": "tinyvgg2"}})

    with pytest.raises(NotFound, match="no model 'tinyvgg2'; did you mean tinyvgg"):
        load(manifests.read(copied, "best"))


def test_figure_shows_correct_in_green_and_wrong_in_red(classifier, tmp_path):
    images = [sample.picture for sample in sample_test_images(classifier, 2)]
    predictions = [a_prediction("cat"), a_prediction("dog")]

    right = draw_predictions(images, predictions, ["cat", "dog"], tmp_path / "right.png")
    wrong = draw_predictions(images, predictions, ["dog", "cat"], tmp_path / "wrong.png")
    unknown = draw_predictions(images, predictions, None, tmp_path / "unknown.png")
    mixed = draw_predictions(images, predictions, ["cat", None], tmp_path / "mixed.png")

    assert [colours_in(path) for path in (right, wrong, unknown, mixed)] == [{"green"}, {"red"}, set(), {"green"}]


def colours_in(path: Path) -> set[str]:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    masks = {"green": (green > red + 60) & (green > blue + 40), "red": (red > green + 60) & (red > blue + 60)}
    return {name for name, mask in masks.items() if mask.any()}


@pytest.mark.parametrize("count", [1, 5, 24])
def test_any_number_of_images_of_any_mode_is_drawn(tmp_path, count):
    modes = ["L", "RGB", "RGBA", "P", "1", "I;16"]
    images = [Image.new(modes[index % 6], (30 + index, 200)) for index in range(count)]
    predictions = [a_prediction("a class with quite a long name", 1.0)] * count

    path = draw_predictions(images, predictions, None, tmp_path / "new folder" / "grid", title="all of them")

    assert path.name == "grid.png"
    with Image.open(path) as picture:
        assert picture.width > 300


def test_lists_of_different_lengths_are_not_drawn(tmp_path):
    with pytest.raises(ConfigError, match="cannot draw 1 images with 2 predictions and no true classes"):
        draw_predictions([Image.new("L", (2, 2))], [a_prediction("a")] * 2, None, tmp_path / "x.png")


@pytest.mark.parametrize(("name", "error"), [("x.doc", ConfigError), ("file/x.png", StoreError)])
def test_a_path_that_cannot_be_written_is_named(tmp_path, name, error):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(error, match="cannot write"):
        draw_predictions([Image.new("L", (2, 2))], [a_prediction("a")], None, tmp_path / name)

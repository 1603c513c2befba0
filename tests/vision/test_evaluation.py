"""Evaluation of a finished run, compared with scikit-learn and torchmetrics."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_calibration_error

from runfolio.errors import ConfigError
from runfolio.query.selection.significance import wilson
from runfolio.vision import EvaluationResult, LoadedClassifier, draw_evaluation, evaluate
from runfolio.vision.data import ImageSource, load_data
from runfolio.vision.data.base import RelabelledImages
from runfolio.vision.evaluation.calibration import calibration
from runfolio.vision.evaluation.loading import load


@pytest.fixture(scope="module")
def source() -> ImageSource:
    return load_data("digits")


@pytest.fixture
def classifier(trained) -> LoadedClassifier:
    return load(trained.checkpoint("best"))


@pytest.fixture
def result(classifier, source) -> EvaluationResult:
    return evaluate(classifier, source)


@pytest.fixture
def probabilities(classifier, source) -> NDArray[np.float64]:
    """Return predicted probabilities, [images, classes], computed one image at a time."""
    predictions = classifier.predict([source.test.image(index) for index in range(len(source.test))])
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])


def test_evaluation_equals_the_recorded_results(trained, result):
    assert result.accuracy == trained.flat_summary["test/acc"]
    assert result.loss == pytest.approx(trained.flat_summary["test/loss"], rel=1e-5)
    assert result.confusion == trained.flat_summary["confusion"]
    assert (result.data, result.split, result.images) == ("digits", "test", 359)
    assert result.interval == wilson(result.accuracy, 359)


def test_metrics_of_each_class_equal_scikit_learn(result, probabilities, source):
    predicted, labels = probabilities.argmax(axis=1), source.test.labels
    precision, recall, f1, images = precision_recall_fscore_support(labels, predicted)

    assert result.confusion == confusion_matrix(labels, predicted).tolist()
    assert [row.name for row in result.per_class] == list("0123456789")
    assert [row.images for row in result.per_class] == np.asarray(images).tolist()
    for row, *expected in zip(result.per_class, precision, recall, f1, strict=True):  # pyright: ignore
        assert (row.precision, row.recall, row.f1) == pytest.approx(expected)


def test_loss_and_top_k_equal_scikit_learn(result, probabilities, source):
    labels = source.test.labels

    assert result.loss == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    assert list(result.top_k) == [1, 2, 3, 4, 5]
    for k, share in result.top_k.items():
        assert share == pytest.approx(top_k_accuracy_score(labels, probabilities, k=k))


def test_calibration_error_equals_torchmetrics(result, probabilities, source):
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(source.test.labels), num_classes=10, n_bins=15, norm="l1"
    )

    assert result.calibration.error == pytest.approx(float(expected), abs=1e-6)
    assert sum(part.images for part in result.calibration.bins) == 359


def test_mistakes_are_listed_with_the_most_confident_first(result, classifier, source):
    mistakes = result.mistakes

    assert mistakes[0].reference == source.test.reference(mistakes[0].index)
    assert len(mistakes) == round((1 - result.accuracy) * 359) > 0
    assert [entry.probability for entry in mistakes] == sorted((entry.probability for entry in mistakes), reverse=True)
    for mistake in mistakes:
        (prediction,) = classifier.predict([source.test.image(mistake.index)])
        assert (mistake.label, mistake.truth) == (
            prediction.label,
            source.classes[source.test.labels[mistake.index]],
        )
        assert mistake.label != mistake.truth
        assert mistake.probability == pytest.approx(prediction.probability, abs=1e-5)


def test_training_images_can_be_evaluated(classifier, source):
    assert evaluate(classifier, source, "train").images == len(source.train)


def test_progress_counts_images_and_is_removed(classifier, source):
    progress = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    with progress:
        evaluate(classifier, source, progress=progress)

    assert progress.tasks == []
    assert "evaluating on digits test" in progress.console.file.getvalue()  # pyright: ignore


def test_data_can_have_its_classes_in_another_order(classifier, source, result):
    turned = replace(source, classes=source.classes[::-1], test=RelabelledImages(source.test, 9 - source.test.labels))

    assert evaluate(classifier, turned).confusion == result.confusion


def test_data_with_other_classes_is_refused_by_name(classifier, source):
    other = replace(source, classes=(*"01234567", "eight", "nine"))

    with pytest.raises(ConfigError) as refusal:
        evaluate(classifier, other)

    assert str(refusal.value) == (
        "cannot evaluate on digits: its classes differ from those of the model, trained on digits:"
        " the model does not have eight, nine; the data does not have 8, 9"
    )


def test_long_list_of_other_classes_is_shortened(classifier, source):
    with pytest.raises(ConfigError, match="e and 5 more; the data does not have 0, 1, 2, 3, 4 and 5 more"):
        evaluate(classifier, replace(source, classes=tuple("abcdefghij")))


def test_diverged_model_is_evaluated(classifier, source, tmp_path):
    with torch.no_grad():
        next(classifier.model.parameters()).fill_(math.nan)

    result = evaluate(classifier, source)

    assert math.isnan(result.loss)
    assert math.isnan(result.calibration.error)
    assert result.accuracy == result.per_class[0].images / 359  # it always predicts the first class
    assert len(draw_evaluation(result, source, tmp_path, "diverged")) == 3


def test_result_is_serialisable_as_json(result):
    read = json.loads(json.dumps(result.as_dict()))

    assert read["accuracy"] == result.accuracy == read["top_k"]["1"]
    assert read["interval"] == list(result.interval)
    assert read["per_class"][3] == result.per_class[3]._asdict()
    assert read["calibration"]["bins"][0]["confidence"] is None
    assert read["mistakes"][0]["truth"] == result.mistakes[0].truth


def test_three_figures_are_drawn_or_two_without_mistakes(result, source, tmp_path):
    flawless = replace(result, mistakes=[])

    drawn = draw_evaluation(result, source, tmp_path / "some", "model")
    without = draw_evaluation(flawless, source, tmp_path / "none", "model")

    assert [path.name for path in drawn] == ["confusion.png", "reliability.png", "mistakes.png"]
    assert [path.name for path in without] == ["confusion.png", "reliability.png"]
    for path in drawn:
        with Image.open(path) as picture:
            assert min(picture.size) > 300


def measured_error(said: list[float], right: list[bool]) -> float:
    return calibration(torch.tensor(said, dtype=torch.float64), torch.tensor(right)).error


def test_calibration_error_is_confidence_minus_accuracy():
    assert measured_error([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0)
    assert measured_error([0.9] * 4, [False] * 4) == pytest.approx(0.9)
    assert measured_error([0.9] * 3 + [0.2], [True] * 3 + [False]) == pytest.approx(0.75 * 0.1 + 0.25 * 0.2)


def test_probability_on_a_bound_is_in_the_lower_bin():
    measured = calibration(torch.tensor([0.5, 1.0], dtype=torch.float64), torch.tensor([True, True]), bins=2)

    assert [(part.images, part.confidence, part.accuracy) for part in measured.bins] == [(1, 0.5, 1.0), (1, 1.0, 1.0)]

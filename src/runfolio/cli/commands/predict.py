"""`runfolio predict`: a run's model at work on images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, best_by_option, chosen_run, experiment_filter, store_option
from runfolio.errors import DamagedFile, NotFound

if TYPE_CHECKING:
    from runfolio.vision.evaluation.predict import LoadedClassifier, Picture, Prediction


@click.command(cls=Command)
@click.argument("run", metavar="RUN|best")
@click.argument("images", nargs=-1, metavar="[IMAGE]...", type=click.Path(path_type=Path))
@click.option("--sample", type=int, metavar="N", help="Also N test images of the run's data.")
@best_by_option
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path),
    default=Path("predictions.png"),
    show_default=True,
    help="The picture of all predictions.",
)
@experiment_filter
@store_option
@out.format_options
def predict(
    run: str,
    images: tuple[Path, ...],
    sample: int | None,
    metric: str,
    path: Path,
    experiment: str | None,
    store: Path | None,
    output: out.Format,
) -> None:
    """Classify images with a run's model, and draw the answers.

    The model is that of the run's best checkpoint; loading it runs no code from it. The truth of a file is known
    where its folder has the name of a class: the picture then shows right and wrong.

    \b
    runfolio predict best photo.png
    runfolio predict k3f9 images/*/*.png --out answers.png
    runfolio predict best --sample 24
    """
    if not (images or sample):
        raise click.UsageError("nothing to predict: name image files, or give --sample N")
    from runfolio.cli.output.tables import predictions_table
    from runfolio.query.model_loading import installed_loader

    recorded = chosen_run(run, metric, experiment, store)
    classifier = installed_loader(recorded.checkpoint())
    answers, unreadable = _ask(classifier, list(_questions(classifier, images, sample)))
    if answers:
        out.show_table(predictions_table([answer.row for answer in answers]), output)
        drawn = _draw(answers, path)
        if output == "table":
            out.line(f"{recorded.name} ({recorded.id}) says so; drawn in {drawn}")
    if unreadable:
        raise DamagedFile("; ".join(unreadable))


@dataclass(frozen=True)
class Question:
    """A picture to classify."""

    picture: Picture
    name: str
    truth: str | None
    """Its class, where that is known."""


@dataclass(frozen=True)
class Answer:
    question: Question
    prediction: Prediction

    @property
    def row(self) -> dict[str, Any]:
        truth = self.question.truth
        return {
            "image": self.question.name,
            "class": self.prediction.label,
            "probability": self.prediction.probability,
            "ms": self.prediction.seconds * 1000,
            "truth": truth,
            "right": None if truth is None else truth == self.prediction.label,
        }


def _questions(classifier: LoadedClassifier, images: Sequence[Path], sample: int | None) -> Iterator[Question]:
    for image in images:
        folder = image.absolute().parent.name
        yield Question(image, str(image), folder if folder in classifier.classes else None)
    if sample:
        from runfolio.vision import sample_test_images

        for drawn in sample_test_images(classifier, sample):
            yield Question(drawn.picture, drawn.reference, drawn.truth)


def _ask(classifier: LoadedClassifier, questions: Sequence[Question]) -> tuple[list[Answer], list[str]]:
    """An answer to each picture that can be read, and why the others cannot."""
    answers: list[Answer] = []
    unreadable: list[str] = []
    for question in questions:
        try:
            (prediction,) = classifier.predict([question.picture])
        except (DamagedFile, NotFound) as error:
            unreadable.append(str(error))
        else:
            answers.append(Answer(question, prediction))
    return answers, unreadable


def _draw(answers: Sequence[Answer], path: Path) -> Path:
    from runfolio.vision import draw_predictions

    return draw_predictions(
        [answer.question.picture for answer in answers],
        [answer.prediction for answer in answers],
        [answer.question.truth for answer in answers],
        path,
    )

"""Classification of images by a run's model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamagedFile, NotFound

if TYPE_CHECKING:
    from runfolio.vision.evaluation.predict import LoadedClassifier, Picture, Prediction


@dataclass(frozen=True)
class LabelledPicture:
    """Image to classify, with its true class if the class is known."""

    picture: Picture
    name: str
    truth: str | None


@dataclass(frozen=True)
class ClassifiedPicture:
    labelled: LabelledPicture
    prediction: Prediction

    @property
    def row(self) -> dict[str, Any]:
        truth = self.labelled.truth
        return {
            "image": self.labelled.name,
            "class": self.prediction.label,
            "probability": self.prediction.probability,
            "top": self.prediction.top(),
            "ms": self.prediction.seconds * 1000,
            "truth": truth,
            "right": None if truth is None else truth == self.prediction.label,
        }


def labelled_pictures(
    classifier: LoadedClassifier, images: Sequence[Path], sample: int | None
) -> Iterator[LabelledPicture]:
    """Yield the given files, the images in the given folders, and then `sample` test images of the classifier's data.

    The true class of a file is the name of the nearest parent folder that is named after a class. For a file that was
    given directly, only the folder that contains the file is considered.

    Raises:
        NotFound: A folder has no images.
    """
    from runfolio.vision.data.folder_tree import read_folder

    for given in images:
        folder = given.absolute()
        if not folder.is_dir():
            yield LabelledPicture(given, str(given), _class_of([folder.parent.name], classifier))
            continue
        paths = read_folder(given).images
        if not paths:
            raise NotFound(f"no images in the folder {given}; name a folder with files such as .jpg or .png")
        for path in map(Path, paths):
            around = [folder.name, *path.relative_to(given).parts[:-1]]
            yield LabelledPicture(path, str(path), _class_of(reversed(around), classifier))
    if sample:
        from runfolio.vision import sample_test_images

        for sampled in sample_test_images(classifier, sample):
            yield LabelledPicture(sampled.picture, sampled.reference, sampled.truth)


def _class_of(folders: Iterable[str], classifier: LoadedClassifier) -> str | None:
    return next((name for name in folders if name in classifier.classes), None)


def right_of(classified: Sequence[ClassifiedPicture]) -> str | None:
    """Describe how many images with a known class were classified correctly. Return None if no class is known."""
    rights = [picture.row["right"] for picture in classified if picture.labelled.truth is not None]
    return f"{sum(rights):,} of {len(rights):,} right" if rights else None


def classify(
    classifier: LoadedClassifier, pictures: Iterable[LabelledPicture]
) -> tuple[list[ClassifiedPicture], list[str]]:
    """Return each readable image with its prediction, and an error message for each unreadable image."""
    classified: list[ClassifiedPicture] = []
    errors: list[str] = []
    for labelled in pictures:
        try:
            (prediction,) = classifier.predict([labelled.picture])
        except (DamagedFile, NotFound) as error:
            errors.append(str(error))
        else:
            classified.append(ClassifiedPicture(labelled, prediction))
    return classified, errors


def draw_classified(classified: Sequence[ClassifiedPicture], path: Path) -> Path:
    """Draw all predictions into one image file, and return the path of the file."""
    from runfolio.vision import draw_predictions

    return draw_predictions(
        [picture.labelled.picture for picture in classified],
        [picture.prediction for picture in classified],
        [picture.labelled.truth for picture in classified],
        path,
    )

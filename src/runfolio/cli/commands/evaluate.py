"""`runfolio evaluate`: evaluate a run's model on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.options import (
    Command,
    best_metric_option,
    experiment_option,
    load_run_classifier,
    module_option,
    open_store,
    run_or_best,
    settings_options,
    store_option,
)
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display
from runfolio.errors import ConfigError
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio.query.run import RecordedRun
    from runfolio.vision.data import ImageSource
    from runfolio.vision.evaluation.evaluate import EvaluationResult, Split
    from runfolio.vision.evaluation.predict import LoadedClassifier


@click.command(cls=Command)
@click.argument("run", metavar="RUN|best")
@click.argument("data", required=False)
@click.option(
    "--against", "rivals", multiple=True, metavar="RUN", help="Another run to evaluate on the same images; repeatable."
)
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Images to use.")
@best_metric_option
@module_option
@click.option(
    "--out-dir",
    "folder",
    type=PathParamType(file_okay=False),
    help="Draw the confusion matrix, the reliability diagram and the worst mistakes to files in this folder.",
)
@experiment_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --against, a list.")
@settings_options(TrainSettings, only=("skip_bad_images",))
def evaluate(
    run: str,
    data: str | None,
    rivals: tuple[str, ...],
    split: Split,
    metric: str,
    module: str | None,
    folder: Path | None,
    experiment: str | None,
    store: Path | None,
    as_json: bool,
    skip_bad_images: bool | None,
) -> None:
    """Evaluate a run's model on labelled images.

    Print accuracy with its 95 % interval, loss, top-k accuracy, calibration error, precision, recall and F1 per class,
    and the confusion matrix. With --out-dir, also draw the matrix, a reliability diagram and the most confident
    mistakes. DATA names a data set with the model's classes; the default is the run's own data. The model's answer for
    each image is added to the run; `RecordedRun.answers` reads these answers.

    For a run of your own script, --module names the network. The script must have passed `classes` and `transform` to
    `run.checkpoint`.

    With --against, print a table of all given runs instead, best first, with the cost of using each model.

    \b
    runfolio evaluate best --out-dir evaluation
    runfolio evaluate k3f9 digits --split train --out-dir k3f9-train
    runfolio evaluate k3f9 --against a7x2 --against p0q1
    """
    from runfolio.cli.pages.evaluation import print_evaluation, print_rivals
    from runfolio.vision import draw_evaluation
    from runfolio.vision import evaluate as measure
    from runfolio.vision.evaluation.evaluate import to_fastest_device

    runs = [run_or_best(run, metric, experiment, store), *(open_store(store).run(rival) for rival in rivals)]
    classifiers = [load_run_classifier(recorded, module if recorded is runs[0] else None) for recorded in runs]
    with progress_display() as progress:
        source = _images(data, classifiers[0], skip_bad_images=bool(skip_bad_images), progress=progress)
        results = [
            measure(to_fastest_device(classifier), source, split, progress=progress) for classifier in classifiers
        ]
    problems = [
        _record(recorded, result, classifier.data)
        for recorded, result, classifier in zip(runs, results, classifiers, strict=True)
    ]
    if as_json:
        evaluations = [{"run": recorded.id, **result.as_dict()} for recorded, result in zip(runs, results, strict=True)]
        print_json(evaluations if rivals else evaluations[0])
    elif rivals:
        print_rivals(runs, results)
    else:
        print_evaluation(runs[0], results[0])
    if folder and not rivals:
        picture_paths = draw_evaluation(results[0], source, folder, runs[0].name)
        if not as_json:
            print_line("")
            print_line(f"drawn in {', '.join(map(str, picture_paths))}")
    print_warnings([*source.bad_images, *filter(None, problems)])


def _record(run: RecordedRun, result: EvaluationResult, own_data: str | None) -> str | None:
    """Add the answers to a run. If this fails, for example because the store is read-only, return the problem."""
    from runfolio.vision.evaluation.recorded_evaluation import record_evaluation

    try:
        record_evaluation(run, result, own_data)
    except (OSError, ConfigError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return f"the answers are not recorded with run {run.id}: {reason}"
    return None


def _images(
    data: str | None, classifier: LoadedClassifier, *, skip_bad_images: bool, progress: Progress
) -> ImageSource:
    """Return the named data set. Without a name, return the data set on which the classifier was trained."""
    from runfolio.cli.pages.training import print_recorded_sources
    from runfolio.vision.data import load_data

    if data is not None:
        return load_data(data, skip_bad_images=skip_bad_images, progress=progress)
    if classifier.data is None:
        raise ConfigError("the script of this run did not name its data; name the data: runfolio evaluate RUN DATA")
    print_recorded_sources({"data": classifier.data, "test_data": classifier.test_data})
    return load_data(classifier.data, test_data=classifier.test_data, skip_bad_images=True, progress=progress)

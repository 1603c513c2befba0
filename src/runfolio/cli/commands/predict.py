"""`runfolio predict`: classify images with a run's model."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import (
    Command,
    best_metric_option,
    experiment_option,
    load_run_classifier,
    module_option,
    run_or_best,
    store_option,
)
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.pages.predictions import classify, draw_classified, labelled_pictures, right_of
from runfolio.errors import DamagedFile


@click.command(cls=Command)
@click.argument("run", metavar="RUN|best")
@click.argument("images", nargs=-1, metavar="[IMAGE|FOLDER]...", type=PathParamType())
@click.option("--sample", type=int, metavar="N", help="Also classify N test images of the run's data.")
@best_metric_option
@module_option
@click.option(
    "--out",
    "path",
    type=PathParamType(),
    help="Draw all predictions to this image file.",
)
@experiment_option
@store_option
@output_format_options
def predict(
    run: str,
    images: tuple[Path, ...],
    sample: int | None,
    metric: str,
    module: str | None,
    path: Path | None,
    experiment: str | None,
    store: Path | None,
    output: OutputFormat,
) -> None:
    """Classify images, or all images of a folder, with a run's model.

    The model is loaded from the run's best checkpoint, without executing code from the checkpoint. The three most
    probable classes are shown. If a parent folder of a file is named after a class, this class counts as the true
    class. The output then includes the number of correct predictions.

    For a run of your own script, --module names the network. The script must have passed `classes` and `transform` to
    `run.checkpoint`.

    \b
    runfolio predict best photo.png
    runfolio predict k3f9 photos --out answers.png
    runfolio predict best --sample 24 --json
    """
    if not (images or sample):
        raise click.UsageError("nothing to predict: name image files or folders, or give --sample N")
    from runfolio.cli.output.tables import predictions_table
    from runfolio.cli.pages.training import print_recorded_sources

    recorded = run_or_best(run, metric, experiment, store)
    classifier = load_run_classifier(recorded, module)
    if sample:
        print_recorded_sources({"data": classifier.data, "test_data": classifier.test_data})
    classified, errors = classify(classifier, list(labelled_pictures(classifier, images, sample)))
    if classified:
        print_table(predictions_table([picture.row for picture in classified]), output)
        drawn = f"drawn in {draw_classified(classified, path)}" if path else None
        if output == "table":
            said = [f"predicted by {recorded.name} ({recorded.id})", right_of(classified), drawn]
            print_line("; ".join(part for part in said if part))
    if errors:
        raise DamagedFile("; ".join(errors))

"""`runfolio predict`: images classified by a run's model."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import Command, best_metric_option, experiment_option, run_or_best, store_option
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.pages.predictions import classify, draw_classified, labelled_pictures
from runfolio.errors import DamagedFile


@click.command(cls=Command)
@click.argument("run", metavar="RUN|best")
@click.argument("images", nargs=-1, metavar="[IMAGE]...", type=PathParamType())
@click.option("--sample", type=int, metavar="N", help="Also N test images of the run's data.")
@best_metric_option
@click.option(
    "--out",
    "path",
    type=PathParamType(),
    default=Path("predictions.png"),
    show_default=True,
    help="The picture of all predictions.",
)
@experiment_option
@store_option
@output_format_options
def predict(
    run: str,
    images: tuple[Path, ...],
    sample: int | None,
    metric: str,
    path: Path,
    experiment: str | None,
    store: Path | None,
    output: OutputFormat,
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

    recorded = run_or_best(run, metric, experiment, store)
    classifier = installed_loader(recorded.checkpoint())
    classified, errors = classify(classifier, list(labelled_pictures(classifier, images, sample)))
    if classified:
        print_table(predictions_table([picture.row for picture in classified]), output)
        picture_path = draw_classified(classified, path)
        if output == "table":
            print_line(f"{recorded.name} ({recorded.id}) says so; drawn in {picture_path}")
    if errors:
        raise DamagedFile("; ".join(errors))

"""`runfolio data`: describe a data set before training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.options import Command, settings_options, store_option
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display
from runfolio.settings import build
from runfolio.vision.settings import TrainSettings

_IMAGE_SETTINGS = ("test_data", "image_size", "augment", "model", "weights", "seed")
"""Settings that determine which images are used and how these images are transformed."""


@click.command(cls=Command)
@click.argument("name", metavar="NAME")
@click.option(
    "--out",
    "path",
    type=PathParamType(),
    help="Draw a batch of images to this file.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@settings_options(TrainSettings, only=_IMAGE_SETTINGS)
def data(name: str, path: Path | None, store: Path | None, as_json: bool, **flags: Any) -> None:
    """Describe a data set before training on it.

    Print the number of images per class in the training, validation and test sets, and the image sizes. Also list
    duplicate images, images that are in both the training and the test set, and unreadable files. With --out, draw
    training images as stored, as the network sees them, and augmented. The settings have the same meaning as in
    `train`.

    \b
    runfolio data digits
    runfolio data folder:photos --model efficientnet_b0 --augment trivial
    runfolio data zip:pizza_steak_sushi.zip --image-size 64 --out pizza.png
    """
    changes = {key: value for key, value in flags.items() if value is not None}
    settings = build(TrainSettings, {"data": name, "skip_bad_images": True, "val_fraction": 0, **changes})
    from runfolio.cli.pages.data import print_data
    from runfolio.vision import draw_batch
    from runfolio.vision.data import describe
    from runfolio.vision.prepare import prepare

    with progress_display() as progress:
        description = describe(name, test_data=settings.test_data, progress=progress)
        if path or changes.keys() - {"test_data"}:  # check the settings even if nothing is drawn
            preparation = prepare(settings, store=store, progress=progress)
            if path:
                draw_batch(preparation, path)
    if as_json:
        print_json(asdict(description))
    else:
        print_data(description)
        if path:
            print_line("")
            print_line(f"drew a batch of images to {path}")

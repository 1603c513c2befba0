"""`runfolio train --find-lr`: print the result of a learning rate range test, and the command for training with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_drawing, print_error, print_heading, print_line, print_text
from runfolio.cli.output.options import open_store
from runfolio.cli.output.plot_screen import plot_screen
from runfolio.errors import MissingExtra

if TYPE_CHECKING:
    from runfolio.vision import RangeTest


def print_range_test(ctx: click.Context, test: RangeTest, store: Path | None) -> None:
    """Print the curve, the suggested rate, the path of the plot, and the command that trains with the suggested
    rate."""
    _print_curve(test, store)
    print_text(test.sentence)
    run = open_store(store).run(test.folder)
    print_heading(f"run   {run.folder}")
    for picture in run.media("figure"):
        print_line(f"plot  {picture.path}")
    if test.suggested is not None:
        print_line(f"next  {_training_command(ctx, test.suggested)}")


def _print_curve(test: RangeTest, store: Path | None) -> None:
    from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
    from runfolio.query.plots.terminal import curves_text
    from runfolio.vision.tuning.lr_finder import SMOOTHED

    run = open_store(store).run(test.folder)
    try:
        panels = curve_panels([SMOOTHED], [run], CurveOptions(log="x"))
        print_drawing(curves_text(panels, plot_screen(), log="x"))
    except MissingExtra as error:
        print_error(str(error))


def _training_command(ctx: click.Context, rate: float) -> str:
    """Return the command that the user entered, with `--lr RATE` instead of `--find-lr`."""
    words = ["runfolio", *ctx.command_path.split()[1:]]
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if param.name in ("find_lr", "lr") or value is None:
            continue
        if isinstance(value, bool):
            words += (param.opts if value else param.secondary_opts)[:1]
        else:
            words += [param.opts[0], str(value)]
    return shlex.join([*words, "--lr", formatting.significant_digits(rate)])

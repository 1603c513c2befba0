"""`runfolio train --find-lr`: a learning rate range test, drawn in the terminal, and the command to go on with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.commands.plot import screen_of
from runfolio.cli.output import formatting
from runfolio.cli.output import output as out
from runfolio.cli.output.options import SettingOption, open_store
from runfolio.errors import MissingExtra

if TYPE_CHECKING:
    from runfolio.vision import RangeTest


def print_range_test(ctx: click.Context, test: RangeTest, store: Path | None) -> None:
    """The curve, the suggestion, where the picture lies, and the training to begin."""
    _print_curve(test, store)
    out.say(test.sentence)
    run = open_store(store).run(test.folder)
    out.line(f"\nrun   {run.folder}", style="bold")
    for picture in run.media("figure"):
        out.line(f"plot  {picture.path}")
    if test.suggested is not None:
        out.line(f"next  {_command(ctx, test.suggested)}")


def _print_curve(test: RangeTest, store: Path | None) -> None:
    from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
    from runfolio.query.plots.terminal import curves_text
    from runfolio.vision.tuning.lr_finder import SMOOTHED

    run = open_store(store).run(test.folder)
    try:
        panels = curve_panels([SMOOTHED], [run], CurveOptions(log="x"))
        click.echo(curves_text(panels, screen_of(None), log="x"))
    except MissingExtra as error:
        out.complain(str(error))


def _command(ctx: click.Context, rate: float) -> str:
    """What was typed, with this learning rate in the place of the test."""
    words = ["runfolio", *ctx.command_path.split()[1:]]
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if param.name in ("find_lr", "lr") or value is None:
            continue
        if isinstance(param, SettingOption) and isinstance(value, bool):
            words.append((param.opts if value else param.secondary_opts)[0])
        else:
            words += [param.opts[0], str(value)]
    return shlex.join([*words, "--lr", formatting.significant(rate)])

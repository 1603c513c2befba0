"""`runfolio reproduce`: repeat a run and compare the results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runfolio.cli.output.console import ask, print_line
from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.options import Command, open_store, store_flag, store_option
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.pages.reproduce import plan_to_json
from runfolio.errors import ConfigError


@click.command(cls=Command)
@click.argument("run")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS]")
@click.option("--steps", type=click.IntRange(min=0), metavar="K", help="Stop after step K of the script.")
@click.option("--here", is_flag=True, help="Run today's code in its own folder instead of the recorded code.")
@click.option(
    "--repository",
    type=PathParamType(file_okay=False, exists=True),
    help="Repository that contains the recorded commit.  [default: the recorded repository]",
)
@click.option(
    "--link",
    "links",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Data that the script reads. With NAME=PATH, the script finds PATH under the name NAME; repeatable.",
)
@click.option("--fresh-venv", is_flag=True, help="First install the recorded package versions in a fresh environment.")
@click.option("--rtol", type=click.FloatRange(min=0), default=1e-5, show_default=True, help="Relative tolerance.")
@click.option("--atol", type=click.FloatRange(min=0), default=1e-8, show_default=True, help="Absolute tolerance.")
@click.option(
    "--ignore", multiple=True, metavar="PATTERN", help="Do not compare metrics whose names match; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Only print the plan and the differences since the run.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before executing the command.")
@click.option("--keep", is_flag=True, help="Keep the fresh folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the program's output goes to stderr.")
@store_option
@click.pass_context
def reproduce(
    ctx: click.Context,
    run: str,
    arguments: tuple[str, ...],
    steps: int | None,
    rtol: float,
    atol: float,
    ignore: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    keep: bool,
    as_json: bool,
    store: Path | None,
    **plan_options: Any,
) -> None:
    """Repeat a run and compare the results.

    The recorded commit, uncommitted changes and untracked files are written to a fresh worktree. After you confirm,
    the recorded command is executed there with the recorded interpreter and variables. Then metrics are compared point
    by point, and checkpoints are compared tensor by tensor. Measurements of time are not compared. The verdict is
    `bit-equal`, `within tolerance` or `parts at step N` (the first step with a larger difference). Known differences
    between the runs follow, the likeliest cause first. The exit status is 1 if the results differ by more than the
    tolerance, 2 if the run could not be repeated, and otherwise 0. The repeated run is stored in the same store.

    Arguments after -- are added to the command. If the command already contains a flag, the new values replace its
    values.

    \b
    runfolio reproduce k3f9 --dry-run
    runfolio reproduce k3f9 --steps 100 --yes
    runfolio reproduce k3f9 --here               does today's code give the same result?
    runfolio reproduce k3f9 -- --lr 1e-3         does a different learning rate?
    """
    from runfolio.cli.pages.reproduce import print_plan, print_result
    from runfolio.reproduce.checkout import checked_out, fresh_folder
    from runfolio.reproduce.environment_check import find_deviations
    from runfolio.reproduce.plan import ReproduceOptions, make_plan
    from runfolio.reproduce.repeat import reproduce_run
    from runfolio.reproduce.verdict import Tolerance

    folio = open_store(store)
    output = sys.stderr if as_json else None
    with fresh_folder(keep) as folder:
        planned = make_plan(
            folio.run(run),
            ReproduceOptions(arguments=arguments, steps=steps, **plan_options),
            fresh_folder=folder,
            store=folio.store,
        )
        with checked_out(planned, keep=keep):
            today = find_deviations(planned)
            print_plan(planned, today, steps, stderr=as_json)
            if dry_run:
                if as_json:
                    print_json(plan_to_json(planned, today))
                return
            _confirm_execution(yes)
            tolerance = Tolerance(rtol, atol)
            result = reproduce_run(
                planned, folio, today, tolerance=tolerance, ignore=ignore, steps=steps, output=output
            )
    if as_json:
        print_json({"id": result.repeated.id, **result.to_json(), "remarks": result.remarks, "chance": result.chance})
    else:
        print_result(result, store_flag(store))
    ctx.exit(1 if result.verdict.word == "parts" else 0)


def _confirm_execution(yes: bool) -> None:
    """Ask the user to confirm that the command should be executed.

    Raises:
        ConfigError: Standard input is not a terminal.
        click.Abort: The user answered no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("no terminal to confirm the execution; add --yes, or --dry-run to only print the plan")
    print_line("", stderr=True)
    if not ask("Execute this?", stderr=True):
        raise click.Abort

"""Print the network before training, and the results after training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import (
    print_error,
    print_field,
    print_heading,
    print_line,
    print_renderable,
    print_text,
)
from runfolio.cli.output.display_table import print_table
from runfolio.cli.output.options import open_store, store_flag
from runfolio.cli.output.progress import progress_display
from runfolio.vision.settings import TrainSettings

_SOURCES = ("model", "data", "test_data", "weights")
"""Settings whose values name files, addresses or published networks."""


@contextmanager
def resume_hint_on_interrupt(store: Path | None) -> Iterator[None]:
    """Print the command that resumes the run, if Ctrl-C interrupts training."""
    start = datetime.now(UTC)
    try:
        yield
    except KeyboardInterrupt:
        for run in open_store(store).runs(state="interrupted"):
            if run.document.attempts[-1].started >= start:
                print_error(f"interrupted; `runfolio resume {run.id}{store_flag(store)}` continues it")
        raise


def print_recorded_sources(config: Mapping[str, Any]) -> None:
    """Print on stderr the files and addresses that a recorded run will read, because the record may come from another
    person."""
    for name in _SOURCES:
        if value := config.get(name):
            print_field(name.replace("_", "-"), shlex.quote(str(value)), stderr=True)


def print_architecture(settings: TrainSettings, store: Path | None, *, layers: bool) -> None:
    """Print the size of the network that the settings describe, or a table of all its layers if `layers` is True."""
    from runfolio.vision import architecture
    from runfolio.vision.prepare import prepare

    with progress_display() as progress:
        preparation = prepare(settings, store=store, progress=progress)
    network = architecture(preparation.network(), preparation.spec.image_shape)
    if layers:
        print_renderable(network.table())
        print_line("")
    else:
        size = formatting.large_count(network.parameters)
        print_line(f"{settings.model}, {size} parameters, {network.trainable_parameters:,} trainable")


def print_training_result(folder: Path, store: Path | None) -> None:
    """Print the results of a finished training run, and suggest commands for the next step."""
    from runfolio.cli.output.tables import results_table

    run = open_store(store).run(folder)
    print_table(results_table(run.flat_summary))
    results = run.flat_summary
    print_text(
        f"Epoch {results['best/epoch']} is the best, chosen by {results['chosen_by']}; "
        f"{formatting.significant_digits(results['epoch_seconds'])} s per epoch, "
        f"{formatting.significant_digits(results['predict_ms'])} ms per image."
    )
    if "test/acc" not in results:
        print_text("The series tests only the run that validation chooses; `runfolio evaluate` tests this run.")
    if run.document.status.reason:  # training stopped early
        print_text(f"The run {run.document.status.reason}.")
    flag = store_flag(store)
    print_heading(f"run   {run.folder}")
    print_line(f"next  runfolio show {run.id}{flag}")
    print_line(f"      runfolio evaluate {run.id}{flag}")
    print_line(f"      runfolio predict {run.id} --sample 24{flag}")
    print_line(f"      runfolio plot {results['chosen_by']} {run.id}{flag}")

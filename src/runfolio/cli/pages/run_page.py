"""Print a page that describes one run."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_heading, print_line, print_lines, print_warnings, stdout_console
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.tables import state_style
from runfolio.cli.pages import environment, lineage
from runfolio.cli.pages.profile import print_profile, read_profile
from runfolio.query import durations, recorded_writers
from runfolio.query.explain.environment_facts import code_facts, environment_facts
from runfolio.query.explain.left_out import left_out_sentences
from runfolio.query.explain.recorded_settings import Setting, recorded_settings
from runfolio.query.explain.run_end import exit_code, last_output
from runfolio.query.frames.points import rank_metrics
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.layout import ANSWERS, ARTIFACTS, CHECKPOINTS, event_files
from runfolio.record.base.plurals import counted
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import TEST
from runfolio.record.base.visible_text import visible_line
from runfolio.record.checkpoints.retention import STEP
from runfolio.record.content import media
from runfolio.record.continue_command import continue_command
from runfolio.record.points.metric_summary import PER_PARAMETER, listed_metrics
from runfolio.vision.settings import LOADER

if TYPE_CHECKING:
    from runfolio.query.recorded_data import DataFacts
    from runfolio.query.run import RecordedRun
    from runfolio.record.checkpoints.manifests import Checkpoint
    from runfolio.record.points.metric_summary import MetricSummary

ARCHITECTURE = "architecture"
"""Name of the logged text that lists the layers of the network."""
_LAST_WORDS = 5
_MOST_RESULTS = 100
"""Maximum number of results and maximum number of metrics that are printed without `--all`."""
_MOST_NAMES = 6
"""Maximum number of names that are printed for one kind of media, or for the splits with answers."""
_MOST_STEPS = 5
"""Maximum number of step checkpoints that are printed."""


def print_run_page(
    run: RecordedRun, children: Sequence[RecordedRun], rank: int | None = None, *, everything: bool = False
) -> None:
    """Print a run's state with its reason, followed by settings, results, metrics, load, environment, code and files.

    Args:
        everything: Also print settings with default values, and every metric.
    Raises:
        NotFound: No process with this rank wrote to the run.
    """
    metrics = run.metrics if rank is None else rank_metrics(run.folder, rank)
    _print_head(run, children)
    _print_last_words(run)
    _print_continuation(run)
    _print_settings(run, everything=everything)
    if everything:
        _print_layers(run)
    _print_results(run, everything=everything)
    if metrics:
        print_heading("Metrics" if rank is None else f"Metrics of rank {rank}")
        _print_metrics(metrics, everything=everything)
    if (profile := read_profile(run.folder)) is not None:
        print_heading("Profile")
        print_profile(run.folder, profile)
    if saved := run.checkpoints:
        print_heading("Checkpoints")
        older = [checkpoint for checkpoint in saved if checkpoint.name.startswith(STEP)][:-_MOST_STEPS]
        print_table(_checkpoints([checkpoint for checkpoint in saved if checkpoint not in older]))
        if older:
            print_line(f"and {len(older)} earlier checkpoints, from {older[0].name} to {older[-1].name}")
    _print_facts("Media (read them with RecordedRun.media)", _media_names(run.folder))
    _print_facts("Answers (read them with RecordedRun.answers)", _answered_splits(run.folder))
    for text in left_out_sentences(run.document):
        print_line(text, style="yellow")
    _print_facts("Data", environment.data_facts(run))
    _print_facts("Load", environment.load_facts(run))
    _print_facts("Environment", environment_facts(run))
    _print_facts("Code", code_facts(run))
    _print_facts("Files", _files(run.folder))
    print_warnings([*run.problems, *filter(None, [run.code.problem])])


def print_run_json(run: RecordedRun, children: Sequence[RecordedRun], rank: int | None = None) -> None:
    """Print the whole page as JSON, with full-precision numbers and every metric."""
    metrics = run.metrics if rank is None else rank_metrics(run.folder, rank)
    facts = _json_facts(run)
    about = {
        **facts,
        "config": run.config,
        "defaults": flatten(run.document.defaults),
        "summary": run.summary,
        "metrics": {name: asdict(summary) for name, summary in metrics.items()},
        "load": {name: asdict(summary) for name, summary in run.system_metrics.items()},
        "checkpoints": _checkpoints(run.checkpoints).rows,
        "refused": run.document.refused,
        "writers": [asdict(writer) for writer in recorded_writers.read_writers(run.folder)],
        "profile": read_profile(run.folder),
        "environment": run.document.environment,
        "seeds": run.document.seeds,
        "data": {name: _data_in_json(facts) for name, facts in run.data.items()},
        "code": run.document.code,
        "children": [
            {"id": child.id, "name": child.name, "kind": (child.document.lineage or {}).get("kind")}
            for child in children
        ],
        "files": _files(run.folder),
        "last_lines": last_output(run, _LAST_WORDS),
        "problems": [*run.problems, *filter(None, [run.code.problem])],
    }
    print_json(about)


def _data_in_json(facts: DataFacts) -> dict[str, Any]:
    values = {field.name: getattr(facts, field.name) for field in fields(facts) if field.name not in ("name", "folder")}
    return {**values, "earlier": [_data_in_json(version) for version in facts.earlier]}


def _print_head(run: RecordedRun, children: Sequence[RecordedRun]) -> None:
    took = "" if run.duration_s is None else f", {formatting.duration(run.duration_s)}"
    if run.state != "finished":
        took += _progress_text(run)
    print_line(f"{run.name}  {run.id}", style="bold")
    print_line(
        f"{run.state}{took}" + (f": {run.reason}" if run.reason else ""), style=state_style(run.state) or "green"
    )
    last = next(reversed((run.document.status.traceback or "").strip().splitlines()), "")
    if last not in (run.reason or ""):
        print_line(last, style="red")
    series = f", series {name}" if (name := (run.document.series or {}).get("name")) else ""
    own = [attempt.purpose for attempt in run.document.attempts if attempt.inherited is None]
    trained = sum(purpose != TEST for purpose in own)
    attempts = (f", attempt {trained}" if trained > 1 else "") + (
        ", tested in a separate attempt" if TEST in own else ""
    )
    print_line(f"experiment {run.experiment}{series}, started {formatting.timestamp(run.created)}{attempts}")
    print_line(str(run.folder))
    for text in (lineage.origin_line(run), *lineage.child_lines(children)):
        if text is not None:
            print_line(text)
    _print_writers(run)
    if run.tags:
        print_line(f"tags: {', '.join(run.tags)}")
    if run.notes:
        # Another person may have written the notes. Because of the indentation, no line of the notes looks like a line
        # of the page.
        print_lines(textwrap.indent(run.notes, "  ", lambda line: True))


def _progress_text(run: RecordedRun) -> str:
    """Return the progress and the remaining time, such as `, 42% done, about 7 min 05 s left`, or "" if both are
    unknown."""
    if (share := run.progress) is None:
        return ""
    left = durations.seconds_left(run)
    return f", {math.floor(share * 100)}% done" + (f", about {formatting.duration(left)} left" if left else "")


def _json_facts(run: RecordedRun) -> dict[str, Any]:
    """Return the properties of a run in the order of `show --json`."""
    names = ("id", "name", "experiment", "state", "reason")
    status, edits = run.document.status, run.edits
    return {
        **{name: getattr(run, name) for name in names},
        "exit_code": exit_code(run),
        "traceback": status.traceback,
        "created": run.created,
        "ended": status.ended,
        "duration_s": run.duration_s,
        "total_steps": run.document.total_steps,
        "progress": run.progress,
        "seconds_left": durations.seconds_left(run),
        "inherited_s": durations.inherited_s(run),
        "lineage": run.document.lineage,
        "verdict": edits.verdict,
        "folder": run.folder,
        "tags": run.tags,
        "notes": run.notes,
        "archived": edits.archived,
        "series": run.document.series,
    }


def _print_writers(run: RecordedRun) -> None:
    """Print the processes that wrote to the run if there were several. Also print processes that disappeared."""
    writers = recorded_writers.read_writers(run.folder)
    if description := recorded_writers.describe_writers(writers):
        print_line(description)
    for text in recorded_writers.describe_vanished(writers):
        print_line(text, style="red")


def _print_last_words(run: RecordedRun) -> None:
    if lines := last_output(run, _LAST_WORDS):
        print_heading(f"Last lines of the console (all: runfolio logs {run.id})")
        print_lines("\n".join(lines))


def _print_continuation(run: RecordedRun) -> None:
    """Print the command that continues an unfinished run."""
    if run.state in ("running", "finished") or run.is_reproduction:
        return
    print_heading("Continue this run")
    if not (saved := run.checkpoints):
        print_line("It saved no checkpoint, so a new run must start from the beginning.")
    elif saved[-1].loader == LOADER:
        print_line(f"runfolio resume {run.id}")
    else:
        command = continue_command(run.folder, run.document)
        print_line(command or f"Call runfolio.init(resume={run.id!r}) in the script that started the run.")
        print_line("The script must load the checkpoint with `run.restore` if `run.resumed` is true.")


def _print_layers(run: RecordedRun) -> None:
    """Print the table of layers if the run recorded one, as runs of `runfolio train` do."""
    tables = [entry.content.get("text") for entry in run.media("text") if entry.name == ARCHITECTURE]
    if tables:
        print_heading("Layers")
        print_lines(str(tables[-1]))


def _print_results(run: RecordedRun, *, everything: bool) -> None:
    results = {key: value for key, value in run.flat_summary.items() if not isinstance(value, list)}
    shown = list(results) if everything else list(results)[:_MOST_RESULTS]
    _print_facts("Results", {name: results[name] for name in shown})
    _print_hidden(len(results) - len(shown))


def _print_metrics(metrics: Mapping[str, MetricSummary], *, everything: bool) -> None:
    listed = sorted(metrics) if everything else sorted(listed_metrics(metrics))
    shown = listed if everything else listed[:_MOST_RESULTS]
    print_table(_metrics({name: metrics[name] for name in shown}))
    _print_hidden(len(listed) - len(shown))
    if watched := sum(name.startswith(PER_PARAMETER) for name in metrics.keys() - set(listed)):
        print_line(f"and {watched} metrics of individual parameters and layers: grad_norm/NAME ...")


def _print_hidden(number: int) -> None:
    if number:
        print_line(f"and {number:,} more: --all, --json")


def _metrics(metrics: Mapping[str, MetricSummary]) -> DisplayTable:
    from runfolio.query.selection.metric_names import guess_mode

    rows = []
    for name, summary in metrics.items():
        mode = guess_mode(name)
        best, step = {"max": (summary.max, summary.max_step), "min": (summary.min, summary.min_step)}.get(
            mode or "", (None, None)
        )
        rows.append({"metric": name, "last": summary.last, "best": best, "step": step, "points": summary.count})
    number = formatting.elementwise("{:.5g}".format)
    columns = [
        Column(key="metric", title="metric", formatter=formatting.elementwise(str)),
        Column(key="last", title="last", formatter=number, number=True),
        Column(key="best", title="best", formatter=number, number=True),
        Column(key="step", title="at step", formatter=formatting.elementwise(formatting.count), number=True),
        Column(key="points", title="points", formatter=formatting.elementwise(formatting.count), number=True),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _checkpoints(saved: Sequence[Checkpoint]) -> DisplayTable:
    rows = [
        {
            "name": checkpoint.name,
            "step": checkpoint.step,
            "metric": checkpoint.metric,
            "bytes": checkpoint.size_bytes,
            "saved": checkpoint.saved,
        }
        for checkpoint in saved
    ]
    columns = [
        Column(key="name", title="checkpoint", formatter=formatting.elementwise(str)),
        Column(key="step", title="step", formatter=formatting.elementwise(formatting.count), number=True),
        Column(key="metric", title="metric", formatter=formatting.aligned_numbers, number=True),
        Column(key="bytes", title="size", formatter=formatting.elementwise(formatting.byte_size), number=True),
        Column(key="saved", title="saved", formatter=formatting.elementwise(formatting.timestamp)),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _files(folder: Path) -> dict[str, str]:
    """Describe the files in each folder of a run: number, size, and the names of checkpoints and artifacts."""
    summaries: dict[str, str] = {}
    for subfolder in RecordPath(folder).entries():
        sizes = [path.status().st_size for path in subfolder.walk() if not path.name.startswith(".")]
        manifests = subfolder.files() if subfolder.name in (CHECKPOINTS, ARTIFACTS) else []
        names = [path.stem for path in manifests if path.suffix == ".json" and not path.name.startswith(".")]
        listed = f" ({', '.join(names)})" if names else ""
        if sizes:
            summaries[subfolder.name] = (
                f"{len(sizes)} {'file' if len(sizes) == 1 else 'files'}, {formatting.byte_size(sum(sizes))}{listed}"
            )
    if events := event_files(folder):
        summaries["TensorBoard"] = ", ".join(path.name for path in events.values())
    return summaries


def _media_names(folder: Path) -> dict[str, str]:
    """Return the names of the logged media as a string for each kind."""
    return {kind: _listed(names) for kind, names in media.count_names(folder).items()}


def _listed(names: Mapping[str, int]) -> str:
    """List names, with the number of entries of names that have several, such as `batch (12), sample and 3 more`."""
    shown = [name if names[name] == 1 else f"{name} ({names[name]:,})" for name in list(names)[:_MOST_NAMES]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _answered_splits(folder: Path) -> dict[str, str]:
    """Return the names of the splits with answers."""
    if not RecordPath(folder, ANSWERS).entries():
        return {}
    from runfolio.record.content.answer_files import list_answers  # loads Arrow, which few runs need

    return {"splits": _listed(dict.fromkeys((file.split for file in list_answers(folder)), 1))}


def _print_settings(run: RecordedRun, *, everything: bool) -> None:
    """Print the settings that differ from their defaults, and the number of other settings."""
    settings = recorded_settings(run)
    shown = [setting for setting in settings if everything or setting.is_changed]
    _print_facts("Settings", {setting.name: _setting_text(setting) for setting in shown})
    if hidden := len(settings) - len(shown):
        if not shown:
            print_heading("Settings")
        print_line(f"{counted(hidden, 'setting')} at {'its default' if hidden == 1 else 'their defaults'}: --all")


def _setting_text(setting: Setting) -> Any:
    return "none" if setting.value is None and setting.has_default else setting.value


def _print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values, in several columns if the terminal is wide enough. Long values are wrapped."""
    shown = {
        visible_line(name): visible_line(_fact(value))
        for name, value in facts.items()
        if value not in (None, "", {}, [])
    }
    if not shown:
        return
    print_heading(title)
    longest = max(map(len, shown))
    width = stdout_console().width
    cells = [
        textwrap.fill(
            f"{name:<{longest}}  {text}",
            width,
            subsequent_indent=" " * (longest + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in shown.items()
    ]
    for text in _side_by_side(cells, width):
        print_lines(text)


def _side_by_side(cells: Sequence[str], width: int) -> list[str]:
    """Arrange cells in up to three columns, which are read downwards. Output to a file and long cells need one
    column."""
    widest = max(map(len, cells)) + 3
    columns = min(3, width // widest) if sys.stdout.isatty() else 1
    if columns < 2:
        return list(cells)
    height = math.ceil(len(cells) / columns)
    return ["".join(f"{cell:<{widest}}" for cell in cells[row::height]).rstrip() for row in range(height)]


def _fact(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return _joined(value)
    return f"{value:.6g}" if isinstance(value, float) else formatting.setting_value(value)


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(map(_fact, values))

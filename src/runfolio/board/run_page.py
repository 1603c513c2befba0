"""`/api/runs/KEY`: everything that the overview of one run shows, such as its state, settings, results and
environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board import lineage
from runfolio.board.code import error_line
from runfolio.board.markdown import markdown_tree
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.run_commands import run_commands
from runfolio.board.run_reply import run_reply
from runfolio.board.state import BoardState, board_of
from runfolio.board.system_load import describe_load
from runfolio.query import recorded_writers
from runfolio.query.durations import inherited_s, most_advanced_metric, progress, seconds_left
from runfolio.query.explain.environment_facts import environment_facts
from runfolio.query.explain.left_out import left_out_sentences
from runfolio.query.explain.recorded_settings import recorded_settings
from runfolio.query.explain.run_end import exit_code, last_output
from runfolio.query.recorded_data import DataFacts
from runfolio.query.run import RecordedRun
from runfolio.query.selection.metric_names import guess_mode
from runfolio.record.base.run_document import RUNNING
from runfolio.record.base.visible_text import visible_text
from runfolio.record.content.console_log import log_path
from runfolio.record.points.metric_summary import MetricSummary, listed_metrics

_LAST_LINES = 5
_MOST_RESULTS = 2_000
"""Maximum number of results in a reply, and maximum number of metrics."""
_LONGEST_VALUE = 2_000
_LONGEST_TRACEBACK = 100_000


async def run_page(request: Request) -> Response:
    """Answer `GET /api/runs/KEY` with the overview of a run."""
    QueryArgs(request, ())
    board = board_of(request)
    return await run_reply(request, lambda run: describe_run(board, run))


def describe_run(board: BoardState, run: RecordedRun) -> dict[str, Any]:
    """Return everything that the overview of a run shows."""
    return {
        "generation": board.generation,
        **_identity(run),
        **_end(run),
        **_progress(board, run),
        "attempts": lineage.attempts(run),
        "parent": lineage.parent(board, run),
        "children": lineage.children(board, run),
        "writers": _writers(run),
        "commands": run_commands(run, board.store),
        "settings": _settings(run),
        "results": _results(run),
        "metrics": _metrics(run.metrics),
        "load": describe_load(run.system_metrics),
        "data": [_data(facts) for facts in run.data.values()],
        "environment": [[name, text] for name, text in environment_facts(run).items() if text],
        "checkpoints": _checkpoints(run),
        "problems": [*left_out_sentences(run.document), *run.problems, *filter(None, [run.code.problem])],
    }


def _identity(run: RecordedRun) -> dict[str, Any]:
    series = run.document.series or {}
    return {
        "key": key_text(run.row.key),
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "folder": str(run.folder),
        "series": series.get("name"),
        "tags": run.tags,
        "notes": run.notes,
        "notes_tree": markdown_tree(visible_text(run.notes)) if run.notes else [],
        "archived": run.archived,
    }


def _end(run: RecordedRun) -> dict[str, Any]:
    status = run.document.status
    traceback = visible_text((status.traceback or "")[-_LONGEST_TRACEBACK:])
    return {
        "state": run.state,
        "reason": run.reason,
        "exit_code": exit_code(run),
        "error": error_line(run),
        "traceback": traceback or None,
        "last_lines": [visible_text(line) for line in last_output(run, _LAST_LINES)],
        "has_console": any(log_path(run.folder, attempt.writer).exists() for attempt in run.document.attempts),
        "created": run.created.timestamp(),
        "ended": run.facts.ended.timestamp() if run.facts.ended else None,
        "duration_s": run.duration_s,
        "inherited_s": inherited_s(run),
    }


def _progress(board: BoardState, run: RecordedRun) -> Mapping[str, Any]:
    watched = board.progress_of(run.row.key)
    if run.state == RUNNING and watched["step"] is not None:
        return watched
    metric = most_advanced_metric(run)
    return {
        "step": run.metrics[metric].last_step if metric else None,
        "total_steps": run.document.total_steps,
        "progress": progress(run),
        "seconds_left": seconds_left(run),
    }


def _writers(run: RecordedRun) -> dict[str, Any]:
    """Describe the processes that wrote to the run, if there were several."""
    writers = recorded_writers.read_writers(run.folder)
    return {
        "sentence": recorded_writers.describe_writers(writers),
        "vanished": recorded_writers.describe_vanished(writers),
    }


def _settings(run: RecordedRun) -> list[dict[str, Any]]:
    """Return the settings of a run. Settings that differ from their defaults come first."""
    described = [
        {
            "name": setting.name,
            "value": plain_value(setting.value),
            "default": plain_value(setting.default) if setting.has_default else None,
            "has_default": setting.has_default,
            "is_changed": setting.is_changed,
        }
        for setting in recorded_settings(run)
    ]
    return sorted(described, key=lambda setting: not setting["is_changed"])


def _results(run: RecordedRun) -> list[dict[str, Any]]:
    results = [(name, value) for name, value in run.flat_summary.items() if not isinstance(value, list)]
    return [{"name": name, "value": plain_value(value)} for name, value in results[:_MOST_RESULTS]]


def _metrics(metrics: Mapping[str, MetricSummary]) -> list[dict[str, Any]]:
    """Return the last and the best value of each metric, except metrics of individual parameters and layers."""
    return [_metric(name, metrics[name]) for name in sorted(listed_metrics(metrics))[:_MOST_RESULTS]]


def _metric(name: str, summary: MetricSummary) -> dict[str, Any]:
    mode = guess_mode(name)
    best, step = {"max": (summary.max, summary.max_step), "min": (summary.min, summary.min_step)}.get(
        mode or "", (None, None)
    )
    return {
        "name": name,
        "last": plain_value(summary.last),
        "last_step": summary.last_step,
        "best": plain_value(best),
        "best_step": step,
        "mode": mode,
        "points": summary.count,
    }


def _data(facts: DataFacts) -> dict[str, Any]:
    names = ("name", "fingerprint", "items", "bytes", "source", "trouble", "attempt")
    described = {name: getattr(facts, name) for name in names}
    return {**described, "earlier": [_data(version) for version in facts.earlier]}


def _checkpoints(run: RecordedRun) -> list[dict[str, Any]]:
    return [
        {
            "name": checkpoint.name,
            "step": checkpoint.step,
            "metric": plain_value(checkpoint.metric),
            "saved": checkpoint.saved.timestamp(),
            "bytes": checkpoint.size_bytes,
            "parts": checkpoint.parts,
            "files": checkpoint.digests,
        }
        for checkpoint in run.checkpoints
    ]


def plain_value(value: Any) -> Any:
    """Return a value for JSON. Infinite numbers, NaN, and integers that JavaScript would round become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    if isinstance(value, str):
        return visible_text(value[:_LONGEST_VALUE])
    if isinstance(value, (list, tuple)):
        return [plain_value(entry) for entry in value]
    if isinstance(value, dict):
        return {name: plain_value(entry) for name, entry in value.items()}
    return value

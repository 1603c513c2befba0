"""Table of the runs that were imported from a log directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output.display_table import Column, DisplayTable
from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from runfolio.tensorboard.logdir_import import RunReport

_STYLES = {"new": "green", "updated": "green", "skipped": "yellow"}


def import_table(reports: Sequence[RunReport]) -> DisplayTable:
    """Return a table with one row per run: what was imported, and what was decided."""
    columns = [
        Column(key="run", title="run", formatter=_texts),
        Column(key="id", title="id", formatter=_texts),
        Column(key="outcome", title="result", formatter=_texts, style=_STYLES.get),
        Column(key="points", title="points", formatter=_counts, number=True),
        Column(key="media", title="media", formatter=_counts, number=True, optional=1),
        Column(key="artifacts", title="artifacts", formatter=_counts, number=True, optional=2),
        Column(key="decisions", title="decided", formatter=_sentences, wraps=True),
    ]
    if not any(report.artifacts for report in reports):
        columns = [column for column in columns if column.key != "artifacts"]
    rows = [
        {
            "run": report.name,
            "id": report.run_id,
            "outcome": report.outcome,
            "points": report.points,
            "media": report.media,
            "artifacts": report.artifacts,
            "decisions": report.decisions,
            "problems": report.problems,
        }
        for report in reports
    ]
    return DisplayTable(columns=columns, rows=rows)


def _texts(values: Sequence[Any]) -> list[str]:
    return [visible_line(str(value)) for value in values]


def _counts(values: Sequence[Any]) -> list[str]:
    return [f"{value:,}" if value else "-" for value in values]


def _sentences(values: Sequence[Any]) -> list[str]:
    return [visible_line("; ".join(sentences)) for sentences in values]

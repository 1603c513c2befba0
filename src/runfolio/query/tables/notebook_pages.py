"""HTML pages that notebooks display for stores and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runfolio.errors import RunfolioError
from runfolio.query.html_table import escaped, html_fields, html_table
from runfolio.query.run_view import RunView
from runfolio.query.selection.figures import any_figure_of
from runfolio.query.selection.metric_names import guess_mode
from runfolio.query.tables.runs_table import usual_results
from runfolio.record.points.metric_summary import listed_metrics

_SHOWN_FIELDS = 20
"""Maximum number of settings and maximum number of results on the page of a run."""


def folio_page(store: str, runs: Sequence[RunView]) -> str:
    """Return a page with the experiments of a store, the number of their runs and the start of the newest run."""
    counts = Counter(run.experiment for run in runs)
    states = Counter((run.experiment, run.state) for run in runs)
    newest: dict[str, RunView] = {}
    for run in runs:
        newest.setdefault(run.experiment, run)
    rows = [
        (
            name,
            counts[name],
            ", ".join(f"{count} {state}" for (experiment, state), count in states.items() if experiment == name),
            newest[name].created,
        )
        for name in newest
    ]
    return f"<p>{escaped(store)}</p>{html_table(('experiment', 'runs', 'states', 'newest'), rows, len(rows))}"


def run_page(run: RunView) -> str:
    """Return a page with the state, results and settings of a run, and the curve of its main metric."""
    facts = [
        ("run", f"{run.name} ({run.id})"),
        ("experiment", run.experiment),
        ("state", f"{run.state}: {run.reason}" if run.reason else run.state),
        ("started", run.created),
        ("tags", ", ".join(run.tags)),
    ]
    results = usual_results([run])
    figures = [(name, any_figure_of(run, name, guess_mode(name))) for name in results[:_SHOWN_FIELDS]]
    return "".join(
        [
            html_fields(facts),
            _section("results", [(name, figure.value) for name, figure in figures if figure], len(results)),
            _section("settings", list(run.flat_config.items())[:_SHOWN_FIELDS], len(run.flat_config)),
            _main_curve(run, results),
        ]
    )


def _section(title: str, fields: Sequence[tuple[str, object]], total: int) -> str:
    if not fields:
        return ""
    more = f"<p>{total - len(fields):,} more</p>" if total > len(fields) else ""
    return f"<p><b>{title}</b></p>{html_fields(fields)}{more}"


def _main_curve(run: RunView, results: Sequence[str]) -> str:
    """Return a plot of the first metric in `results` that has a curve, or an empty string if there is no curve."""
    listed = set(listed_metrics(run.metrics))
    metric = next((name for name in results if name in listed), None)
    if metric is None:
        return ""
    try:
        return run.metric(metric)._repr_html_()
    except RunfolioError:  # the run was deleted in the meantime
        return ""

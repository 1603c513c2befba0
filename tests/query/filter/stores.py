"""Random runs and random filters of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from runfolio.query.explain.run_end import reason
from runfolio.query.filter import tree
from runfolio.query.index.entries import Entry, ScannedRun
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.run_document import Attempt, RunDocument, Status
from runfolio.record.base.run_parts import Environment, Lineage, SeriesEntry
from runfolio.record.content.run_edits import EditedValues
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_TIMES = [NOW - timedelta(days=days, microseconds=days) for days in range(4)]
_ODD = ["loss.max", "x y", 'q"u', "é'", "a/b", "LR", "", "opt-name", "opt_name", "{}", "?"]
_NAMES = ["lr", "seed", "loss", "val/acc", "epoch", "metric", "host", "archived", "last", "system/cpu", *_ODD]
_TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "aéÉ",
    "a%b",
    "50% of\nit",
    "a\0b",
    "[1,2]",
    "2026-11-29",
    "2026-11-30T08:00:00+01:00",
    "ẞß",
]
_TAGS = ["baseline", "team=vision", "team:a", "team", "lr=", "x y=1"]
_numbers = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([0.1, 0.5, 1.0, -0.0, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]),
    st.sampled_from([math.inf, -math.inf]),
)
_values = st.one_of(
    _numbers,
    st.just(math.nan),
    st.booleans(),
    st.none(),
    st.sampled_from(_TEXTS),
    st.sampled_from([[1, 2], [], ["a", None], [True], {}]),
)
_trees: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(_NAMES),
    st.one_of(_values, _values, st.dictionaries(st.sampled_from(_NAMES[:4]), _values, max_size=2)),
    max_size=5,
)
_floats = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, math.nan, math.inf, -1.0])
_summaries = st.builds(
    MetricSummary,
    count=st.integers(1, 3),
    first_step=st.just(0),
    last_step=st.integers(0, 3),
    last=_floats,
    min=_floats,
    min_step=st.just(0),
    max=_floats,
    max_step=st.just(0),
    mean=_floats,
    nan=st.just(0),
)
_lines = st.sampled_from(_TEXTS[1:4])
_maybe_text = st.none() | _lines
_states = st.sampled_from(["running", "finished", "failed", "crashed"])


@st.composite
def _runs(draw: st.DrawFn) -> ScannedRun:
    state = draw(_states)
    has_ended = state in ("finished", "failed")
    started = draw(st.sampled_from(_TIMES))
    seconds = draw(st.none() | st.sampled_from([0.5, 3.0]))
    attempts = [
        Attempt(attempt, attempt or None, {}, "w", started, seconds, draw(st.none() | st.just("parent")))
        for attempt in range(draw(st.integers(0, 2)))
    ]
    text = _maybe_text
    document = RunDocument(
        id=draw(st.sampled_from(["a", "b"])),
        name=draw(st.sampled_from(_TEXTS[1:])),
        experiment="digits",
        created=started,
        # A reason that is not a trouble of the curve, since the runs have no files.
        status=Status(
            state if has_ended else "running",
            ended=started + timedelta(hours=1) if has_ended else None,
            reason=draw(text),
            trouble="stopped",
        ),
        config=draw(_trees),
        summary=draw(_trees),
        tags=draw(st.lists(st.sampled_from(_TAGS), unique=True)),
        notes=draw(st.sampled_from(_TEXTS)),
        series=draw(st.none() | st.builds(SeriesEntry, name=_lines)),
        lineage=draw(st.none() | st.builds(Lineage, kind=st.just("fork"), run=_lines, name=text)),
        environment=draw(st.just(Environment()) | st.builds(Environment, host=_lines, device=_lines)),
        code={"commit": draw(text)},
        data={name: {"fingerprint": draw(text)} for name in draw(st.lists(st.sampled_from(_NAMES), max_size=2))},
        attempts=attempts,
    )
    edits = draw(st.sampled_from([EditedValues(), EditedValues(archived=True, name="renamed"), EditedValues(tags=[])]))
    metrics = draw(st.dictionaries(st.sampled_from(_NAMES), _summaries, max_size=4))
    return scanned(draw(st.sampled_from("abcdefé")), document, metrics, edits, state)


def scanned(
    run_path: str,
    document: RunDocument,
    metrics: Mapping[str, MetricSummary] | None = None,
    edits: EditedValues | None = None,
    state: str = "finished",
) -> ScannedRun:
    """Return a run as a scan finds it."""
    entry = Entry(document, edits or EditedValues(), dict(metrics or {}))
    run = ScannedRun(run_path, Path("/nowhere") / run_path, entry, state, "", "")
    return run._replace(reason=reason(run))


stores = st.lists(_runs(), min_size=2, max_size=5, unique_by=lambda run: run.run_path)
"""Runs of a store."""

_FACTS = ["id", "name", "experiment", "state", "reason", "notes", "created", "started", "ended", "duration", "archived"]
_MORE_FACTS = ["tags", "series", "lineage", "host", "device", "commit", "folder"]
_AGGREGATES = ["max", "min", "mean", "count", "last", "step", "best"]
_TAG_NAMES = ["baseline", "team", "lr", "x y"]
_STRANGE = [("params", "unknown"), ("metrics", "loss", "max"), ("metrics", "val", "acc"), ("a", "b")]


def _names(runs: list[ScannedRun]) -> st.SearchStrategy[tree.Name]:
    """Return names of which nearly all mean a column of the runs."""
    params = {("params", name) for run in runs for name in flatten(run.entry.document.config)}
    results = {("summary", name) for run in runs for name in flatten(run.entry.document.summary)}
    metrics = {("metrics", name) for run in runs for name in run.entry.metrics}
    data = {("data", name) for run in runs for name in run.entry.document.data}
    aggregates = [(*name, aggregate) for name in sorted(metrics) for aggregate in _AGGREGATES]
    bare = {name[1:] for name in (*params, *results, *metrics)}
    own = [params, results, metrics, data, aggregates, bare]
    facts = [*((name,) for name in (*_FACTS, *_MORE_FACTS)), *(("tags", name) for name in _TAG_NAMES), *_STRANGE]
    parts = st.one_of(st.sampled_from(facts), *(st.sampled_from(sorted(names)) for names in own if names))
    return st.tuples(parts, st.booleans()).map(
        lambda drawn: tree.Name(drawn[0], is_quoted=tuple(index == 1 or drawn[1] for index in range(len(drawn[0]))))
    )


_constants = st.one_of(_numbers, st.booleans(), st.sampled_from([*_TEXTS, "vision", "finished"])).map(tree.Constant)
_patterns = st.lists(st.sampled_from(["%", "_", "a", "A", "é", "É", "\\", "\0", "\n", "5", "ß"]), max_size=6).map(
    "".join
)


def filters(runs: list[ScannedRun]) -> st.SearchStrategy[str]:
    """Return texts of filters of the runs."""
    names = _names(runs)
    operands = st.one_of(names, names, _constants, st.sampled_from([0.0, -86400.0]).map(tree.Now))
    signs: st.SearchStrategy[tree.Operator] = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    predicates = st.one_of(
        st.builds(tree.Compare, names, signs, operands),
        st.builds(tree.Compare, operands, signs, operands),
        st.builds(tree.IsNull, names),
        st.builds(tree.In, operands, st.lists(_constants, min_size=1, max_size=3).map(tuple)),
        st.builds(tree.Like, names, _patterns, st.booleans()),
        st.builds(tree.IsTrue, names),
    )
    conditions = st.recursive(predicates, _combined, max_leaves=4)
    return conditions.map(tree.to_text)


def column_names(runs: list[ScannedRun]) -> st.SearchStrategy[str]:
    """Return names of columns of the runs, as for sorting."""
    facts = {name for name in (*_FACTS, *_MORE_FACTS) if name not in ("started", "duration")}
    params = {name for run in runs for name in flatten(run.entry.document.config)}
    metrics = {name for run in runs for name in run.entry.metrics if not is_system_metric(name)}
    results = {name for run in runs for name in flatten(run.entry.document.summary)}
    full = {f"params.{name}" for name in params} | {f"metrics.{name}" for name in metrics}
    return st.sampled_from(sorted(facts | params | metrics | results | full))


def _combined(inner: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(tree.Not, inner), st.builds(tree.And, several), st.builds(tree.Or, several))

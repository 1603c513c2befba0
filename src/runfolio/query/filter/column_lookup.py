"""Lookup of index columns by name: facts, settings, results, metrics and data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString

from runfolio.errors import FilterError, NotFound, did_you_mean
from runfolio.query.filter.tree import Name
from runfolio.query.index.tables import Catalog
from runfolio.query.selection.columns import FACTS, MORE_FACTS
from runfolio.query.selection.figures import BEST
from runfolio.query.selection.metric_names import Mode, guess_mode
from runfolio.record.points.metric_summary import AXES, is_system_metric

Kind = Literal["fact", "params", "results", "metrics", "data", "figure", "tag"]
_ALIASES = {"started": "created", "duration": "duration_s"}
AGGREGATES: dict[str, LiteralString] = {
    "last": "last",
    "min": "min",
    "max": "max",
    "mean": "mean",
    "count": "count",
    "step": "last_step",
}
"""Columns of the table `metrics`, keyed by the last word of a name in a filter, such as `max` in `metrics.loss.max`."""
EXTREMES: dict[Mode | None, LiteralString] = {"min": "min", "max": "max"}
_BARE = ("params", "summary", "metrics")
"""Prefixes of full names. For a name without a prefix, these prefixes are tried in this order."""


@dataclass(frozen=True)
class IndexColumn:
    """Column that a name refers to."""

    kind: Kind
    """Table with the values. For `figure`, the value is taken from `results` or, if it is missing there, from
    `metrics`."""
    name: str
    """Name of the setting, result, metric, data set, fact or tag."""
    aggregate: LiteralString = ""
    """Column of the table `metrics` that contains the value of a metric. It is empty for kinds that do not use
    `metrics`."""


def find_column(name: str, catalog: Catalog) -> IndexColumn:
    """Return the column that a name refers to.

    A name without a prefix is looked up in this order: basic facts, settings, other facts, results and metrics. If a
    result and a metric have the same name, the name refers to both. In this case, the value of a run is its result.
    Without a result, the value is the best or last value of the run's curve. The full names `params.NAME` (or
    `config.NAME`), `summary.NAME`, `metrics.NAME`, `metrics.NAME.best` and `data.NAME` are unambiguous. `metrics.NAME`
    is the last value, but for `epoch` and `samples` it is the highest value.

    Raises:
        NotFound: The column does not exist. The message lists the most similar names.
    """
    if column := _lookup(name, catalog):
        return column
    raise NotFound(_no_column(name, catalog))


def find_figure(metric: str, catalog: Catalog, mode: Mode | None) -> IndexColumn:
    """Return the column that contains the representative values of a metric (see `figures.figure_of`).

    Args:
        metric: Name of the metric. `summary.NAME` means only the result. `metrics.NAME` and `metrics.NAME.best` mean
            only the curve.
        catalog: Names that exist.
        mode: Direction of the metric, or None if the metric has no direction.

    Raises:
        NotFound: No result or metric has this name. The message lists the most similar names.
    """
    part, name = "", metric
    if metric not in catalog.results and not _is_metric(metric, catalog):
        part, _, name = metric.partition(".")
        name = name if _is_metric(name, catalog) else name.removesuffix(BEST)
    is_result = part in ("", "summary") and name in catalog.results
    is_metric = part in ("", "metrics") and _is_metric(name, catalog)
    if not is_result and not is_metric:
        raise NotFound(f"no metric {metric!r}; {did_you_mean(metric, {*catalog.results, *_metrics(catalog)})}")
    kind = "metrics" if not is_result else "figure" if is_metric else "results"
    return IndexColumn(kind, name, EXTREMES.get(mode) or _last(name))


def column_of(name: Name, catalog: Catalog, text: str) -> IndexColumn:
    """Return the column that a name in a filter refers to.

    Args:
        name: Name to look up.
        catalog: Names that exist.
        text: Text of the filter, which error messages quote.

    Raises:
        FilterError: The column does not exist. The message lists the most similar names.
    """
    if len(name.parts) == 1:
        return _first(name, [_ALIASES.get(name.parts[0], name.parts[0])], catalog, text)
    kind, *rest = name.parts
    if kind == "tags":
        return IndexColumn("tag", ".".join(rest))
    if _has_aggregate(name, catalog):
        metric = _metric(rest[:-1], catalog)
        if metric is None:
            wrong = ".".join(rest[:-1])
            raise FilterError(text, name.position, f"no metric {wrong!r}; {did_you_mean(wrong, _metrics(catalog))}")
        return IndexColumn("metrics", metric, AGGREGATES[rest[-1]])
    return _first(name, [".".join(name.parts), "/".join(name.parts), f"{kind}.{'/'.join(rest)}"], catalog, text)


def _first(name: Name, spellings: Sequence[str], catalog: Catalog, text: str) -> IndexColumn:
    for spelling in spellings:
        if column := _lookup(spelling, catalog):
            return column
    raise FilterError(text, name.position, _no_column(spellings[0], catalog))


def _lookup(name: str, catalog: Catalog) -> IndexColumn | None:
    full_name = f"params.{name.removeprefix('config.')}" if name.startswith("config.") else name
    for spelling in dict.fromkeys((name, full_name, full_name.replace("-", "_"))):  # options have - instead of _
        is_shadowed = spelling in MORE_FACTS and spelling in catalog.params
        if not is_shadowed and (column := _full(spelling, catalog)):
            return column
        if meanings := [column for kind in _BARE if (column := _full(f"{kind}.{spelling}", catalog))]:
            return _bare(spelling, meanings)
    return None


def _no_column(name: str, catalog: Catalog) -> str:
    return f"no column {name!r}; {did_you_mean(name, set(_every_name(catalog)))}"


def _has_aggregate(name: Name, catalog: Catalog) -> bool:
    """Return whether the last part of a name is an aggregate such as `max`. It can also be part of the name of a
    metric."""
    kind, *rest = name.parts
    if kind != "metrics" or len(rest) < 2 or rest[-1] not in AGGREGATES or name.is_quoted[-1]:
        return False
    return name.is_quoted[-2] or _metric(rest, catalog) is None


def _metric(parts: Sequence[str], catalog: Catalog) -> str | None:
    """Return the metric that a name with dots refers to. In the record, the parts of nested names are joined with
    `/`."""
    spellings = (".".join(parts), "/".join(parts))
    return next((name for name in spellings if _is_metric(name, catalog)), None)


def _metrics(catalog: Catalog) -> list[str]:
    return [name for name in catalog.metrics if not is_system_metric(name)]


def _is_metric(name: str, catalog: Catalog) -> bool:
    return name in catalog.metrics and not is_system_metric(name)


def _full(full_name: str, catalog: Catalog) -> IndexColumn | None:
    """Return the column of a fact or a full name, or None if there is no such column."""
    if full_name in FACTS or full_name in MORE_FACTS:
        return IndexColumn("fact", full_name)
    kind, _, name = full_name.partition(".")
    if kind == "data" and name in catalog.data:
        return IndexColumn("data", name)
    if kind == "params" and name in catalog.params:
        return IndexColumn("params", name)
    if kind == "summary" and name in catalog.results:
        return IndexColumn("results", name)
    if kind == "metrics" and _is_metric(name, catalog):
        return IndexColumn("metrics", name, _last(name))
    metric = name.removesuffix(BEST)
    if kind == "metrics" and metric != name and _is_metric(metric, catalog) and (mode := guess_mode(metric)):
        return IndexColumn("metrics", metric, EXTREMES[mode])
    return None


def _last(metric: str) -> LiteralString:
    """Return the column of the table `metrics` that contains the last value. For an axis such as `epoch`, return the
    column with the highest value, because a later test can log an earlier epoch."""
    return "max" if metric in AXES else "last"


def _bare(name: str, meanings: Sequence[IndexColumn]) -> IndexColumn:
    """Return the column of a name without a prefix, which can have several meanings."""
    first, last = meanings[0], meanings[-1]
    if last.kind != "metrics" or last.name != name or first.kind == "params":
        return first
    aggregate = EXTREMES.get(guess_mode(name)) or _last(name)
    return IndexColumn("metrics" if first is last else "figure", name, aggregate)


def _every_name(catalog: Catalog) -> Iterator[str]:
    """Yield all names without prefixes, such as `lr`, and names such as `val/acc.best` for metrics with a direction."""
    for names in (FACTS, MORE_FACTS, catalog.data, catalog.params, catalog.results):
        yield from names
    for name in _metrics(catalog):
        yield from (name, f"{name}{BEST}") if guess_mode(name) else (name,)

"""SQL for groups of runs: statistics of a metric over the runs that have the same values in some columns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

from runfolio.query.filter.column_lookup import find_column, find_figure
from runfolio.query.filter.dialect import Dialect
from runfolio.query.filter.sql_text import Sql, bound, joined, sql
from runfolio.query.filter.typed_sql import Values
from runfolio.query.index.tables import Catalog
from runfolio.query.selection.metric_names import Mode

_LARGEST = bound(sys.float_info.max)


def compile_groups(
    group_by: Sequence[str],
    metric: str,
    mode: Mode | None,
    catalog: Catalog,
    dialect: Dialect,
    *,
    where: Sql,
    now: datetime,
) -> Sql:
    """Return a query with one row per group. Runs without a finite value of the metric are not counted.

    A row starts with the kind and the value of each column of `group_by`. The kind is a constant from `tables`, such as
    `tables.NUMBER`, or None if the column is neither a setting nor a result. The next column is the number of runs. The
    last columns are the mean, the sum of squared deviations from the mean, the minimum and the maximum of the metric.
    Values are compared as in `flat_names.identity`. However, integers that exceed 64 bits are compared as floats.

    Args:
        group_by: Names of columns (see `find_column`).
        metric: Name of the metric, as in `figures.figure_of`.
        mode: Direction of the metric, or None if the metric has no direction.
        catalog: Names that exist.
        dialect: SQL of the database.
        where: Condition on a row `r` of the table `runs`.
        now: Current time. Durations of running runs are measured up to this time.

    Raises:
        NotFound: A column or the metric is not in the catalog. The message lists the most similar names.
    """
    values = Values(catalog, dialect, now)
    columns = [values.of(find_column(name, catalog)) for name in group_by]
    figure = values.of(find_figure(metric, catalog, mode)).types["number"]
    keys = [expression for column in columns for expression in (column.kind, column.present)]
    names = [Sql(f"key{number}") for number in range(len(keys))]
    selected = [sql("{} AS {}", key, name) for key, name in zip(keys, names, strict=True)]
    figures = sql("SELECT {} FROM runs r WHERE {}", joined(", ", [*selected, sql("{} * 1.0 AS figure", figure)]), where)
    finite = sql("SELECT * FROM ({}) WHERE figure BETWEEN -{} AND {}", dialect.once(figures), _LARGEST, _LARGEST)
    groups = joined(", ", names) if names else sql("NULL")
    with_means = sql("SELECT *, avg(figure) OVER (PARTITION BY {}) AS mean FROM ({})", groups, finite)
    squares = sql("sum((figure - mean) * (figure - mean))")
    statistics = joined(", ", [*names, sql("count(*), avg(figure), {}, min(figure), max(figure)", squares)])
    return sql("SELECT {} FROM ({}) GROUP BY {}", statistics, with_means, groups)

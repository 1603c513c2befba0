"""Groups of runs as SQL: statistics of a metric over the runs with equal values of some columns."""

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
    """Return a query with one row per group of runs whose figures of a metric are finite.

    The row has the kind (`tables.NULL` ... `tables.JSON`; None for a column that is no setting or result) and the value
    of each column of `group_by`. The number of runs follows, and of their figures the mean, the sum of squared
    deviations from the mean, the minimum and the maximum. Values are equal as in `flat_names.identity`, except that
    integers beyond 64 bits are floats.

    Args:
        group_by: Columns as in `find_column`.
        metric: Metric, as in `figures.figure_of`.
        mode: Direction of the metric; None if it has none.
        catalog: Names that exist.
        dialect: Kind of the database.
        where: Condition about the runs `r`.
        now: Time up to which running runs worked.

    Raises:
        NotFound: A column or the metric is not in the catalog; the message names the most similar ones.
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

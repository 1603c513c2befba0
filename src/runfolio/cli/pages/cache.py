"""Table that lists the contents of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from runfolio.cli.output import formatting
from runfolio.cli.output.display_table import Column, DisplayTable
from runfolio.record.base.cache_folder import CacheEntry, Kind


def cache_table(entries: Sequence[CacheEntry], kinds: Sequence[Kind]) -> DisplayTable:
    """Return a table with one row per kind of cached data: number of entries, size, and time of the last use."""
    rows = []
    for kind in kinds:
        of_kind = [entry for entry in entries if entry.kind is kind]
        used = max((entry.used for entry in of_kind), default=None)
        rows.append(
            {
                "kind": kind.name,
                "entries": len(of_kind),
                "bytes": sum(entry.size for entry in of_kind),
                "used": None if used is None else datetime.fromtimestamp(used, UTC),
                "what": kind.description,
            }
        )
    columns = [
        Column(key="kind", title="kind", formatter=formatting.elementwise(str)),
        Column(key="entries", title="entries", formatter=formatting.elementwise(formatting.count), number=True),
        Column(key="bytes", title="size", formatter=formatting.elementwise(formatting.byte_size), number=True),
        Column(key="used", title="last used", formatter=formatting.elementwise(formatting.age)),
        Column(key="what", title="what it is", formatter=formatting.elementwise(str), optional=1),
    ]
    return DisplayTable(columns=columns, rows=rows)

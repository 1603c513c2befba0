"""Values of many runs, read from the index one column at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import orjson

from runfolio.query.index.entries import Entry
from runfolio.query.index.rows import is_encodable, moment_of, value_of
from runfolio.query.index.run_index import StoreIndex, read_entry, summary_of
from runfolio.query.index.tables import METRIC_COLUMNS

Value = TypeVar("Value")
NamedTable = Literal["params", "results", "metrics", "sparklines", "data"]

_FEW = 20
"""Maximum number of runs that are read completely. For more runs, only the required columns are read."""
_MANY = 1_000
"""Maximum number of runs whose values are selected from a column. For more runs, the whole column is read."""
_MISSING: Any = object()
_COLUMNS: dict[NamedTable, str] = {
    "params": "kind, number, text",
    "results": "kind, number, text",
    "metrics": ", ".join(METRIC_COLUMNS),
    "sparklines": "buckets",
    "data": "facts",
}
_DECODERS: dict[NamedTable, Callable[..., Any]] = {
    "params": value_of,
    "results": value_of,
    "metrics": summary_of,
    "sparklines": lambda buckets: buckets,
    "data": orjson.loads,
}


class RunRow(NamedTuple):
    """Facts of a run in the table `runs`. Times are microseconds since 1970 UTC."""

    key: int
    folder: bytes
    id: str
    name: str
    experiment: str
    state: str
    created: int
    worked_s: float | None
    working_since: int | None
    reason: str | None
    tags: str
    """Tags as a JSON list."""
    notes: str
    archived: int
    is_reproduction: int
    ended: int | None
    series: str | None
    lineage: str | None
    host: str | None
    device: str | None
    commit: str | None


class RunFacts(NamedTuple):
    """Facts of a run that tables show. Unknown facts are None."""

    ended: datetime | None
    """Time of the end, in UTC."""
    series: str | None
    lineage: str | None
    """Origin, such as `fork of net (k3f9x2ab)`."""
    host: str | None
    device: str | None
    commit: str | None

    @classmethod
    def of(cls, row: RunRow) -> RunFacts:
        """Return the facts in a row of the index."""
        ended = None if row.ended is None else moment_of(row.ended)
        return cls(ended, row.series, row.lineage, row.host, row.device, row.commit)


ROW_COLUMNS = ", ".join(f'r."{name}"' for name in ("run", *RunRow._fields[1:]))
"""Columns of `RunRow`, selected from the table `runs` with the alias `r`."""


class RunColumns:
    """Columns of some runs. A column is read for all of these runs when it is first used."""

    def __init__(self, index: StoreIndex, keys: Sequence[int]) -> None:
        self._index = index
        self._keys = keys
        self._columns = {table: _Columns(partial(self._read_column, table)) for table in get_args(NamedTable)}
        self._names: dict[NamedTable, dict[int, tuple[str, ...]]] = {}
        self._tables: dict[NamedTable, dict[int, dict[str, Any]]] = {}

    def entry(self, key: int) -> Entry:
        """Return the whole content of a run.

        Raises:
            NotFound: The run was removed from the store in the meantime.
        """
        return self._index.read(lambda connection: read_entry(connection, key))

    def by_name(
        self,
        key: int,
        table: NamedTable,
        whole: Callable[[], Mapping[str, Value]],
        has_name: Callable[[str], bool] | None = None,
    ) -> Mapping[str, Value]:
        """Return the values that a run has in a table, keyed by name.

        Args:
            key: Key of the run.
            table: Table of the index.
            whole: Function that returns all values of the run from its record.
            has_name: Function that returns whether a name is included in the result. Default: all names are included.
        """
        if len(self._keys) <= _FEW:
            return whole()
        return IndexedValues(self, key, table, self._columns[table], has_name)

    def column(self, table: NamedTable, name: str) -> dict[int, Any]:
        """Return the values of one name, keyed by run. Runs without the name are left out."""
        return self._columns[table][name]

    def names(self, table: NamedTable) -> dict[int, tuple[str, ...]]:
        """Return the names that each run has in a table, keyed by run."""
        if table not in self._names:
            self._names[table] = self._index.read(lambda connection: self._read_names(connection, table))
        return self._names[table]

    def table(self, table: NamedTable) -> dict[int, dict[str, Any]]:
        """Return all values of each run in a table, keyed by run. Names are in the order in which the store first used
        them."""
        if table not in self._tables:
            self._tables[table] = self._index.read(lambda connection: self._read_table(connection, table))
        return self._tables[table]

    def _read_column(self, table: NamedTable, name: str) -> dict[int, Any]:
        return self._index.read(lambda connection: self._read(connection, table, name))

    def _read_table(self, connection: sqlite3.Connection, table: NamedTable) -> dict[int, dict[str, Any]]:
        names, decode = dict(connection.execute("SELECT name_id, name FROM names")), _DECODERS[table]
        values: dict[int, dict[str, Any]] = {key: {} for key in self._keys}
        condition, parameters = self._condition()
        for name_id, key, *encoded in connection.execute(
            f"SELECT name_id, run, {_COLUMNS[table]} FROM {table} WHERE {condition}"  # noqa: S608 - names of our own
            " ORDER BY name_id",
            parameters,
        ):
            if key in values:
                values[key][names[name_id]] = decode(*encoded)
        return values

    def _read(self, connection: sqlite3.Connection, table: NamedTable, name: str) -> dict[int, Any]:
        if not is_encodable(name):
            return {}
        condition, parameters = self._condition()
        rows = connection.execute(
            f"SELECT run, {_COLUMNS[table]} FROM {table}"  # noqa: S608 - names of our own
            f" WHERE name_id = (SELECT name_id FROM names WHERE name = ?) AND {condition}",
            [name, *parameters],
        )
        keys, decode = set(self._keys), _DECODERS[table]
        return {key: decode(*encoded) for key, *encoded in rows if key in keys}

    def _condition(self) -> tuple[str, list[str]]:
        """Return a condition that selects the rows of these runs, or all rows if reading all rows is faster."""
        if len(self._keys) > _MANY:
            return "true", []
        return "run IN (SELECT value FROM json_each(?))", [orjson.dumps(self._keys).decode()]

    def _read_names(self, connection: sqlite3.Connection, table: NamedTable) -> dict[int, tuple[str, ...]]:
        names = dict(connection.execute("SELECT name_id, name FROM names"))
        rows = connection.execute(
            f"SELECT run, group_concat(name_id) FROM {table}"  # noqa: S608 - names of our own
            " WHERE run IN (SELECT value FROM json_each(?)) GROUP BY run",
            [orjson.dumps(self._keys).decode()],
        )
        shared: dict[str, tuple[str, ...]] = {}  # most runs of a series have the same names
        return {
            key: shared.setdefault(ids, tuple(names[int(name_id)] for name_id in ids.split(","))) for key, ids in rows
        }


class _Columns(dict[str, dict[int, Any]]):
    """Columns of a table by name. A column is read when it is first used."""

    def __init__(self, read: Callable[[str], dict[int, Any]]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, name: str) -> dict[int, Any]:
        column = self[name] = self._read(name)
        return column


class IndexedValues(Mapping[str, Value]):
    """Values of one run by name. When a value is first used, the values of this name are read from the index for all
    listed runs."""

    def __init__(
        self,
        runs: RunColumns,
        key: int,
        table: NamedTable,
        columns: _Columns,
        has_name: Callable[[str], bool] | None,
    ) -> None:
        self._runs = runs
        self._key = key
        self._table: NamedTable = table
        self._columns = columns
        self._has_name = has_name
        self._whole: dict[str, Value] | None = None

    def __getitem__(self, name: str) -> Value:
        value = self.get(name, _MISSING)
        if value is _MISSING:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a name, or `default` if the run has no such name."""
        if self._whole is not None:
            return self._whole.get(name, default)
        if self._has_name is not None and not self._has_name(name):
            return default
        return self._columns[name].get(self._key, default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[str]:
        return filter(self._has_name or (lambda name: True), self._runs.names(self._table).get(self._key, ()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> Any:
        """Return names and values."""
        return self._all().items()

    def values(self) -> Any:
        """Return the values."""
        return self._all().values()

    def __repr__(self) -> str:
        return repr(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == other

    __hash__ = None  # type: ignore[assignment]  # mappings are not hashable

    def _all(self) -> dict[str, Value]:
        if self._whole is None:
            values = self._runs.table(self._table).get(self._key, {})
            has_name = self._has_name
            self._whole = {name: value for name, value in values.items() if has_name is None or has_name(name)}
        return self._whole

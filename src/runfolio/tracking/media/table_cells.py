"""Conversion of a user's table to columns whose cells are numbers, strings, times or images."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runfolio.errors import ConfigError
from runfolio.record.base import file_bounds
from runfolio.record.base.files import plain_json
from runfolio.record.content.media_types import HEAD_BYTES, IMAGE_FILES, recognise
from runfolio.tracking.pipeline import media_content
from runfolio.tracking.pipeline.config_values import plain_value
from runfolio.tracking.pipeline.object_attributes import is_array, is_instance
from runfolio.tracking.pipeline.plain_texts import exact_number, is_plain, is_tensor, text_of


class ImageCell(NamedTuple):
    """Copy of an image in a table."""

    image: Any


class CopiedTable(NamedTuple):
    """Copy of the columns of a table. Later changes to the user's table do not affect it."""

    columns: dict[str, Any]
    """Columns by name: lists of cells (None, numbers, strings, times and `ImageCell`), or Arrow or pandas arrays."""
    rows: int
    rows_left_out: int


def table_copy(table: Any, columns: Sequence[Any] | None) -> CopiedTable:
    """Return the first rows of a table, up to the limits. `Run.log_table` lists the accepted forms.

    Raises:
        ConfigError: The table does not have an accepted form, or has rows of different lengths, or too many columns.
    """
    given = _given_columns(table, columns)
    if len(given) > file_bounds.TABLE_COLUMNS:
        raise ConfigError(f"a table has {len(given):,} columns, but the limit is {file_bounds.TABLE_COLUMNS:,}")
    lengths = {name: len(column) for name, column in given.items()}
    total = max(lengths.values(), default=0)
    if short := [name for name, length in lengths.items() if length != total]:
        raise ConfigError(f"column {short[0]!r} has {lengths[short[0]]:,} cells, but a longer column has {total:,}")
    rows = min(total, file_bounds.TABLE_ROWS, file_bounds.TABLE_CELLS // max(1, len(given)))
    cells = {name: column for name, column in given.items() if issubclass(type(column), (list, tuple))}
    copied = _copied_cells(cells, rows)
    rows = min([rows, *map(len, copied.values())])
    columns_copied = {
        name: copied[name] if name in copied else _first_rows(column, rows) for name, column in given.items()
    }
    return CopiedTable(columns_copied, rows, total - rows)


def _given_columns(table: Any, columns: Sequence[Any] | None) -> dict[str, Any]:
    """Return the columns of a table by name: lists of cells, or Arrow or pandas arrays."""
    if columns is not None:
        return _named_rows(table, columns)
    if is_instance(table, "pandas", "DataFrame"):
        return _pandas_columns(table)
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        return _arrow_columns(table)
    if issubclass(type(table), Mapping):
        return _named(table.keys(), [_column(column) for column in table.values()])
    if issubclass(type(table), (list, tuple)) and all(issubclass(type(row), Mapping) for row in table):
        keys = dict.fromkeys(itertools.chain.from_iterable(table))
        return _named(keys, [[row.get(key) for row in table] for key in keys])
    raise ConfigError(
        f"a table is a {type(table).__name__}; pass a frame of pandas, Polars or Arrow, a list of dicts, a dict of"
        " columns, or rows with columns="
    )


def _named(names: Any, columns: Sequence[Any]) -> dict[str, Any]:
    texts = [cell_text(text_of(name, "a column's name")) for name in names]
    if len(set(texts)) < len(texts):
        raise ConfigError(f"two columns have the name {Counter(texts).most_common(1)[0][0]!r}")
    return dict(zip(texts, columns, strict=True))


def _named_rows(table: Any, columns: Any) -> dict[str, Any]:
    if not issubclass(type(columns), (list, tuple)):
        raise ConfigError(f"columns must be a list of names, not {type(columns).__name__}")
    rows = _cells(table)
    rows = [list(row) if issubclass(type(row), (list, tuple)) else _cells(row) for row in rows]
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ConfigError(f"row {number} has {len(row):,} cells, but there are {len(columns):,} columns")
    return _named(columns, [[row[index] for row in rows] for index in range(len(columns))])


def _cells(values: Any) -> list[Any]:
    """Return the entries of a list, or of the first axis of an array or tensor."""
    if issubclass(type(values), (list, tuple)):
        return list(values)
    if is_tensor(values):
        values = values.detach().cpu()
    if (is_tensor(values) or is_array(values)) and values.ndim:
        return values.tolist() if values.ndim == 1 else list(values)
    raise ConfigError(f"a column or row must be a list or an array, not {type(values).__name__}")


def _column(values: Any) -> Any:
    """Return a column of a dict. If its cells are numbers or strings, the result is usually an Arrow, NumPy or pandas
    array. Otherwise, the result is a list of cells."""
    if issubclass(type(values), range):
        return values
    if is_instance(values, "pandas", "Series"):
        return values.tolist() if values.dtype == object else values
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        import pyarrow as pa

        return _flat_column(pa.chunked_array(values))
    if is_tensor(values) and values.ndim == 1:
        return media_content.as_numbers(values)
    if is_instance(values, "numpy", "ndarray") and values.ndim == 1 and values.dtype.kind in "biufU":
        return values
    return _cells(values)


def _flat_column(column: Any) -> Any:
    """Return an Arrow array unchanged, or a list of its cells if the cells are nested."""
    import pyarrow as pa

    return column.to_pylist() if pa.types.is_nested(column.type) else column


def _pandas_columns(frame: Any) -> dict[str, Any]:
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    series = [frame.iloc[:, index] for index in range(frame.shape[1])]
    return _named(frame.columns, [column.tolist() if column.dtype == object else column for column in series])


def _arrow_columns(table: Any) -> dict[str, Any]:
    import pyarrow as pa

    arrow = pa.table(table)
    return _named(arrow.column_names, list(map(_flat_column, arrow.columns)))


def _first_rows(column: Any, rows: int) -> Any:
    """Return a copy of the first rows of an array. An Arrow array is not copied, because it cannot change."""
    if hasattr(column, "iloc"):
        return column.iloc[:rows].copy()
    if hasattr(column, "to_pylist"):
        return column.slice(0, rows)
    import pyarrow as pa

    return pa.array(list(column[:rows]) if issubclass(type(column), range) else column[:rows].copy())


def _copied_cells(columns: Mapping[str, Sequence[Any]], rows: int) -> dict[str, list[Any]]:
    """Return copies of the first rows. The result has fewer rows if the images in the rows exceed the limit on their
    total size."""
    copied: dict[str, list[Any]] = {name: [] for name in columns}
    image_bytes = 0
    for row in zip(*(itertools.islice(column, rows) for column in columns.values()), strict=True):
        cells = list(map(_cell, row))
        image_bytes += sum(map(_size_of, cells))
        if image_bytes > media_content.MOST_PIXEL_BYTES:
            break
        for column, cell in zip(copied.values(), cells, strict=True):
            column.append(cell)
    return copied


def _cell(value: Any) -> Any:
    """Return a copy of a cell: None, a number, a string, a time or an image. Any other value is returned as JSON."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind.__module__ == "datetime":
        return value
    if issubclass(kind, (bool, int, float)):
        return exact_number(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if is_tensor(value) or is_array(value):
        if value.ndim == 0:
            return _scalar(value)
        if value.ndim >= 2:
            return ImageCell(media_content.image_copy(value))
    elif is_instance(value, "PIL.Image", "Image"):
        return ImageCell(media_content.image_copy(value))
    elif kind is bytes and recognise(value[:HEAD_BYTES], len(value), IMAGE_FILES) is not None:
        return ImageCell(value)
    return cell_text(value)


def _scalar(value: Any) -> Any:
    """Convert an array or tensor without axes to a number or string. Return a NumPy time unchanged, because Arrow can
    store it."""
    if getattr(value.dtype, "kind", "") in ("m", "M"):
        return value
    number = value.item()
    return number if type(number) in (bool, int, float, str) else cell_text(number)


def cell_text(value: Any) -> str:
    """Return a number, string, time or path as text, and any other value as JSON, as in a config."""
    if is_plain(value):
        text = str(value)
    else:
        import orjson

        text = orjson.dumps(plain_json(plain_value(value))).decode()
    return text.encode(errors="backslashreplace").decode()


def _size_of(cell: Any) -> int:
    if not isinstance(cell, ImageCell):
        return 0
    image = cell.image
    if isinstance(image, bytes):
        return len(image)
    return image.nbytes if hasattr(image, "nbytes") else image.width * image.height * len(image.getbands())

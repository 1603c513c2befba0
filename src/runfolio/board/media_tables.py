"""Logged tables of a run: their rows as JSON, and the images in their cells."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.errors import NotFound
from runfolio.record.base import file_bounds
from runfolio.record.base.visible_text import visible_text
from runfolio.record.content import media

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_CELL = 2_000
_MOST_CACHED_BYTES = 32_000_000
"""Maximum number of bytes of a table that is kept in memory."""


def table_rows(folder: Path, name: str, start: int, limit: int) -> dict[str, Any]:
    """Return some rows of a logged table as columns of JSON values. The value of a cell with an image is true.

    Raises:
        NotFound: The file is missing.
        DamagedFile: The table cannot be read.
    """
    table = _table(folder, name)
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = column.slice(start, limit).to_pylist()
        if field.type == _image_type():
            columns.append({"name": field.name, "kind": "image", "values": [value is not None for value in values]})
        else:
            columns.append(
                {"name": field.name, "kind": _kind(field.type), "values": [_cell(value) for value in values]}
            )
    return {"rows": table.num_rows, "from": start, "columns": columns}


def table_image(folder: Path, name: str, row: int, column: int) -> bytes:
    """Return the image in a cell of a logged table.

    Raises:
        NotFound: The file is missing, or the cell contains no image.
    """
    table = _table(folder, name)
    if column < table.num_columns and table.schema[column].type == _image_type() and row < table.num_rows:
        cell = table.column(column)[row].as_py()
        if cell and cell.get("bytes"):
            return cell["bytes"]
    raise NotFound(f"there is no image in column {column} of row {row}")


def _table(folder: Path, name: str) -> pa.Table:
    table = _read_table(folder, name)
    if table.nbytes > _MOST_CACHED_BYTES:
        _read_table.cache_clear()
    return table


@lru_cache(maxsize=1)
def _read_table(folder: Path, name: str) -> pa.Table:
    """Read a table. The last table is cached, because the images in its rows are requested one by one."""
    from runfolio.record.content import media_table

    try:
        return media_table.read(media.file_path(folder, name).read_bytes(file_bounds.MEDIUM), name)
    except FileNotFoundError:
        raise NotFound(f"the table {name} is gone; restore it from a copy of the run") from None


def _image_type() -> pa.DataType:
    from runfolio.record.content.media_table import IMAGE

    return IMAGE


def _kind(data_type: pa.DataType) -> str:
    import pyarrow as pa

    return "number" if pa.types.is_integer(data_type) or pa.types.is_floating(data_type) else "text"


def _cell(value: Any) -> Any:
    """Return the value of a cell for JSON. Values that are neither numbers nor booleans become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, int) and abs(value) <= 2**53:
        return value
    return visible_text(str(value)[:_LONGEST_CELL])

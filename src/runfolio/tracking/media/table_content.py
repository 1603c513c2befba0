"""Conversion of tables to Parquet. Images in cells become PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.base import file_bounds
from runfolio.tracking.media.table_cells import CopiedTable, ImageCell, cell_text
from runfolio.tracking.pipeline import media_content
from runfolio.tracking.pipeline.stored_file import StoredFile

_IMAGES_MB = media_content.MOST_PIXEL_BYTES >> 20
_LEFT_OUT = (
    f"has more than {file_bounds.TABLE_ROWS:,} rows, {file_bounds.TABLE_CELLS:,} cells or {_IMAGES_MB} MiB of pixels;"
    " its first rows are stored, and the other rows are counted"
)


def stored_table(copied: CopiedTable) -> StoredFile:
    """Return a table as Parquet.

    Raises:
        ConfigError: A column contains both images and other values, or an image is not valid.
    """
    from runfolio.record.content import media_table

    arrays: dict[str, Any] = {}
    images: list[str] = []
    for name, column in copied.columns.items():
        if isinstance(column, list) and any(isinstance(cell, ImageCell) for cell in column):
            arrays[name] = _image_array(name, column)
            images.append(name)
        else:
            arrays[name] = _cell_array(column) if isinstance(column, list) else _flat_array(column)
    notes: dict[str, Any] = {"rows": copied.rows, "columns": list(arrays)}
    if images:
        notes["images"] = images
    if copied.rows_left_out:
        notes["rows_left_out"] = copied.rows_left_out
    warnings = (_LEFT_OUT,) if copied.rows_left_out else ()
    return StoredFile(media_table.encode(arrays, images), notes, warnings, ".parquet")


def _image_array(name: str, column: Sequence[Any]) -> Any:
    import pyarrow as pa

    from runfolio.record.content import media_table

    if not all(cell is None or isinstance(cell, ImageCell) for cell in column):
        raise ConfigError(f"column {name!r} has images and other values; put them in separate columns")
    cells = [
        None if cell is None else {"bytes": media_content.png(cell.image).content, "path": None} for cell in column
    ]
    return pa.array(cells, media_table.IMAGE)


def _cell_array(column: Sequence[Any]) -> Any:
    """Return cells as an Arrow array. If the cells have several types, or a number has more than 64 bits, all cells
    become strings."""
    import pyarrow as pa

    try:
        return _flat_array(pa.array(column))
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return pa.array([None if cell is None else cell_text(cell) for cell in column], pa.string())


def _flat_array(column: Any) -> Any:
    """Convert an Arrow array or a pandas series to an array whose type is allowed in a table."""
    import pyarrow as pa

    try:
        array = pa.array(column) if hasattr(column, "iloc") else column
    except (pa.ArrowException, ValueError, TypeError):
        return _cell_array(column.tolist())
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _flat_array(array.cast(kind.value_type))
    if pa.types.is_float16(kind):
        return array.cast(pa.float32())
    if pa.types.is_decimal(kind) or pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return array.cast(pa.string())
    if pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind) or isinstance(kind, pa.BaseExtensionType):
        return pa.array([None if cell is None else cell_text(cell) for cell in array.to_pylist()], pa.string())
    return array

"""Encoding and decoding of logged tables as Parquet files within size limits (`docs/format.md`, Tables).

A column with images has the same type as `Image` in Hugging Face `datasets`: a struct of `bytes` and `path`. The
metadata of the file lists these columns in the form that `datasets` uses. As a result, `datasets` and other tools show
the images.

Source: https://huggingface.co/docs/datasets/about_dataset_features and `datasets/features/image.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from runfolio.errors import DamagedFile
from runfolio.record.base import file_bounds
from runfolio.record.points import parquet_bounds

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""Type of a column with images: `bytes` is an image file, and `path` is null."""
_METADATA_KEY = "huggingface"


def encode(columns: Mapping[str, Any], images: Collection[str]) -> bytes:
    """Return a table's columns, of which some may contain images, as a Parquet file. The file does not use dictionary
    encoding.

    Args:
        columns: Arrow arrays by name.
        images: Names of the columns of type `IMAGE`.
    """
    table = pa.table(dict(columns))
    features = {name: {"_type": "Image"} for name in images}
    metadata = {_METADATA_KEY: orjson.dumps({"info": {"features": features}})} if features else {}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    return parquet_bounds.with_checksum(sink.getvalue().to_pybytes())


def read(content: bytes, source: str) -> pa.Table:
    """Return the table in a Parquet file that may come from other people.

    Args:
        source: Name of the file in error messages.
    Raises:
        DamagedFile: The file is not a table that runfolio wrote, or it exceeds a limit.
    """
    try:
        file = pa.BufferReader(content)
        parquet_bounds.check_footer(file)
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            _check_size(parquet.metadata)
            parquet_bounds.check_plain(file, parquet.metadata, file_bounds.TABLE_UNPACKED)
            return parquet.read(use_threads=False)
    except (*parquet_bounds.PAGE_ERRORS, ValueError) as error:
        raise DamagedFile(f"{source} is not a table that runfolio wrote: {error}") from None


def _check_size(metadata: pq.FileMetaData) -> None:
    groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    rows, columns = metadata.num_rows, metadata.num_columns
    if not 0 <= rows <= file_bounds.TABLE_ROWS or rows != sum(groups) or min(groups, default=0) < 0:
        raise pa.ArrowInvalid(f"it has {rows:,} rows; at most {file_bounds.TABLE_ROWS:,} are allowed")
    if (
        columns > 2 * file_bounds.TABLE_COLUMNS or rows * columns > 2 * file_bounds.TABLE_CELLS
    ):  # a column with images consists of two Parquet columns
        raise pa.ArrowInvalid(f"it has {columns:,} columns of {rows:,} rows, which exceeds a limit")

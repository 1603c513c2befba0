"""Writers of tables as Parquet, CSV or JSON. They write one batch at a time, which limits the use of memory."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from runfolio.cli.output.json_output import to_json_value
from runfolio.errors import ConfigError
from runfolio.record.base.visible_text import csv_text

if TYPE_CHECKING:
    import pyarrow as pa

FileFormat = Literal["parquet", "csv", "json"]
Advance = Callable[[int], object]
"""Function that is called with the number of rows that were written."""


def write_table(
    file: IO[bytes], file_format: FileFormat, schema: pa.Schema, batches: Iterable[pa.RecordBatch], advance: Advance
) -> None:
    """Write batches to an open file.

    A CSV file starts with a line of column names. An apostrophe is put before strings that a spreadsheet would execute
    as a formula. A JSON file is a list with one object per line. Numbers that JSON cannot represent become the strings
    "NaN", "Infinity" and "-Infinity".

    Raises:
        OSError: The file cannot be written.
    """
    {"parquet": _write_parquet, "csv": _write_csv, "json": _write_json}[file_format](file, schema, batches, advance)


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a hidden temporary file, which replaces `path` when the block ends. Create the folder if needed.

    Raises:
        ConfigError: The file exists and must not be overwritten, or the file cannot be written.
    """
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
        check_free(path, overwrite=overwrite)
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_free(path: Path, *, overwrite: bool) -> None:
    """Check that a file does not exist, unless it may be overwritten.

    Raises:
        ConfigError: The file exists and must not be overwritten.
    """
    if not overwrite and os.path.lexists(path):
        raise ConfigError(f"{path} exists; name another file with --out, or add --overwrite")


def _write_parquet(file: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch], advance: Advance) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            advance(batch.num_rows)


def _write_csv(file: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch], advance: Advance) -> None:
    import pyarrow as pa
    from pyarrow import csv

    names = [csv_text(name) for name in schema.names]
    file.write((",".join(_quoted(name) for name in names) + "\n").encode())
    options = csv.WriteOptions(include_header=False)
    for batch in batches:
        columns = [_csv_column(column) for column in batch.columns]
        csv.write_csv(pa.RecordBatch.from_arrays(columns, names=names), file, options)
        advance(batch.num_rows)


def _csv_column(column: pa.Array) -> pa.Array:
    """Return a column for CSV: strings are safe in a spreadsheet, and NaN is written as in JSON."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        texts = [csv_text(text) for text in column.dictionary.to_pylist()]
        return pa.DictionaryArray.from_arrays(column.indices, pa.array(texts, pa.string())).dictionary_decode()
    if pa.types.is_string(column.type):
        return pa.array([text if text is None else csv_text(text) for text in column.to_pylist()], pa.string())
    if pa.types.is_floating(column.type):
        values = column.to_pylist()
        if not all(value is None or math.isfinite(value) for value in values):
            return pa.array([None if value is None else str(to_json_value(value)) for value in values], pa.string())
    return column


def _write_json(file: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch], advance: Advance) -> None:
    separator = b"[\n"
    for batch in batches:
        columns = [column.to_pylist() for column in batch.columns]
        lines = [
            json.dumps(to_json_value(dict(zip(schema.names, row, strict=True))), ensure_ascii=False)
            for row in zip(*columns, strict=True)
        ]
        if lines:
            file.write(separator + ",\n".join(lines).encode())
            separator = b",\n"
        advance(batch.num_rows)
    file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'

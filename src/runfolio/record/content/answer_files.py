"""Parquet files with the answers of a model for the items of a split (`docs/format.md`, Answers).

There is one file per split and attempt. An attempt is one start of a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runfolio.errors import ConfigError, DamagedFile, NewerFormat
from runfolio.record.base import file_bounds, files, schema
from runfolio.record.base.layout import ANSWERS, FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import time_to_text
from runfolio.record.base.schema import Line, Moment, Most, Prose
from runfolio.record.content.answer_table import MOST_ITEMS, AnswerTable, column_types
from runfolio.record.points import arrow_arrays, parquet_bounds

GROUP_ROWS = 65_536
"""Number of rows in a row group, which is a block of a Parquet file. With this number of rows, even the longest strings
fit into `parquet_bounds.COLUMN_BYTES`."""
_NAME = re.compile(r"(?P<split>.+)-(?P<attempt>\d{1,9})(?:\.(?P<writer>[0-9a-z]{8}))?\.parquet", re.DOTALL)
_METADATA_KEY = "runfolio"
_LARGEST_HEADER = file_bounds.SEGMENT_FOOTER // 2
_TEXTS = ("name", "digest")
_TEXT = pa.dictionary(pa.int32(), pa.string())
"""In-memory type of strings. This type limits the memory that repeated strings in an untrusted file need."""
_ARROW_TYPES = {np.int32: pa.int32(), np.float32: pa.float32(), np.float64: pa.float64()}


@dataclass(frozen=True)
class AnswersHeader:
    """JSON object `runfolio` in the key-value metadata of an answer file."""

    saved: Moment
    classes: Annotated[list[Line], Most(1_000_000)] | None = None
    """Names of the classes in the order of the model's outputs, or None for regression."""
    source: Prose | None = None
    """Name of the data, if the data was chosen for an evaluation after training."""


class AnswersPath(NamedTuple):
    """Path of an answer file, with the split and the attempt that are part of its name."""

    path: RecordPath
    split: str
    attempt: int


def list_answers(folder: Path) -> list[AnswersPath]:
    """Return the answer files of a run, sorted by name."""
    matches = ((path, _NAME.fullmatch(path.name)) for path in RecordPath(folder, ANSWERS).entries())
    return [AnswersPath(path, match["split"], int(match["attempt"])) for path, match in matches if match is not None]


def pack(header: AnswersHeader, table: AnswerTable) -> bytes:
    """Return the content of an answer file.

    Raises:
        ConfigError: There are too many class names, or they are too long.
    """
    about = {**schema.encode(header), "runfolio": FORMAT, "saved": time_to_text(header.saved)}
    metadata = orjson.dumps(files.plain_json(about))
    if len(metadata) > _LARGEST_HEADER:
        raise ConfigError(f"the names of the classes take more than {_LARGEST_HEADER:,} bytes")
    types = column_types(table.classes)
    fields: list[tuple[str, Any]] = [("name", pa.string())]
    if table.digests is not None:
        fields.append(("digest", pa.string()))
    arrow_schema = pa.schema([*fields, *((name, _ARROW_TYPES[kind]) for name, kind in types.items())])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        arrow_schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name, kind in types.items() if kind is np.int32],  # type: ignore[arg-type]
        column_encoding={name: "BYTE_STREAM_SPLIT" for name, kind in types.items() if kind is not np.int32},
        write_page_checksum=True,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        for first in range(0, len(table.names), GROUP_ROWS):
            rows = slice(first, first + GROUP_ROWS)
            columns = [arrow_arrays.texts(texts[rows]) for texts in (table.names, table.digests) if texts is not None]
            columns += [arrow_arrays.from_numpy(table.columns[name][rows]) for name in types]
            writer.write_table(pa.Table.from_arrays(columns, schema=arrow_schema))
        writer.add_key_value_metadata({_METADATA_KEY: metadata.decode()})
    return parquet_bounds.with_checksum(sink.getvalue().to_pybytes())


def read(path: RecordPath) -> tuple[AnswersHeader, AnswerTable]:
    """Read an answer file.

    Raises:
        FileNotFoundError: The file does not exist.
        DamagedFile: The file is damaged, or exceeds a limit.
        NewerFormat: A newer version of runfolio wrote the file.
    """
    with _damage_named(path):
        source = parquet_bounds.open_file(path, file_bounds.ANSWERS)
        header, parquet_file = _open(path, source)
        return header, _read_table(source, parquet_file, header)


def find_newest(folder: Path, split: str) -> AnswersPath | None:
    """Return the newest answer file for a split. The file comes from the newest attempt with such a file.

    Return None if there is no answer file for the split.

    Raises:
        DamagedFile, NewerFormat: The attempt has several files, and one of them is damaged or was written by a newer
            version of runfolio. A single file is not read.
    """
    candidates = [file for file in list_answers(folder) if file.split == split]
    newest = max((file.attempt for file in candidates), default=0)
    candidates = [file for file in candidates if file.attempt == newest]
    if len(candidates) > 1:
        return max(candidates, key=lambda file: _read_header(file.path).saved)
    return candidates[0] if candidates else None


def _read_header(path: RecordPath) -> AnswersHeader:
    with _damage_named(path):
        return _open(path, parquet_bounds.open_file(path, file_bounds.ANSWERS))[0]


@contextmanager
def _damage_named(path: RecordPath) -> Iterator[None]:
    """Convert errors of Arrow and its decoders to `DamagedFile`."""
    try:
        yield
    except (FileNotFoundError, DamagedFile, NewerFormat):
        raise
    except (*parquet_bounds.PAGE_ERRORS, KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedFile(f"{path} is damaged ({reason}); restore it from a copy of the run, or delete it") from None


def _open(path: RecordPath, source: pa.OSFile) -> tuple[AnswersHeader, pq.ParquetFile]:
    parquet_bounds.check_footer(source)
    metadata = pq.read_metadata(source)
    parquet_bounds.check_metadata(source, metadata)
    if metadata.num_rows > MOST_ITEMS:
        raise pa.ArrowInvalid(f"it has more than {MOST_ITEMS:,} rows")
    texts = [name for name in _TEXTS if name in metadata.schema.names]
    parquet_file = pq.ParquetFile(source, metadata=metadata, page_checksum_verification=True, read_dictionary=texts)
    about = files.decode_json((metadata.metadata or {})[_METADATA_KEY.encode()])
    if not isinstance(about, dict):
        raise pa.ArrowInvalid("its header is not an object")
    files.check_format(about, path)
    return schema.decode_whole(AnswersHeader, about), parquet_file


def _read_table(source: pa.OSFile, parquet_file: pq.ParquetFile, header: AnswersHeader) -> AnswerTable:
    if header.classes == []:
        raise pa.ArrowInvalid("it has no classes")
    types = column_types(header.classes)
    in_file = {field.name: field.type for field in parquet_file.schema_arrow}
    texts = [name for name in _TEXTS if name == "name" or name in in_file]
    expected = {**dict.fromkeys(texts, _TEXT), **{name: _ARROW_TYPES[kind] for name, kind in types.items()}}
    if wrong := [name for name, kind in expected.items() if in_file.get(name) != kind]:
        raise pa.ArrowInvalid(f"it lacks {', '.join(wrong)}, or these columns have an unexpected type")
    parts: dict[str, list[Any]] = {name: [] for name in expected}
    for group in _groups(source, parquet_file, list(expected)):
        for name in texts:
            parts[name] += _texts(group[name])
        for name in types:
            parts[name].append(arrow_arrays.to_numpy(group[name]))
    columns: dict[str, NDArray[Any]] = {
        name: np.concatenate([np.empty(0, kind), *parts[name]]) for name, kind in types.items()
    }
    if header.classes is not None:
        for name in (name for name, kind in types.items() if kind is np.int32):
            if ((columns[name] < 0) | (columns[name] >= len(header.classes))).any():
                raise pa.ArrowInvalid(f"{name} has a class without a name")
    return AnswerTable(names=parts["name"], digests=parts.get("digest"), classes=header.classes, columns=columns)


def _groups(source: pa.OSFile, parquet_file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    for number in range(parquet_file.num_row_groups):
        parquet_bounds.check_group(source, parquet_file.metadata, number, columns)
        group = parquet_file.read_row_group(number, columns=columns, use_threads=False)
        if group.num_rows != parquet_file.metadata.row_group(number).num_rows:
            raise pa.ArrowInvalid("rows are missing")
        if any(column.null_count for column in group.columns):
            raise pa.ArrowInvalid("some rows have no value in a column")
        yield group


def _texts(column: pa.ChunkedArray) -> list[str]:
    result: list[str] = []
    for chunk in column.chunks:
        codes, texts = arrow_arrays.decode_dictionary(chunk)
        result += [texts[code] for code in codes.tolist()]
    return result

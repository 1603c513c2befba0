"""Tables of media: files of anyone are read within limits, whatever they claim."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runfolio
from runfolio.errors import DamagedFile, NotFound
from runfolio.record.base import file_bounds
from runfolio.record.content import media_table

TEXTS = pa.table({"text": ["a" * 1000] * 1000})
PLAIN: dict[str, Any] = {"use_dictionary": False, "compression": "zstd"}


def parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{**PLAIN, **options})
    return buffer.getvalue()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_plain_parquet_of_any_writer_is_read(version: str):
    content = parquet(pa.table({"n": [1, None], "b": [True, False], "t": ["x", "y"]}), data_page_version=version)
    assert media_table.read(content, "file").to_pydict() == {"n": [1, None], "b": [True, False], "t": ["x", "y"]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (parquet(TEXTS, use_dictionary=True), "column text is not PLAIN-encoded"),
        (parquet(TEXTS, column_encoding={"text": "DELTA_BYTE_ARRAY"}), "column text is not PLAIN-encoded"),
        (parquet(pa.table({"many": [[1, 2]]})), "has lists"),
        (parquet(pa.table({"wide": pa.nulls(9, pa.binary(1 << 20))})), "values of FIXED_LEN_BYTE_ARRAY"),
        (
            parquet(pa.table({"rows": pa.nulls(100_001, pa.int64())})),
            "it has 100,001 rows; at most 100,000",
        ),
        (parquet(pa.table({str(n): [1] for n in range(2001)})), "it has 2,001 columns"),
        (parquet(TEXTS, compression="gzip"), "compressed with GZIP"),
        (parquet(TEXTS)[:-20], "is not a table that runfolio wrote"),
        (b"PAR1", "is not a table that runfolio wrote"),
    ],
    ids=["dictionary", "delta", "lists", "wide", "rows", "columns", "gzip", "cut off", "empty"],
)
def test_table_that_exceeds_its_limits_is_refused(content: bytes, why: str):
    with pytest.raises(DamagedFile, match=why):
        media_table.read(content, "file")


def test_table_that_unpacks_to_more_than_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_bounds, "TABLE_UNPACKED", 100_000)
    content = parquet(TEXTS)
    assert len(content) < 10_000
    with pytest.raises(DamagedFile, match="it would take more than 100,000 bytes"):
        media_table.read(content, "file")


def test_changed_byte_of_a_table_is_found(store: Path):
    with runfolio.init("net", store=store) as run:
        run.log_table("numbers", {"n": np.arange(1000)})
    (entry,) = runfolio.open(store).run(run.id).media("table")
    content = bytearray(entry.read_bytes())
    for position in (len(content) // 2, len(content) - 20):
        changed = content.copy()
        changed[position] ^= 1
        with pytest.raises(DamagedFile):
            media_table.read(bytes(changed), "file")


def test_link_in_the_place_of_a_medium_is_not_followed(store: Path, tmp_path: Path):
    with runfolio.init("net", store=store) as run:
        run.log_audio("tone", np.zeros(9), 8000)
    (entry,) = runfolio.open(store).run(run.id).media("audio")
    assert entry.path is not None
    entry.path.rename(tmp_path / "elsewhere.wav")
    with pytest.raises(NotFound, match="is missing"):
        entry.read_bytes()
    entry.path.symlink_to(tmp_path / "elsewhere.wav")
    with pytest.raises(DamagedFile, match="is a link, which is not followed"):
        entry.read_bytes()

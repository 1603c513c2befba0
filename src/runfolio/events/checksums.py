"""Checksums of records: CRC-32C, rotated and offset ("masked").

`masked_crc` computes the checksum of bytes. `changed_crcs` computes the checksums of many rows of bytes that have equal
lengths and differ in few columns. CRC is linear: a changed byte changes the checksum by a value that depends only on
the change of the byte and on the number of bytes that follow.
"""

from __future__ import annotations

import crc32c
import numpy as np

_POLYNOMIAL = 0x82F63B78
_DELTA = 0xA282EAD8


def masked_crc(data: bytes | memoryview) -> int:
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + _DELTA) & 0xFFFF_FFFF


def changed_crcs(original: bytes, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the masked checksum of each row, given that the rows differ from `original` in some columns only.

    Args:
        original: Bytes with the length of a row.
        rows: Array of bytes. A row may have more bytes than `original`, which are ignored.
        columns: Columns in which rows may differ from `original`.
    """
    crcs = np.full(len(rows), crc32c.crc32c(original), np.uint32)
    for column in columns.tolist():
        change = rows[:, column] ^ original[column]
        if change.any():
            crcs ^= _effects(len(original) - 1 - column).take(change)
    return ((crcs >> 15) | (crcs << 17)) + np.uint32(_DELTA)


_tables: list[np.ndarray] = []
"""Change of the checksum that each change of a byte causes, by the number of bytes that follow."""


def _effects(following: int) -> np.ndarray:
    if not _tables:
        table = np.arange(256, dtype=np.uint32)
        for _ in range(8):
            table = (table >> 1) ^ np.where(table & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
        _tables.append(table)
    while len(_tables) <= following:
        last = _tables[-1]
        _tables.append((last >> 8) ^ _tables[0][last & 0xFF])
    return _tables[following]

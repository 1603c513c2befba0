"""Binary answers are decoded to the numbers that were encoded, bit for bit."""

from __future__ import annotations

import json
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runfolio.board.columns import Columns

from .columns_format import decode

_COLUMN = arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64))
_HEAD = st.dictionaries(
    st.text(max_size=5), st.text(max_size=20) | st.integers(-(2**53), 2**53) | st.none(), max_size=4
)


@given(head=_HEAD, columns=st.lists(_COLUMN, max_size=5))
def test_columns_and_head_come_back_unchanged(head, columns):
    answer = Columns()
    offsets = [answer.add(column) for column in columns]
    decoded, numbers = decode(answer.encode(head))

    assert decoded == head
    for offset, column in zip(offsets, columns, strict=True):
        assert numbers[offset : offset + len(column)].tobytes() == column.tobytes()
    assert len(numbers) == sum(map(len, columns))


def test_integers_and_reversed_columns_become_little_endian_floats():
    answer = Columns()
    answer.add(np.array([3, 2, 1])[::-1].astype(">f8"))

    assert answer.encode({})[-24:] == struct.pack("<3d", 1.0, 2.0, 3.0)


def test_head_is_padded_with_spaces_so_that_the_numbers_are_aligned():
    encoded = Columns().encode({"v": 1})

    assert len(encoded) == 16
    assert encoded[4:] == json.dumps({"v": 1}, separators=(",", ":")).encode() + b"     "

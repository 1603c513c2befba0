"""Arrow arrays for values that can have several types, such as the values of one setting in many runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from runfolio.record.base.files import plain_json

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_INT = 2**63


def value_array(values: Sequence[Any]) -> pa.Array:
    """Return values as an array of one type: booleans, integers, floats, times, or else strings. None becomes null.

    In an array of strings, values that are not strings are written as JSON.
    """
    import pyarrow as pa

    from runfolio.record.points.arrow_arrays import TIME

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -_LARGEST_INT <= value < _LARGEST_INT for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float} and (floats := _floats(values)) is not None:
        return pa.array(floats, pa.float64(), from_pandas=False)
    if kinds and all(issubclass(kind, datetime) for kind in kinds):
        return pa.array(values, TIME)
    return pa.array([value if value is None else value_text(value) for value in values], pa.string())


def value_text(value: Any) -> str:
    """Return a string unchanged, and any other value as JSON."""
    return value if isinstance(value, str) else orjson.dumps(plain_json(value), default=str).decode()


def _floats(values: Sequence[Any]) -> list[float | None] | None:
    """Return numbers as floats, or None if an integer is too large for a float."""
    try:
        return [None if value is None else float(value) for value in values]
    except OverflowError:
        return None

"""Ways to write down what is logged, before it is sealed: what each costs, and whether a person can read it."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.measure import losses
from runfolio.record import tail
from runfolio.record.tail import LogCall

_FLUSH = 500
"""Calls that are encoded at once: half a second of 1,000 calls a second."""
_ROUNDS = 5


def measure(scalars: int, calls: int, msgpack: str | None) -> dict[str, dict[str, Any]]:
    """Each encoding's µs a call (processor time, all of it with the interpreter lock held) and bytes a point.

    Args:
        msgpack: Folder that msgpack can be imported from; None leaves it out.
    """
    began_us = 1_700_000_000_000_000
    logged = [LogCall(n, began_us + 1003 * n, n, values) for n, values in enumerate(losses(scalars, calls))]
    encodings: dict[str, Callable[[list[LogCall]], bytes]] = {
        "lines as runfolio writes them": tail.encode,
        "orjson, a line a call": _orjson_line,
        "Arrow IPC, a batch a flush": _arrow,
    }
    if msgpack is not None:
        sys.path.append(msgpack)
        encodings["msgpack, a frame a call"] = _msgpack()
    seconds: dict[str, list[float]] = {name: [] for name in encodings}
    written: dict[str, bytes] = {}
    for _ in range(_ROUNDS):
        for name, encode in encodings.items():
            began = time.thread_time()
            parts = [encode(logged[start : start + _FLUSH]) for start in range(0, calls, _FLUSH)]
            seconds[name].append(time.thread_time() - began)
            written[name] = b"".join(parts)
    return {
        name: {
            "us": sorted(seconds[name])[_ROUNDS // 2] / calls * 1e6,
            "bytes": len(written[name]) / (calls * scalars),
            "text": _is_text(written[name]),
        }
        for name in encodings
    }


def _orjson_line(calls: list[LogCall]) -> bytes:
    return b"".join(
        orjson.dumps(
            {"seq": call.seq, "time_us": call.time_us, "step": call.step, "values": call.values},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for call in calls
    )


def _arrow(calls: list[LogCall]) -> bytes:
    rows = [(name, call.step, call.time_us, value, call.seq) for call in calls for name, value in call.values.items()]
    columns = dict(zip(("metric", "step", "time_us", "value", "seq"), zip(*rows, strict=True), strict=True))
    batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _msgpack() -> Callable[[list[LogCall]], bytes]:
    import msgpack  # pyright: ignore[reportMissingImports]

    pack = msgpack.Packer().pack
    return lambda calls: b"".join(pack((call.seq, call.time_us, call.step, call.values)) for call in calls)


def _is_text(data: bytes) -> bool:
    """Whether `less` shows it as it is: UTF-8 without control characters but for line ends."""
    try:
        return all(character.isprintable() or character == "\n" for character in data.decode())
    except UnicodeDecodeError:
        return False

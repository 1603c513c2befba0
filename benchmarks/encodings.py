"""Comparison of encodings for new log calls, before they are sealed (converted to Parquet files). The criteria are cost
and readability for humans."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.measure import losses
from runfolio.record.base.run_document import RunDocument, now
from runfolio.tracking.pipeline.encoder import EncodedPoints, Encoder
from runfolio.tracking.pipeline.queue_items import Plain

_FLUSH = 500
"""Number of calls that are encoded together. A script with 1,000 calls per second makes this many calls in half a
second."""
_ROUNDS = 5

Encode = Callable[[list[Plain]], bytes]


def measure(scalars: int, calls: int, msgpack: str | None) -> dict[str, dict[str, Any]]:
    """Return µs per call and bytes per point of each encoding. Each encoder holds the interpreter lock all the time.

    Args:
        msgpack: Folder with the package msgpack. If None, msgpack is not measured.
    """
    logged: list[Plain] = [(1.7e9 + 0.001003 * n, n, values) for n, values in enumerate(losses(scalars, calls))]
    encodings: dict[str, Encode] = {
        "lines as runfolio writes them": _as_runfolio(),
        "orjson, one line per call": _orjson_line,
        "Arrow IPC, one batch per flush": _arrow,
    }
    if msgpack is not None:
        sys.path.append(msgpack)
        encodings["msgpack, one frame per call"] = _msgpack()
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


def _as_runfolio() -> Encode:
    document = RunDocument(id="encoding", name="bench", experiment="bench", created=now())
    encoder = Encoder(document, lambda: None, "encoding", last_step=-1)
    return lambda calls: b"".join(batch.lines for batch in encoder.encode(calls) if isinstance(batch, EncodedPoints))


def _orjson_line(calls: list[Plain]) -> bytes:
    return b"".join(
        orjson.dumps(
            {"seq": seq, "time_us": int(moment * 1e6), "step": step, "values": values},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for seq, (moment, step, values) in enumerate(calls)
    )


def _arrow(calls: list[Plain]) -> bytes:
    rows = [
        (name, step, int(moment * 1e6), value, seq)
        for seq, (moment, step, values) in enumerate(calls)
        for name, value in values.items()
    ]
    columns = dict(zip(("metric", "step", "time_us", "value", "seq"), zip(*rows, strict=True), strict=True))
    batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _msgpack() -> Encode:
    import msgpack  # pyright: ignore[reportMissingImports]

    pack = msgpack.Packer().pack
    return lambda calls: b"".join(
        pack((seq, int(moment * 1e6), step, values)) for seq, (moment, step, values) in enumerate(calls)
    )


def _is_text(data: bytes) -> bool:
    """Return whether `less` can show the data. It must be UTF-8 text without control characters other than line
    ends."""
    try:
        return all(character.isprintable() or character == "\n" for character in data.decode())
    except UnicodeDecodeError:
        return False

"""Damaged media are reported, and all other media are read."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from runfolio.record.content import media
from runfolio.record.points import tails


@pytest.mark.parametrize(
    "change",
    [
        {"file": 5},
        {"file": ".."},
        {"file": "a/b"},
        {"masks": {"a": "../b"}},
        {"boxes": [{"box": [1, 2, 3]}]},
        {"seq": "2"},
        {"step": 2**64 - 1},
        {"name": 5},
    ],
)
def test_a_line_of_other_types_is_skipped_and_counted(tmp_path: Path, change: dict):
    (tmp_path / "media").mkdir()
    line = {"seq": 1, "time_us": 1, "step": 1, "kind": "image", "name": "x", "file": "a.png", "caption": None}
    lines = [orjson.dumps({**line, "seq": 2, **change}), orjson.dumps(line), b""]
    media.index_path(tmp_path, "w1").path.write_bytes(tails.header("w1", 1) + b"\n".join(lines))
    entries, problems = media.read(tmp_path)
    assert [entry.seq for entry in entries] == [1]
    assert "1 damaged line" in problems[0]

"""Captured code is stored once per content, and damaged code is reported instead of shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import DamagedFile, NotFound
from runfolio.record.content import code
from runfolio.record.content.code import Code, OmittedFile, SourceFile


def test_code_is_read_as_written(tmp_path: Path):
    digest = code.save_content(tmp_path, "x = 'é'\n".encode())
    assert code.save_content(tmp_path, "x = 'é'\n".encode()) == digest
    written = Code(
        "/home/ann", digest, 9, [SourceFile("a.py", digest, 9, "script")], [OmittedFile("b.bin", None, "not text")]
    )
    written.write(tmp_path, "w1")
    assert code.read(tmp_path, ["w1"]) == written
    assert code.read_text(tmp_path, digest) == "x = 'é'\n"
    assert len(list((tmp_path / "code" / "files").iterdir())) == 1


def test_the_last_writer_that_left_code_counts(tmp_path: Path):
    Code("/first").write(tmp_path, "w1")
    Code("/second").write(tmp_path, "w2")
    assert [
        capture and capture.root for capture in (code.read(tmp_path, ["w1", "w2", "w3"]), code.read(tmp_path, []))
    ] == [
        "/second",
        None,
    ]


def test_missing_or_changed_contents_are_reported(tmp_path: Path):
    digest = code.save_content(tmp_path, b"x = 1\n")
    path = tmp_path / "code" / "files" / digest
    path.write_bytes(b"x = 2\n")
    with pytest.raises(DamagedFile, match="is damaged"):
        code.read_text(tmp_path, digest)
    path.unlink()
    with pytest.raises(NotFound, match="is gone; restore it"):
        code.read_text(tmp_path, digest)


@pytest.mark.parametrize("path", ["../../../etc/passwd", "", None, 3, "A" * 64])
def test_invalid_digest_opens_no_file(tmp_path: Path, path: object):
    Code("/x").write(tmp_path, "w1")
    record = tmp_path / "code" / "w1.json"
    value = json.loads(record.read_text()) | {"files": [{"path": "a.py", "sha256": path, "bytes": 1, "why": "script"}]}
    record.write_text(json.dumps(value))
    listed = code.read(tmp_path, ["w1"])
    assert listed is not None
    assert listed.files == []
    assert listed.damage == ["files/0/sha256 must be 64 hexadecimal digits"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "sha256", "why"]), inner),
)


@given(st.sampled_from(["root", "diff", "diff_bytes", "files", "left_out"]), json_values)
def test_whatever_stands_in_the_file_it_is_read_or_called_damaged(tmp_path_factory, key: str, value: object):
    folder = tmp_path_factory.mktemp("run")
    Code("/x").write(folder, "w1")
    record = folder / "code" / "w1.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {key: value}))
    try:
        capture = code.read(folder, ["w1"])
    except DamagedFile:
        return
    assert capture is not None
    assert all(entry.path.strip() is not None for entry in (*capture.files, *capture.left_out))

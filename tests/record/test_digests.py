"""Files as a listing: what is read, what is remembered, what cannot be read."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.digests import digest, digests, files_below, items


def test_a_file_that_is_gone_or_is_none_is_told_by_name(tmp_path: Path):
    with pytest.raises(NotFound, match=r"nowhere\.bin is gone"):
        digest(tmp_path / "nowhere.bin")
    with pytest.raises(StoreError, match=f"cannot read {tmp_path}: Is a directory"):
        digest(tmp_path)


def test_a_folder_that_vanishes_is_told_by_name(tmp_path: Path):
    with pytest.raises(StoreError, match=r"cannot read .*/vanished: No such file or directory"):
        files_below(tmp_path / "vanished")


def test_a_file_that_is_being_written_has_no_digest(tmp_path: Path):
    path = tmp_path / "growing.bin"
    path.write_bytes(b"0" * 50_000_000)
    over = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not over.is_set():
                file.write(b"1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(DamagedFile, match=r"growing\.bin changed while it was read; give the data once nobody"):
            digest(path)
    finally:
        over.set()
        writer.join()


def test_only_files_that_changed_are_read_again(tmp_path: Path):
    root = tmp_path / "files"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).write_bytes(name.encode())
    before = list(digests(root, ["a", "b"]))
    for name in ("a", "b"):
        status = (root / name).stat()
        (root / name).write_bytes(b"!")
        if name == "a":  # as if nothing had happened
            os.utime(root / name, ns=(status.st_atime_ns, status.st_mtime_ns))

    after = list(digests(root, ["a", "b"]))

    assert after[0] == before[0]
    assert after[1].digest == hashlib.blake2b(b"!", digest_size=16).hexdigest()


def test_what_was_read_before_a_bad_file_is_remembered(tmp_path: Path):
    root = tmp_path / "files"
    root.mkdir()
    (root / "a").write_bytes(b"a")
    with pytest.raises(NotFound):
        items(root, ["a", "gone"])
    status = (root / "a").stat()
    (root / "a").write_bytes(b"!")
    os.utime(root / "a", ns=(status.st_atime_ns, status.st_mtime_ns))

    assert items(root, ["a"])[0][0].digest == hashlib.blake2b(b"a", digest_size=16).hexdigest()

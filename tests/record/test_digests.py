"""Files as a listing: which files are read, which digests are reused, and which files cannot be read."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.content import hashing as module
from runfolio.record.content.hashing import digest, digests, files_below, items


def test_missing_or_irregular_file_is_named(tmp_path: Path):
    with pytest.raises(NotFound, match=r"nowhere\.bin does not exist"):
        digest(tmp_path / "nowhere.bin")
    with pytest.raises(StoreError, match=f"cannot read {tmp_path}: Is a directory"):
        digest(tmp_path)


def test_vanished_folder_is_named(tmp_path: Path):
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
        with pytest.raises(DamagedFile, match=r"growing\.bin changed while it was read; log the data while no process"):
            digest(path)
    finally:
        over.set()
        writer.join()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are read, as they are."""
    names: list[str] = []
    monkeypatch.setattr(module, "digest", lambda path: names.append(path.name) or digest(path))
    return names


def test_only_files_that_changed_are_read_again(tmp_path: Path, read: list[str]):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    before = list(digests(tmp_path, ["a", "b"]))
    (tmp_path / "b").write_bytes(b"!")

    after = list(digests(tmp_path, ["a", "b"]))

    assert read == ["a", "b", "b"]
    assert after[0].digest == before[0].digest
    assert after[1].digest == hashlib.blake2b(b"!", digest_size=16).hexdigest()


def test_changed_file_of_same_size_and_mtime_is_noticed(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"a")
    (before,) = digests(tmp_path, ["a"])
    status = (tmp_path / "a").stat()
    time.sleep(0.05)  # by a disk's clock two moments may be one
    (tmp_path / "a").write_bytes(b"!")
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))

    (after,) = digests(tmp_path, ["a"])

    assert after.digest != before.digest


def test_swapped_folders_of_files_with_equal_mtimes_are_noticed(tmp_path: Path):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1").write_bytes(folder.encode())
        os.utime(tmp_path / folder / "1", (1, 1))  # as an archive unpacks them
    names = ["cat/1", "dog/1"]
    before = [file.digest for file in digests(tmp_path, names)]
    (tmp_path / "cat").rename(tmp_path / "other")
    (tmp_path / "dog").rename(tmp_path / "cat")
    (tmp_path / "other").rename(tmp_path / "dog")

    assert [file.digest for file in digests(tmp_path, names)] == before[::-1]


def test_digests_computed_before_a_bad_file_are_cached(tmp_path: Path, read: list[str]):
    (tmp_path / "a").write_bytes(b"a")
    for names in (["a", "gone"], ["a"]):
        with pytest.raises(NotFound) if "gone" in names else nullcontext():
            items(tmp_path, names)

    assert read == ["a", "gone"]

"""Functions that detect network disks, and functions that reserve disk space for the end of a run."""

from __future__ import annotations

import os
from pathlib import Path

from runfolio.record.base.layout import ALIVE
from runfolio.record.base.record_path import RecordPath

_RESERVE_BYTES = 128 * 1024
RESERVE = ".reserve-"
"""Prefix of the names of files that reserve space."""
_LOCAL = frozenset(
    ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "ntfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)


def is_local(folder: Path) -> bool:
    """Return whether `folder` is on a local disk, where readers see changes immediately. Return False if the type of
    the disk is unknown."""
    import psutil

    folder = folder.resolve()
    mounted = {Path(partition.mountpoint): partition.fstype.lower() for partition in psutil.disk_partitions(all=True)}
    for path in (folder, *folder.parents):
        if path in mounted:
            return mounted[path] in _LOCAL
    return False


def reserve(folder: Path, writer: str) -> None:
    """Reserve disk space, so that the end of a run can be recorded even on a full disk.

    Raises:
        OSError: There is not enough space.
    """
    path = _reserve_path(folder, writer)
    path.unlink(missing_ok=True)
    descriptor = path.create()
    try:
        os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
    finally:
        os.close(descriptor)


def release(folder: Path, writer: str) -> None:
    """Release the reserved space. Call this function just before the space is needed."""
    _reserve_path(folder, writer).unlink(missing_ok=True)


def _reserve_path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, ALIVE).hidden(f"{RESERVE}{writer}")

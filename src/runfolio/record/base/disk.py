"""What kind of disk a folder lies on, and room on it that is kept for a run's last words."""

from __future__ import annotations

import os
from pathlib import Path

from runfolio.record.base.layout import ALIVE
from runfolio.record.base.record_path import RecordPath

_RESERVE_BYTES = 128 * 1024
RESERVE = ".reserve-"
"""How the names of files begin that hold room for last words."""
_LOCAL = frozenset(
    ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "ntfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)


def is_local(folder: Path) -> bool:
    """Whether every reader sees a change in `folder` at once; False on a network disk, and where it is not known."""
    import psutil

    folder = folder.resolve()
    mounted = {Path(partition.mountpoint): partition.fstype.lower() for partition in psutil.disk_partitions(all=True)}
    for path in (folder, *folder.parents):
        if path in mounted:
            return mounted[path] in _LOCAL
    return False


def reserve(folder: Path, writer: str) -> None:
    """Keep room for how a run ended: on a disk that is full by then, nothing else could be written.

    Raises:
        OSError: There is none.
    """
    path = _reserve_path(folder, writer)
    path.unlink(missing_ok=True)
    descriptor = path.create()
    try:
        os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
    finally:
        os.close(descriptor)


def release(folder: Path, writer: str) -> None:
    """Give that room back; to be called just before it is needed."""
    _reserve_path(folder, writer).unlink(missing_ok=True)


def _reserve_path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, ALIVE).hidden(f"{RESERVE}{writer}")

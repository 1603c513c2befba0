"""Functions that detect network disks, and functions that reserve disk space for the end of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runfolio.record.base.layout import ALIVE
from runfolio.record.base.record_path import RecordPath

_RESERVE_BYTES = 128 * 1024
RESERVE = ".reserve-"
"""Prefix of the names of files that reserve space."""
_ESCAPED = re.compile(r"\\([0-7]{3})")
"""Escaped character of a mount point in `/proc/self/mounts`, such as `\\040` for a space."""
_LOCAL = frozenset(
    ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "ntfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)


def is_local(folder: Path) -> bool:
    """Return whether `folder` is on a local disk, where readers see changes immediately. Return False if the type of
    the disk is unknown."""
    mounted = _file_systems()
    folder = folder.resolve()
    for path in (folder, *folder.parents):
        if (kind := mounted.get(str(path))) is not None:
            return kind.lower() in _LOCAL
    return False


def _file_systems() -> dict[str, str]:
    """Return the kind of each mounted file system, such as `ext4`, by mount point."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        import psutil  # takes 30 ms to import

        return {partition.mountpoint: partition.fstype for partition in psutil.disk_partitions(all=True)}
    fields = [line.split(" ") for line in lines]
    return {_ESCAPED.sub(lambda match: chr(int(match[1], 8)), point): kind for _, point, kind, *_ in fields}


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

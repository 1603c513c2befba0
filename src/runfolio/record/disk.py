"""What kind of disk a folder lies on."""

from __future__ import annotations

from pathlib import Path

_LOCAL = frozenset(
    ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "ntfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)


def is_local(folder: Path) -> bool:
    """Whether every reader sees a change in `folder` at once; False on a network disk, and where it is not known."""
    import psutil

    folder = folder.resolve()
    mounted = {Path(partition.mountpoint): partition.fstype.lower() for partition in psutil.disk_partitions(all=True)}
    for place in (folder, *folder.parents):
        if place in mounted:
            return mounted[place] in _LOCAL
    return False

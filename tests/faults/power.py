"""Content of a disk after a power failure: a program's system calls from strace, replayed as far as they were synced.

The model is strict. Bytes of a file that were not synced are lost partly or completely, even if the file was renamed
since. A name that was created, renamed or deleted after the last sync of its folder may or may not have reached the
disk, but names reach it in the order of the calls.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .tracer import require_strace

_CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate"
_HEX = r"(?:\\x[0-9a-f]{2})*"
_LINE = re.compile(r"^([\d.]+) (\w+)\((.*)\) += +(\d+)(?:<([^>]*)>)?")


class Call(NamedTuple):
    name: str
    path: Path
    other: Path | None = None
    """New path of a renamed file."""
    data: bytes = b""
    creates: bool = False


def record(command: list[str], store: Path, folder: Path) -> tuple[list[Call], str]:
    """Run a command; return its calls below `store`, in order, and its standard output."""
    options = ["-ff", "-y", "-ttt", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}", "-o", str(folder / "trace")]
    done = subprocess.run([require_strace(), *options, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    stamped = [
        (float(fits[1]), call)
        for path in folder.glob("trace.*")
        for line in path.read_text().splitlines()
        if (fits := _LINE.match(line)) and (call := _call(fits)) and call.path.is_relative_to(store)
    ]
    return [call for _, call in sorted(stamped, key=lambda entry: entry[0])], done.stdout


def _call(fits: re.Match[str]) -> Call | None:
    name, arguments = fits[2], fits[3]
    texts = [_decode(text) for text in re.findall(rf'"({_HEX})"', arguments)]
    opened = [_decode(text).decode() for text in re.findall(rf"<({_HEX})>", arguments)]
    # A name may be relative to the descriptor of a folder.
    paths = [
        Path(os.fsdecode(_decode(folder)), os.fsdecode(_decode(path)))
        for folder, path in re.findall(rf'(?:<({_HEX})>, )?"({_HEX})"', arguments)
    ]
    if name == "openat" and "O_CREAT" in arguments:
        return Call("create", Path(os.fsdecode(_decode(fits[5]))) if fits[5] else paths[0], creates=True)
    if name in ("write", "pwrite64") and opened and texts:
        return Call("write", Path(opened[0]), data=texts[0][: int(fits[4])])
    if name in ("fsync", "fdatasync") and opened:
        return Call("sync", Path(opened[0]))
    if name.startswith("rename"):
        return Call("rename", paths[0], paths[1])
    if name.startswith("unlink"):
        return Call("unlink", paths[-1])
    if name.startswith("mkdir"):
        return Call("mkdir", paths[-1], creates=True)
    return None


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass
class _File:
    data: bytearray = field(default_factory=bytearray)
    synced: int = 0
    is_folder: bool = False


def after_power_cut(calls: list[Call], cut: int, chance: random.Random, store: Path, target: Path) -> None:
    """Write below `target` what a disk may hold of `store` if the power fails before call number `cut`."""
    done = calls[:cut]
    folder_synced: dict[Path, int] = {}
    for number, call in enumerate(done):
        if call.name == "sync":
            folder_synced[call.path] = number
    reached = chance.randrange(cut + 1)  # names that were not synced have reached the disk up to this call
    files, names, lasting = {}, {}, {}
    for number, call in enumerate(done):
        holder = call.other or call.path
        lasts = number < reached or number < folder_synced.get(holder.parent, -1)
        _apply(call, files, names, lasting if lasts else None)
    target.mkdir(parents=True, exist_ok=True)
    for path, file in sorted(lasting.items()):
        copy = target / path.relative_to(store)
        if file.is_folder:
            copy.mkdir(parents=True, exist_ok=True)
        elif copy.parent.is_dir():
            copy.write_bytes(_survived(file, chance))


def _apply(call: Call, files: dict, names: dict[Path, _File], lasting: dict[Path, _File] | None) -> None:
    """Apply a call to the files that the program sees (`names`), and to those on the disk unless `lasting` is None."""
    if call.name == "write" and call.path in names:
        names[call.path].data += call.data
    elif call.name == "sync" and call.path in names:
        names[call.path].synced = len(names[call.path].data)
    elif call.creates and call.path not in names:
        names[call.path] = _File(is_folder=call.name == "mkdir")
        if lasting is not None:
            lasting[call.path] = names[call.path]
    elif call.name == "rename" and call.path in names and call.other is not None:
        names[call.other] = names.pop(call.path)
        if lasting is not None:
            lasting.pop(call.path, None)
            lasting[call.other] = names[call.other]
    elif call.name == "unlink":
        names.pop(call.path, None)
        if lasting is not None:
            lasting.pop(call.path, None)


def _survived(file: _File, chance: random.Random) -> bytes:
    loose = file.data[file.synced :]
    length = chance.randrange(len(loose) + 1)
    return bytes(file.data[: file.synced] + loose[:length] + bytes(chance.choice((0, len(loose) - length))))

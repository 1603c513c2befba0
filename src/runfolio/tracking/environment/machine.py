"""Facts about the machine: processor, memory, disk, GPUs, container, and the limits that apply to this process."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from runfolio.record.liveness.heartbeats import hostname

MB = 1_000_000


def machine(store: Path) -> dict[str, Any]:
    """Return facts that do not change while the process runs, and the free disk space."""
    return {**_machine(), "disk_free_mb": disk_free_mb(store)}


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    import psutil

    gpus, driver = _gpus()
    return {
        # platform.platform() is not used, because it runs `uname`. A worker forked at that moment would inherit the
        # pipe (see `subprocesses`).
        "system": "-".join((platform.system(), platform.release(), platform.machine())),
        "host": hostname(),
        "user": _user(),
        "container": _container(),
        "cpu": {
            "model": _cpu_model(),
            "cores": psutil.cpu_count(logical=False),
            "threads": os.cpu_count(),
            "usable": usable_cpus(),
        },
        "memory_mb": round(psutil.virtual_memory().total / MB),
        "memory_limit_mb": None if (limit := memory_limit()) is None else round(limit / MB),
        "gpus": gpus,
        "driver": driver,
    }


def disk_free_mb(store: Path) -> int | None:
    try:
        status = os.statvfs(store)
    except OSError:
        return None
    return round(status.f_bavail * status.f_frsize / MB)


def usable_cpus() -> float | None:
    """Return the number of processors that CPU affinity and the quota of the control group allow this process to
    use."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count()
    allowed = float(len(os.sched_getaffinity(0)))
    for name, read in (("cpu.max", _quota_v2), ("cpu/cpu.cfs_quota_us", _quota_v1)):
        if (quota := _first(name, read)) is not None:
            allowed = min(allowed, quota)
    return round(allowed, 2)


def memory_limit() -> int | None:
    """Return the memory limit of the control group in bytes, or None if there is no limit."""
    limits = [_first(name, int) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None and limit < 1 << 60), default=None)


def memory_used() -> int | None:
    """Return the memory used by the control group in bytes, including file caches. Return None if there is no control
    group."""
    used = [_first(name, int) for name in ("memory.current", "memory/memory.usage_in_bytes")]
    return next((size for size in used if size is not None), None)


def _quota_v2(text: str) -> float:
    quota, period = text.split()
    return int(quota) / int(period)


def _quota_v1(text: str) -> float:
    quota = int(text)
    if quota <= 0:
        raise ValueError(text)
    return quota / 100_000  # the file has no period, so the default period is assumed


def _first(name: str, read: Callable[[str], Any]) -> Any:
    """Pass the content of the control group's file `name` to the function `read`, and return the result. If control
    groups are nested, the innermost one with valid content is used."""
    for folder in _groups():
        with suppress(OSError, ValueError):
            return read((folder / name).read_text(encoding="ascii"))
    return None


@lru_cache(maxsize=1)
def _groups() -> tuple[Path, ...]:
    """Return the folders of the control group, innermost first. In a container, only the root folder may be visible."""
    root = Path("/sys/fs/cgroup")
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            if line.startswith("0::/"):
                innermost = root / line.removeprefix("0::/")
                return (innermost, *(parent for parent in innermost.parents if parent.is_relative_to(root)))
    return (root,)


def _cpu_model() -> str | None:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model", "cpu model")):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container, the user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else None


def _container() -> dict[str, str] | None:
    """Return the kind of container that the process runs in, and the container's id if the id is visible."""
    kinds = {
        "kubernetes": "KUBERNETES_SERVICE_HOST" in os.environ,
        "podman": Path("/run/.containerenv").exists(),
        "docker": Path("/.dockerenv").exists(),
        "apptainer": "APPTAINER_CONTAINER" in os.environ or "SINGULARITY_CONTAINER" in os.environ,
    }
    identity = _container_id()
    kind = next((kind for kind, holds in kinds.items() if holds), "container" if identity else None)
    return None if kind is None else {"kind": kind, **({"id": identity} if identity else {})}


def _container_id() -> str | None:
    """Return the container id, which has 64 hexadecimal digits. Container engines use the id in paths of control groups
    and mounts."""
    for path in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        with suppress(OSError):
            text = Path(path).read_text(encoding="utf-8", errors="replace")
            match = re.search(r"(?:docker|containers|libpod|cri-containerd|crio)[/:-]+(?:\w+/)*([0-9a-f]{64})", text)
            if match:
                return match[1]
    return None


@contextmanager
def nvml() -> Iterator[Any]:
    """Initialise and yield NVIDIA's management library without initialising CUDA. Yield None if the library is
    missing."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _gpus() -> tuple[list[dict[str, Any]], str | None]:
    """Return the visible GPUs of the machine, and the driver version."""
    with nvml() as library:
        if library is None:
            return [], None
        with suppress(library.NVMLError):
            gpus = [
                {
                    "index": index,
                    "name": _text(library.nvmlDeviceGetName(gpu)),
                    "memory_mb": round(library.nvmlDeviceGetMemoryInfo(gpu).total / MB),
                    "uuid": _text(library.nvmlDeviceGetUUID(gpu)),
                }
                for index, gpu in visible_gpus(library)
            ]
            return gpus, _text(library.nvmlSystemGetDriverVersion())
    return [], None


def visible_gpus(library: Any) -> list[tuple[int, Any]]:
    """Return the index of each GPU, and its handle in NVIDIA's management library. If `CUDA_VISIBLE_DEVICES` is set,
    only the GPUs that it lists are included."""
    gpus = [(index, library.nvmlDeviceGetHandleByIndex(index)) for index in range(library.nvmlDeviceGetCount())]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [
        (index, gpu)
        for index, gpu in gpus
        if str(index) in names or any(_text(library.nvmlDeviceGetUUID(gpu)).startswith(name) for name in names)
    ]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

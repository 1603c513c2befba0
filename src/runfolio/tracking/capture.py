"""What surrounded a run: code version, command, machine, library versions, seeds."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

from runfolio.record.alive import hostname
from runfolio.tracking import processes

_PACKAGES = (
    "runfolio",
    "torch",
    "torchvision",
    "torchmetrics",
    "lightning-fabric",
    "timm",
    "transformers",
    "numpy",
    "scikit-learn",
    "pillow",
)
_GIT_TIMEOUT_S = 10.0


def command() -> dict[str, Any]:
    """What was started, and where; quick enough for the training thread."""
    return {"command": list(sys.argv), "folder": _current_folder()}


def git(folder: str | None) -> dict[str, Any]:
    """Commit, branch and whether the work tree differs from it; all None outside a repository or without git."""
    unknown = {"commit": None, "branch": None, "dirty": None}
    if folder is None:
        return unknown
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return unknown
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit,
        "branch": _git(folder, "branch", "--show-current") or None,
        "dirty": bool(status) if status is not None else None,
    }


def environment() -> dict[str, Any]:
    """Python, machine, device and the versions of the packages that matter."""
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        # Not platform.platform(): it runs `uname`, and a worker forked meanwhile keeps the pipe open (see `processes`).
        "system": "-".join((platform.system(), platform.release(), platform.machine())),
        "host": hostname(),
        "cpus": os.cpu_count(),
        "device": device(),
        "packages": _versions(),
    }


def seeds() -> dict[str, Any]:
    """The seeds that can be asked for without importing anything."""
    found: dict[str, Any] = {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED")}
    with contextlib.suppress(KeyError, AttributeError):  # no torch, or one just being imported by another thread
        found["torch"] = sys.modules["torch"].initial_seed()
    return found


def _current_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a text is what is recorded
    except OSError:
        return None


def _git(folder: str, *arguments: str) -> str | None:
    # Not even the index's time stamps are to be refreshed in a user's repository.
    command = ["git", "--no-optional-locks", "-C", folder, *arguments]
    try:
        with processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                said, _ = process.communicate(timeout=_GIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
    except (OSError, UnicodeDecodeError):
        return None
    return said.strip() if process.returncode == 0 else None


def device() -> str:
    """The GPU the process uses, or `cpu`. CUDA is not started for the question: a later fork could not use it then."""
    torch: Any = sys.modules.get("torch")
    try:
        return torch.cuda.get_device_name() if torch.cuda.is_initialized() else "cpu"
    except (AttributeError, RuntimeError):  # no torch, one just being imported, a driver that has given up
        return "cpu"


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found

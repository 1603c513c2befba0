"""PyTorch settings, read without importing PyTorch and without initialising CUDA."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


def device() -> str:
    """Return the name of the GPU in use, or `cpu`. CUDA is not initialised here, because child processes forked later
    could not use CUDA."""
    torch: Any = sys.modules.get("torch")
    try:
        return torch.cuda.get_device_name() if torch.cuda.is_initialized() else "cpu"
    except Exception:  # torch is missing or is being imported, or the driver failed
        return "cpu"


_TORCH_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "version": lambda torch: str(torch.__version__),
    "cuda": lambda torch: torch.version.cuda,
    "rocm": lambda torch: torch.version.hip,
    "cudnn": lambda torch: torch.backends.cudnn.version(),
    "threads": lambda torch: torch.get_num_threads(),
    "interop_threads": lambda torch: torch.get_num_interop_threads(),
    "deterministic_algorithms": lambda torch: torch.are_deterministic_algorithms_enabled(),
    "deterministic_warn_only": lambda torch: torch.is_deterministic_algorithms_warn_only_enabled(),
    "cudnn_deterministic": lambda torch: torch.backends.cudnn.deterministic,
    "cudnn_benchmark": lambda torch: torch.backends.cudnn.benchmark,
    "matmul_precision": lambda torch: torch.get_float32_matmul_precision(),
    "matmul_tf32": lambda torch: torch.backends.cuda.matmul.allow_tf32,
    "cudnn_tf32": lambda torch: torch.backends.cudnn.allow_tf32,
    "cublas_workspace": lambda torch: os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    "default_dtype": lambda torch: str(torch.get_default_dtype()).removeprefix("torch."),
}


def threads() -> int | None:
    """Return the number of threads that PyTorch uses in the calling thread, or None if PyTorch is not (fully) imported.

    Each thread keeps the number that was set when the thread first ran a computation.
    """
    torch = _torch()
    return None if torch is None else torch.get_num_threads()


def torch_info(threads: int | None = None) -> dict[str, Any] | None:
    """Return the version and settings of PyTorch, or None if PyTorch is not (fully) imported.

    Args:
        threads: Number of threads that PyTorch uses in the training thread. Default: the number for the calling thread.
    """
    torch = _torch()
    if torch is None:
        return None
    info = {}
    for name, ask in _TORCH_PROPERTIES.items():
        try:
            info[name] = ask(torch)
        except Exception:  # this version has no such setting, or two interfaces changed the setting
            info[name] = None
    return info if threads is None else {**info, "threads": threads}


def _torch() -> Any:
    torch: Any = sys.modules.get("torch")
    try:
        return torch if hasattr(torch, "get_default_dtype") and hasattr(torch, "compile") else None
    except Exception:  # a different object has that name
        return None

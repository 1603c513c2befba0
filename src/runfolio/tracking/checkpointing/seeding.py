"""Function `seed_everything`, which seeds all random generators, and settings that make torch's results bit-identical.

Source: https://pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import index
from typing import Any

from runfolio.errors import ConfigError
from runfolio.tracking.environment import seeds
from runfolio.tracking.process import run_context

SEED, DETERMINISTIC = "seed", "deterministic"
"""Keys of `seeds` in `run.json` that a call to `seed_everything` sets."""
_LARGEST = 2**32 - 1
"""Largest seed that NumPy accepts."""
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seed the random generators of Python, NumPy and torch, and record the seed in the current run of this thread or
    task.

    If no run is open, the next run that this thread or task opens records the seed.

    If NumPy and torch are installed, they are imported now, so that their generators are seeded too. DataLoader workers
    and the initial weights of modules use torch's generator, so the seed determines them too. The order in which Python
    iterates over sets of strings cannot be changed after the process has started. The environment variable
    `PYTHONHASHSEED=0` fixes this order. The variable is recorded with the seeds. The call also works around a bug of
    torch on CPUs. Because of this bug, the first results of some torch functions can be accurate to only four digits.

    Args:
        seed: Integer from 0 to 2^32 - 1.
        deterministic: If True, restrict torch to algorithms whose results are bit-identical. These algorithms are
            slower on a GPU, and torch raises an error if an operation has no such algorithm. Call the function before a
            GPU is used, because cuBLAS reads its environment variable only once. If False, existing settings stay
            unchanged.
    Raises:
        ConfigError: `seed` is invalid.
    """
    seed = _check_seed(seed)
    random.seed(seed)
    with suppress(ImportError):
        import numpy as np

        np.random.seed(seed)
    with suppress(ImportError):
        import torch

        torch.manual_seed(seed)
        _select_kernels(torch)
        if deterministic:
            _apply_settings(torch)
    _note({SEED: seed, DETERMINISTIC: deterministic})


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """Apply the settings of `seed_everything(deterministic=True)` in the block, and restore the previous settings at
    the end. Do nothing if `enabled` is False."""
    if not enabled:
        yield
        return
    import torch

    before = [(change, _read_setting(ask, torch)) for ask, change, _ in _SETTINGS]
    _apply_settings(torch)
    try:
        yield
    finally:
        for change, value in before:
            if value is not None:
                change(torch, value)


def _check_seed(seed: Any) -> int:
    with suppress(TypeError):
        if not isinstance(seed, bool) and 0 <= (integer := index(seed)) <= _LARGEST:
            return integer
    raise ConfigError(f"the seed is {seed!r}; it must be an integer from 0 to {_LARGEST}")


def _note(values: dict[str, Any]) -> None:
    run = run_context.current_run()
    if run is None or run.has_ended:
        seeds.keep_for_next_run(values)
    else:
        run.note_seeds(values)


def _read_setting(ask: Callable[[Any], Any], torch: Any) -> Any:
    """Return the value of a setting. Return None if torch cannot read the setting because two conflicting interfaces
    changed it."""
    try:
        return ask(torch)
    except RuntimeError:
        return None


def _select_kernels(torch: Any) -> None:
    """Make Intel's MKL select its kernels while only one thread calls the library.

    MKL selects a kernel at the first call of each function. For a tensor of a few thousand numbers, several threads
    make this call at the same time. One of the threads may then get a kernel that is accurate to only four digits. The
    first training step then differs between runs. Some of the MKL releases that torch includes are affected.
    Source: https://github.com/pytorch/pytorch/issues/188792
    """
    for kind in (torch.float32, torch.float64):
        operand = torch.full((1,), 0.5, dtype=kind, device="cpu")
        for name in _MKL_FUNCTIONS:
            getattr(torch, name)(operand)


_MKL_FUNCTIONS = (
    *("acos", "asin", "atan", "cos", "erf", "erfc", "erfinv", "exp", "log", "log10", "log2", "sin", "sqrt", "tan"),
    *("tanh", "trunc"),
)
"""Functions that torch computes with MKL on a CPU (`aten/src/ATen/cpu/vml.h`)."""


def _apply_settings(torch: Any) -> None:
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    for _, change, value in _SETTINGS:
        change(torch, value)


def _attribute(path: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """Return a getter and a setter for `torch.<path>`."""
    *modules, name = path.split(".")

    def owner(torch: Any) -> Any:
        for module in modules:
            torch = getattr(torch, module)
        return torch

    return lambda torch: getattr(owner(torch), name), lambda torch, value: setattr(owner(torch), name, value)


_SETTINGS: tuple[tuple[Callable[[Any], Any], Callable[[Any, Any], None], Any], ...] = (
    (
        lambda torch: torch.are_deterministic_algorithms_enabled(),
        lambda torch, value: torch.use_deterministic_algorithms(value),
        True,
    ),
    (*_attribute("backends.cudnn.deterministic"), True),
    (*_attribute("backends.cudnn.benchmark"), False),
    (*_attribute("backends.cudnn.allow_tf32"), False),
    (  # use of TF32 in matrix products, for every backend
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, value: torch.set_float32_matmul_precision(value),
        "highest",
    ),
)
"""Getter, setter and deterministic value of each setting."""

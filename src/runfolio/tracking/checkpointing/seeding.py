"""One seed for every generator, and the switches that make torch repeat its results bit for bit.

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
"""What `run.json` has under `seeds` of a call."""
_LARGEST = 2**32 - 1
"""NumPy's largest seed."""
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seed Python's, NumPy's and torch's generators, and note the seed in the run of this thread or task.

    If none is open there, the next run that is opened there gets the seed.

    NumPy and torch are imported where they are installed, so that what uses them later is seeded too. A DataLoader's
    workers, and new modules, draw from torch's generator. Python's order of sets of texts is not to be changed
    from inside: `PYTHONHASHSEED=0` decides it when the process starts; it is recorded with the seeds. On a CPU, the
    first results of some functions of torch, which else may be wrong in the fourth digit, are those of all later calls.

    Args:
        seed: 0 to 2^32 - 1.
        deterministic: Also have torch use only algorithms that give the same bits each time: slower on a GPU, and an
            error from torch where there is none. Call it before anything uses a GPU: cuBLAS reads its variable once.
            Switches that are on are left on without it.
    Raises:
        ConfigError: `seed` is something else.
    """
    seed = _checked(seed)
    random.seed(seed)
    with suppress(ImportError):
        import numpy as np

        np.random.seed(seed)
    with suppress(ImportError):
        import torch

        torch.manual_seed(seed)
        _settle_kernels(torch)
        if deterministic:
            _switch_on(torch)
    _note({SEED: seed, DETERMINISTIC: deterministic})


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """Inside, all switches of `seed_everything(deterministic=True)`, if wanted; afterwards, what was set before."""
    if not enabled:
        yield
        return
    import torch

    before = [(change, _asked(ask, torch)) for ask, change, _ in _SWITCHES]
    _switch_on(torch)
    try:
        yield
    finally:
        for change, value in before:
            if value is not None:
                change(torch, value)


def _checked(seed: Any) -> int:
    with suppress(TypeError):
        if not isinstance(seed, bool) and 0 <= (whole := index(seed)) <= _LARGEST:
            return whole
    raise ConfigError(f"the seed is {seed!r}; it must be a whole number from 0 to {_LARGEST}")


def _note(values: dict[str, Any]) -> None:
    run = run_context.current_run()
    if run is None or run.has_ended:
        seeds.keep_for_next_run(values)
    else:
        run.note_seeds(values)


def _asked(ask: Callable[[Any], Any], torch: Any) -> Any:
    """How a switch is set; None where torch cannot say, because it was set by two rival interfaces."""
    try:
        return ask(torch)
    except RuntimeError:
        return None


def _settle_kernels(torch: Any) -> None:
    """Have Intel's MKL find out which of its kernels to use, while one thread alone asks.

    It does so at each function's first call. Where several threads make that call together, as they do for a tensor of
    some thousand numbers, one of them may be given a kernel that is right to four digits only: the first step of a
    training then differs from run to run. In one of the releases of MKL that come with torch.
    Source: https://github.com/pytorch/pytorch/issues/188792
    """
    for kind in (torch.float32, torch.float64):
        operand = torch.full((1,), 0.5, dtype=kind, device="cpu")
        for name in _OF_MKL:
            getattr(torch, name)(operand)


_OF_MKL = (
    *("acos", "asin", "atan", "cos", "erf", "erfc", "erfinv", "exp", "log", "log10", "log2", "sin", "sqrt", "tan"),
    *("tanh", "trunc"),
)
"""The functions that torch has MKL compute on a CPU (`aten/src/ATen/cpu/vml.h`)."""


def _switch_on(torch: Any) -> None:
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    for _, change, value in _SWITCHES:
        change(torch, value)


def _attribute(path: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """How to read and set `torch.<path>`."""
    *modules, name = path.split(".")

    def owner(torch: Any) -> Any:
        for module in modules:
            torch = getattr(torch, module)
        return torch

    return lambda torch: getattr(owner(torch), name), lambda torch, value: setattr(owner(torch), name, value)


_SWITCHES: tuple[tuple[Callable[[Any], Any], Callable[[Any, Any], None], Any], ...] = (
    (
        lambda torch: torch.are_deterministic_algorithms_enabled(),
        lambda torch, value: torch.use_deterministic_algorithms(value),
        True,
    ),
    (*_attribute("backends.cudnn.deterministic"), True),
    (*_attribute("backends.cudnn.benchmark"), False),
    (*_attribute("backends.cudnn.allow_tf32"), False),
    (  # TF32 in matrix products, for every backend
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, value: torch.set_float32_matmul_precision(value),
        "highest",
    ),
)
"""How each is asked and set, and what it must be."""

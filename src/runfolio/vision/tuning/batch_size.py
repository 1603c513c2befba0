"""Choose the batch size for `--batch-size auto` by training a few steps with each of several sizes."""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import psutil
import torch

from runfolio.errors import ConfigError
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.tracking.environment.machine import memory_limit, memory_used
from runfolio.vision.loop.epochs import train_epoch
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import Preparation
from runfolio.vision.repeated_run import repeated_run

if TYPE_CHECKING:
    from rich.progress import Progress

_STEPS_PER_EPOCH = 5
"""Minimum number of steps per epoch. Batch sizes that allow fewer steps are not tried."""
_SMALLEST = 8
_STEPS = 5
"""Number of steps in one trial. The first step is a warm-up."""
_SHARE_OF_MEMORY = {"cpu": 0.5, "cuda": 0.8}
"""Maximum fraction of the free memory that one step may use."""
_DEPENDS_ON = (
    *("data", "image_size", "augment", "cached_views", "mixup", "cutmix", "cache", "workers"),
    *("model", "hidden_units", "weights", "freeze_backbone", "unfreeze_after", "compile"),
    *("optimizer", "ema", "deterministic", "precision"),
)
_measurements: dict[tuple[object, ...], tuple[int, str]] = {}
"""Chosen batch size and the reason for the choice, keyed by device, tried sizes and settings."""
_AS_FAST = 0.95
"""Minimum speed of a fast batch size, as a fraction of the highest speed. The smallest fast size is chosen, since it
allows more steps."""


class _Trial(NamedTuple):
    speed: float
    """Images per second."""
    bytes_taken: int
    """Memory of one step in bytes. On a GPU, it is the peak memory. On a CPU, it is the size of the tensors saved for
    the backward pass."""


def resolve_batch_size(preparation: Preparation, progress: Progress | None = None) -> tuple[Preparation, str]:
    """Replace `auto` with a number. Return the preparation and a sentence with the reason.

    The size is a power of two that results in at least five steps per epoch. On a GPU, it is the largest size that
    leaves a fifth of the free memory unused. On a CPU, it is the smallest size that is about as fast as the fastest
    size. Measurements vary, so the result may differ between calls. A process measures only once for the same settings,
    for example in a series. A process that repeats a run uses the recorded size.

    Raises:
        ConfigError: Not even the smallest batch fits into memory.
    """
    settings = preparation.settings
    if (repeated := repeated_run()) is not None:
        recorded_size = repeated.config.get("batch_size")
        if isinstance(recorded_size, int):
            return _with_size(preparation, recorded_size), f"batch-size auto is {recorded_size}, as in the repeated run"
    sizes = powers_of_two(len(preparation.train))
    key = (preparation.device, *sizes, *(getattr(settings, name) for name in _DEPENDS_ON))
    if key not in _measurements:
        _measurements[key] = _measure(preparation, sizes, progress)
    size, reason = _measurements[key]
    return _with_size(preparation, size), reason


def _with_size(preparation: Preparation, size: int) -> Preparation:
    return replace(preparation, settings=replace(preparation.settings, batch_size=size))


def _measure(preparation: Preparation, sizes: list[int], progress: Progress | None) -> tuple[int, str]:
    task = progress.add_task("batch size", total=len(sizes)) if progress else None
    trials: dict[int, _Trial] = {}
    try:
        with deterministic_algorithms(preparation.settings.deterministic):
            for size, trial in _trials(preparation, sizes, progress):
                trials[size] = trial
                if progress and task is not None:
                    progress.advance(task)
    finally:
        if progress and task is not None:
            progress.remove_task(task)
    if not trials:
        raise ConfigError(
            f"batch-size is auto, but not even a batch of {sizes[0]} images fits into the memory of"
            f" {preparation.device};"
            " use a smaller --image-size, a smaller model, or --precision bf16"
        )
    speeds = {size: trial.speed for size, trial in trials.items()}
    chosen = max(speeds) if preparation.device == "cuda" else fastest(speeds)
    measured = ", ".join(f"{size}: {speed:,.0f}" for size, speed in speeds.items())
    return chosen, f"batch-size auto is {chosen} (measured images/s by size: {measured})"


def powers_of_two(images: int) -> list[int]:
    """Return the sizes to try, in ascending order. The size 2 is always allowed.

    Each size divides the images into at least five batches. Sizes that leave a last batch of one image are skipped,
    since BatchNorm cannot train on one image.
    """
    largest = max(images // _STEPS_PER_EPOCH, 2)
    powers = [2**power for power in range(1, int(math.log2(largest)) + 1)]
    fit = [size for size in powers if images % size != 1] or powers
    return [size for size in fit if size >= _SMALLEST] or fit[-1:]


def fastest(speeds: Mapping[int, float]) -> int:
    """Return the smallest size that is about as fast as the fastest size.

    Args:
        speeds: Images per second, by size.
    """
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= _AS_FAST * best)


def _trials(preparation: Preparation, sizes: list[int], progress: Progress | None) -> Iterator[tuple[int, _Trial]]:
    """Yield trials in ascending order of size. Stop at a size that does not fit into memory. On a CPU, also stop at a
    slower size."""
    on_gpu = preparation.device == "cuda"
    free = (torch.cuda.mem_get_info()[0] if on_gpu else _free_memory()) * _SHARE_OF_MEMORY[preparation.device]
    best = 0.0
    for size in sizes:
        try:
            trial = _try(preparation, size, progress)
        except torch.OutOfMemoryError:
            return
        finally:
            gc.collect()
            if on_gpu:
                torch.cuda.empty_cache()
        if trial.bytes_taken > free:
            return
        yield size, trial
        if not on_gpu and (trial.speed < _AS_FAST * best or trial.bytes_taken * 2 > free):
            return
        best = max(best, trial.speed)


def _try(preparation: Preparation, size: int, progress: Progress | None) -> _Trial:
    """Train a few steps on the first batch, and discard the network. If training will unfreeze the backbone later, the
    backbone is already unfrozen in these steps."""
    settings = replace(preparation.settings, batch_size=size, accumulate=1, workers=0)
    if settings.unfreeze_after is not None:
        settings = replace(settings, unfreeze_after=None, freeze_backbone=False)
    preparation = replace(preparation, settings=settings)
    state = TrainState(preparation)
    inputs = InputPipeline(preparation)
    inputs.open_cache(state, progress)
    ends: list[float] = []
    steps = min(_STEPS, state.steps_per_epoch)

    def on_step(loss: torch.Tensor) -> None:
        loss.item()  # wait for a GPU
        ends.append(time.perf_counter())

    if state.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    saved = _SavedBytes(state.model)
    with (
        torch.autograd.graph.saved_tensors_hooks(saved.count, lambda tensor: tensor),
        inputs.connect(state) as batches,
    ):
        first_batch = next(iter(batches.train))
        ends.append(time.perf_counter())
        train_epoch(state, itertools.repeat(first_batch, steps), on_step)
    times = [end - start for start, end in itertools.pairwise(ends)]
    peak = torch.cuda.max_memory_allocated() if state.on_gpu else saved.total // steps
    return _Trial(size / min(times), peak)  # other processes can only slow down steps, so the fastest step is used


class _SavedBytes:
    """Counter of the bytes that forward passes save for backward passes, excluding parameters."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.total = 0
        self._parameters = {parameter.data_ptr() for parameter in model.parameters()}

    def count(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in self._parameters:
            self.total += tensor.numel() * tensor.element_size()
        return tensor


def _free_memory() -> int:
    """Return the bytes that this process can still allocate."""
    free = psutil.virtual_memory().available
    limit, used = memory_limit(), memory_used()
    return free if limit is None or used is None else max(min(free, limit - used), 0)

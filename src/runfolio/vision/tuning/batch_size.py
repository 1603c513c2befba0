"""`--batch-size auto`: the size that suits network, images and machine, found by training some steps with several."""

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
"""Fewest steps of an epoch."""
_SMALLEST = 8
_STEPS = 5
"""Steps of one trial; the first one warms up."""
_SHARE_OF_MEMORY = {"cpu": 0.5, "cuda": 0.8}
"""Share of the free memory that a step may take; the rest is headroom."""
_DEPENDS_ON = (
    *("data", "image_size", "augment", "cached_views", "mixup", "cutmix", "cache", "workers"),
    *("model", "hidden_units", "weights", "freeze_backbone", "unfreeze_after", "compile"),
    *("optimizer", "ema", "deterministic", "precision"),
)
_measurements: dict[tuple[object, ...], tuple[int, str]] = {}
"""Sizes that this process chose, with a sentence of the reason, by device, sizes and settings."""
_AS_FAST = 0.95
"""Share of the highest speed at which a smaller size is better: it makes more steps."""


class _Trial(NamedTuple):
    speed: float
    """Images a second."""
    bytes_taken: int
    """Peak of one step on a GPU; on a CPU, bytes that it keeps for its gradients."""


def resolve_batch_size(preparation: Preparation, progress: Progress | None = None) -> tuple[Preparation, str]:
    """Replace `auto` by a number; return the preparation, and a sentence that says how the number was chosen.

    On a GPU the largest power of two that leaves a fifth of the memory, on a CPU the smallest of those that are about
    as fast as the fastest; with five steps an epoch at least. Since it is measured, it need not be the same each time;
    a process measures once for all trainings that are alike in what it depends on, such as the runs of a series. One
    that repeats a run takes that run's.

    Raises:
        ConfigError: Not even the smallest batch fits into the memory.
    """
    settings = preparation.settings
    if (repeated := repeated_run()) is not None:
        recorded_size = repeated.config.get("batch_size")
        if isinstance(recorded_size, int):
            return _with_size(preparation, recorded_size), f"batch-size auto was {recorded_size} there"
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
            f"batch-size is auto, but not even {sizes[0]} images at once fit into the {preparation.device}'s memory;"
            " give a smaller --image-size or model, or --precision bf16"
        )
    speeds = {size: trial.speed for size, trial in trials.items()}
    chosen = max(speeds) if preparation.device == "cuda" else fastest(speeds)
    measured = ", ".join(f"{size}: {speed:,.0f}" for size, speed in speeds.items())
    return chosen, f"batch-size auto is {chosen}, by what was measured now (size: images/s; {measured})"


def powers_of_two(images: int) -> list[int]:
    """The sizes to try, ascending: so many images make five batches of each, and none with a last batch of one image,
    which BatchNorm could not be trained on; 2 where there are too few images for that.
    """
    largest = max(images // _STEPS_PER_EPOCH, 2)
    powers = [2**power for power in range(1, int(math.log2(largest)) + 1)]
    fit = [size for size in powers if images % size != 1] or powers
    return [size for size in fit if size >= _SMALLEST] or fit[-1:]


def fastest(speeds: Mapping[int, float]) -> int:
    """The smallest size that is about as fast as the fastest."""
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= _AS_FAST * best)


def _trials(preparation: Preparation, sizes: list[int], progress: Progress | None) -> Iterator[tuple[int, _Trial]]:
    """One size after another, up to the last that fits; on a CPU until larger ones are slower."""
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
    """Make some steps of a training that is thrown away, on its first batch, with all that will ever train."""
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
        loss.item()  # waits for a GPU
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
    return _Trial(size / min(times), peak)  # what else the machine does only ever makes a step slower


class _SavedBytes:
    """Counts the bytes that forward passes keep for the backward ones, without the parameters."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.total = 0
        self._parameters = {parameter.data_ptr() for parameter in model.parameters()}

    def count(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in self._parameters:
            self.total += tensor.numel() * tensor.element_size()
        return tensor


def _free_memory() -> int:
    """Return the bytes that this process may still take."""
    free = psutil.virtual_memory().available
    limit, used = memory_limit(), memory_used()
    return free if limit is None or used is None else max(min(free, limit - used), 0)

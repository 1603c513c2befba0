"""Where the time of a training step goes: a few steps under torch's profiler, kept with the run."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from runfolio.errors import RunfolioError
from runfolio.record.base.layout import ARTIFACTS

if TYPE_CHECKING:
    from runfolio import Run
    from runfolio.vision.loop.engine import Training
    from runfolio.vision.loop.epoch_metrics import Figures

Batch = TypeVar("Batch")
PROFILE = "profile"
"""The artifact's name and type."""
_LOADING, _STEP = "runfolio: next batch", "ProfilerStep*"
_STEPS, _FEWEST, _MOST_OPERATORS = 3, 2, 100
_MS = 1e-3


def profiled(
    training: Training, run: Run, *, tell: Callable[[str], None]
) -> Callable[[Callable[[torch.Tensor], None]], Figures]:
    """`training.train_epoch`, with a profile of the first epoch's first steps, or of a later one's until it is kept.

    Args:
        tell: Gets a sentence where there is no profile.
    """

    def train_epoch(on_step: Callable[[torch.Tensor], None]) -> Figures:
        if (run.folder / ARTIFACTS / f"{PROFILE}.json").exists():  # of an earlier epoch, or of one before a resume
            return training.train_epoch(on_step)
        if training.steps_left < _FEWEST:
            tell(f"an epoch of fewer than {_FEWEST} steps is not profiled; a smaller --batch-size has more")
            return training.train_epoch(on_step)
        profiler = StepProfiler(run, steps=training.steps_left, on_gpu=training.on_gpu, tell=tell)

        def and_profile(loss: torch.Tensor) -> None:
            on_step(loss)
            profiler.step()

        with profiler:
            return training.train_epoch(and_profile, profiler.batches)

    return train_epoch


class StepProfiler:
    """Profiles some steps of the epoch that is trained as long as it is open, and keeps what came of it with the run.

    What is computed stays the same to the bit. See `docs/format.md`, Artifacts.
    """

    def __init__(self, run: Run, *, steps: int, on_gpu: bool, tell: Callable[[str], None]) -> None:
        """Args:
        steps: How many the epoch still has; two at least. The first is passed over where there are enough.
        tell: Gets a sentence where the profile cannot be kept.
        """
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it tells the terminal that it starts and stops
        self._run = run
        self._on_gpu = on_gpu
        self._tell = tell
        self._active = min(_STEPS, steps - 1)
        self._profiler = profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])],
            schedule=schedule(wait=int(steps > _STEPS + 1), warmup=1, active=self._active, repeat=1),
            on_trace_ready=self._keep,
        )

    def __enter__(self) -> Self:
        self._profiler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._profiler.stop()

    def batches(self, image_batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches; how long each is waited for is profiled."""
        every = iter(image_batches)
        while True:
            with record_function(_LOADING):
                batch = next(every, None)
            if batch is None:
                return
            yield batch

    def step(self) -> None:
        """An optimizer step is done."""
        self._profiler.step()

    def _keep(self, profiled: profile) -> None:
        """Whatever goes wrong here, the training goes on."""
        try:
            with tempfile.TemporaryDirectory() as place:
                profiled.export_chrome_trace(str(Path(place) / "trace.json.gz"))
                (Path(place) / "operators.json").write_text(json.dumps(self._summed_up(profiled), indent=1))
                self._run.artifact(place, PROFILE, type=PROFILE)
        except (OSError, RuntimeError, RunfolioError) as error:
            self._tell(f"the profile of the first steps cannot be kept: {error}")

    def _summed_up(self, profiled: profile) -> dict[str, Any]:
        every = profiled.key_averages()
        of_steps = sum(event.cpu_time_total for event in every if event.key == _STEP)
        loading = sum(event.cpu_time_total for event in every if event.key == _LOADING)
        # Steps and annotations hold operators, which count for themselves.
        operators = [event for event in every if event.key not in (_STEP, _LOADING) and not event.is_user_annotation]
        times = [event.self_device_time_total if self._on_gpu else event.self_cpu_time_total for event in operators]
        ranked = sorted(zip(times, operators, strict=True), key=lambda pair: -pair[0])
        return {
            "runfolio": 0,
            "steps": self._active,
            "seconds": of_steps * 1e-6,
            "loading": loading / of_steps if of_steps else None,
            "device": "cuda" if self._on_gpu else "cpu",
            "operators": [
                {
                    "name": event.key,
                    "calls": event.count,
                    "self_cpu_ms": event.self_cpu_time_total * _MS,
                    "self_gpu_ms": event.self_device_time_total * _MS if self._on_gpu else None,
                    "share": time / (sum(times) or 1),
                }
                for time, event in ranked[:_MOST_OPERATORS]
            ],
        }

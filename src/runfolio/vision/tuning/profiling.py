"""Profile the operators of a few training steps, and store the profile with the run."""

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

from runfolio.record.base.layout import ARTIFACTS
from runfolio.vision.loop.epoch_metrics import EpochResult
from runfolio.vision.loop.epochs import OnStep, train_epoch
from runfolio.vision.loop.input_pipeline import Batches
from runfolio.vision.loop.train_state import TrainState

if TYPE_CHECKING:
    from runfolio import Run

Batch = TypeVar("Batch")
PROFILE = "profile"
"""Name and type of the artifact (stored file) that contains the profile."""
_LOADING, _STEP = "runfolio: next batch", "ProfilerStep*"
_STEPS, _FEWEST, _MOST_OPERATORS = 3, 2, 100
_MS = 1e-3


def train_epoch_with_profile(
    state: TrainState, batches: Batches, on_step: OnStep, *, run: Run, notify: Callable[[str], None]
) -> EpochResult:
    """Train one epoch, and profile its first steps if the run has no profile yet.

    Args:
        notify: Function that reports why no profile can be made or stored.
    """
    if (run.folder / ARTIFACTS / f"{PROFILE}.json").exists():  # an earlier epoch has saved the profile
        return train_epoch(state, batches, on_step)
    if state.steps_left < _FEWEST:
        notify(f"an epoch of fewer than {_FEWEST} steps is not profiled; a smaller --batch-size makes more steps")
        return train_epoch(state, batches, on_step)
    profiler = StepProfiler(run, steps=state.steps_left, on_gpu=state.on_gpu, notify=notify)

    def on_profiled_step(loss: torch.Tensor) -> None:
        on_step(loss)
        profiler.step()

    with profiler:
        return train_epoch(state, profiler.batches(batches), on_profiled_step)


class StepProfiler:
    """Context manager that profiles a few steps of an epoch, and stores the profile with the run.

    The results of training stay bit-identical. The section "Artifacts" of `docs/format.md` describes the profile.
    """

    def __init__(self, run: Run, *, steps: int, on_gpu: bool, notify: Callable[[str], None]) -> None:
        """Plan the steps to profile.

        Args:
            steps: Number of remaining steps in the epoch, at least two. The first step is not profiled if there are
                enough steps.
            notify: Function that reports why the profile cannot be stored.
        """
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # this keeps the profiler from printing messages
        self._run = run
        self._on_gpu = on_gpu
        self._notify = notify
        self._active = min(_STEPS, steps - 1)
        self._profiler = profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])],
            schedule=schedule(wait=int(steps > _STEPS + 1), warmup=1, active=self._active, repeat=1),
            on_trace_ready=self._store,
        )

    def __enter__(self) -> Self:
        self._profiler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._profiler.stop()

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, and profile the time spent waiting for each batch."""
        iterator = iter(batches)
        while True:
            with record_function(_LOADING):
                batch = next(iterator, None)
            if batch is None:
                return
            yield batch

    def step(self) -> None:
        """Count an optimizer step."""
        self._profiler.step()

    def _store(self, profiler: profile) -> None:
        """Store the profile as an artifact. A failure does not stop training."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                profiler.export_chrome_trace(str(Path(folder) / "trace.json.gz"))
                (Path(folder) / "operators.json").write_text(json.dumps(self._summary(profiler), indent=1))
                self._run.artifact(folder, PROFILE, type=PROFILE)
        except (OSError, RuntimeError) as error:
            self._notify(f"the profile of the first steps cannot be stored: {error}")

    def _summary(self, profiler: profile) -> dict[str, Any]:
        events = profiler.key_averages()
        stepping = sum(event.cpu_time_total for event in events if event.key == _STEP)
        loading = sum(event.cpu_time_total for event in events if event.key == _LOADING)
        # Steps and annotations contain operators, which are counted separately.
        operators = [event for event in events if event.key not in (_STEP, _LOADING) and not event.is_user_annotation]
        times = [event.self_device_time_total if self._on_gpu else event.self_cpu_time_total for event in operators]
        ranked = sorted(zip(times, operators, strict=True), key=lambda pair: -pair[0])
        return {
            "runfolio": 0,
            "steps": self._active,
            "seconds": stepping * 1e-6,
            "loading": loading / stepping if stepping else None,
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

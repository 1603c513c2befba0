"""Time that a network takes for one image."""

from __future__ import annotations

import statistics
import time

import torch

from runfolio.vision.loop.train_state import TrainState

_WARM_UP, _REPEATS, _LIMIT_S = 5, 100, 0.2


@torch.no_grad()
def predict_ms(state: TrainState, image: torch.Tensor) -> float:
    """Return the milliseconds for one image at a time: the median of many, after a warm-up.

    Args:
        image: [1, c, h, w], as the network takes it.
    """
    state.predictor.eval()
    times_s: list[float] = []
    end = time.perf_counter() + _LIMIT_S
    for _ in range(_WARM_UP + _REPEATS):
        start = time.perf_counter()
        state.predictor(image).argmax().item()  # reading the answer waits for a GPU
        times_s.append(time.perf_counter() - start)
        if len(times_s) > _WARM_UP and time.perf_counter() > end:
            break
    return statistics.median(times_s[_WARM_UP:]) * 1000

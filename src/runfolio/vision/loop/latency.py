"""Latency of a network for one image."""

from __future__ import annotations

import statistics
import time

import torch

from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models import ModelSpec

_WARM_UP, _REPEATS, _LIMIT_S = 5, 100, 0.2
_MAX_NETWORKS = 64
_measured_ms: dict[tuple[ModelSpec, str, str, bool], float] = {}
"""Latencies in milliseconds, keyed by network, precision, device and compilation. Most runs of a series share a
network."""


def predict_ms(state: TrainState, spec: ModelSpec, image: torch.Tensor) -> float:
    """Return the median latency for a batch of one image, in milliseconds.

    Each network is measured once per process.

    Args:
        spec: Description of the network in `state`.
        image: Normalised image, [1, c, h, w].
    """
    settings = state.settings
    key = (spec, settings.precision, state.device.type, settings.compile)
    if key not in _measured_ms:
        if len(_measured_ms) == _MAX_NETWORKS:
            _measured_ms.clear()
        _measured_ms[key] = _measure_ms(state, image)
    return _measured_ms[key]


@torch.no_grad()
def _measure_ms(state: TrainState, image: torch.Tensor) -> float:
    state.predicting.eval()
    times_s: list[float] = []
    end = time.perf_counter() + _LIMIT_S
    for _ in range(_WARM_UP + _REPEATS):
        start = time.perf_counter()
        state.predict_forward(image).argmax().item()  # item() waits until a GPU has finished
        times_s.append(time.perf_counter() - start)
        if len(times_s) > _WARM_UP and time.perf_counter() > end:
            break
    return statistics.median(times_s[_WARM_UP:]) * 1000

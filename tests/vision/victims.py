"""Script for the `forked` fixture: a training run that is killed at a chosen place.

Its argument is a request in JSON. Its last line of output has the numbers of passed places by kind.
A request has `store`, either `settings` or `resume` (a run), and optionally `fatal` (a place) and `signal`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from runfolio.cli import main
from runfolio.vision import TrainSettings, run_experiment

KINDS = ("layer", "step", "file")
FILES_CHANGE = ("os.rename", "os.remove", "os.mkdir")
"""Audit events of Python that count as places, since they write checkpoints and the record."""


class Places:
    """Counter of the places that training passes. It sends the signal at the chosen place."""

    def __init__(self, fatal: tuple[str, int] | None, fatal_signal: signal.Signals) -> None:
        self._fatal = fatal
        self._signal = fatal_signal
        self._lock = threading.Lock()
        self._process = os.getpid()
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)

    def _pass_by(self, kind: str) -> None:
        if os.getpid() != self._process:  # a worker
            return
        with self._lock:
            self.counts[kind] += 1
            if (kind, self.counts[kind]) == self._fatal:
                os.kill(self._process, self._signal)

    def watch(self) -> None:
        """Count the start of each layer, and start and end of each backward pass, optimizer step and file change."""
        module.register_module_forward_pre_hook(
            # Single images are used for the graph and for the latency.
            lambda module, inputs: self._pass_by("layer") if _is_batch(*inputs[:1]) else None
        )
        register_optimizer_step_pre_hook(lambda *_: self._pass_by("step"))
        register_optimizer_step_post_hook(lambda *_: self._pass_by("step"))
        torch.Tensor.backward = self._around("step", torch.Tensor.backward)
        os.fsync = self._around("file", os.fsync)
        sys.addaudithook(lambda event, _: self._pass_by("file") if event in FILES_CHANGE else None)

    def _around(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self._pass_by(kind)
            result = function(*arguments, **options)
            self._pass_by(kind)
            return result

        return wrapped


def _is_batch(images: Any = None) -> bool:
    return getattr(images, "ndim", 0) == 4 and len(images) > 1


def train(request: dict[str, Any]) -> dict[str, int]:
    """Train or resume, and return the number of places of each kind that were passed."""
    torch.set_num_threads(1)
    # The state of the random generators before training must not matter.
    random.seed(os.getpid())
    np.random.seed(os.getpid())
    torch.manual_seed(os.getpid())
    fatal = request.get("fatal")
    places = Places(tuple(fatal) if fatal else None, signal.Signals[request.get("signal", "SIGKILL")])
    places.watch()
    if run := request.get("resume"):
        try:
            main(["resume", run, "--store", request["store"]])
        except SystemExit as end:
            if end.code:
                raise
    else:
        run_experiment(TrainSettings(**request["settings"]), store=request["store"])
    return places.counts


if __name__ == "__main__":
    print(json.dumps(train(json.loads(sys.argv[1]))), flush=True)
    os._exit(0)  # the run is over, so the exit of Python is skipped

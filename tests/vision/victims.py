"""A server of trainings that are killed: run as a program, it forks one for each line it reads.

Imports cost far more than a small training; here they are paid once. A line is a request of `serve`, the answer how the
training ended.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

KINDS = ("layer", "step", "file")
IMPORTED = (
    "pyarrow.parquet",
    "runfolio.cli",
    "runfolio.record.points.compaction",
    "runfolio.tracking.data_log",
    "runfolio.tracking.monitors.model_graph",
    "runfolio.tracking.monitors.watch",
    "runfolio.tracking.opening",
    "runfolio.vision.run",
    "safetensors.torch",
    "sklearn.datasets",
)
"""Modules that every training imports."""
FILES_CHANGE = ("os.rename", "os.remove", "os.mkdir")
"""Python's audit events that count as places, beside those of the training: checkpoints and the record are written."""


class Places:
    """Counts the places a training comes by, of each kind, and sends the signal at the one that was chosen."""

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
        """Each layer's begin; before and after each backward pass and optimizer step; and around what changes files."""
        import torch
        from torch.nn.modules import module
        from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

        module.register_module_forward_pre_hook(
            # One image is looked at alone to see the graph, and how long that takes.
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
    """One training, in a process of its own; how many places of each kind it came by."""
    import numpy as np
    import torch

    from runfolio.cli import main
    from runfolio.vision import TrainSettings, run_experiment

    torch.set_num_threads(1)
    # Whatever drew random numbers before: nothing may depend on it.
    random.seed(os.getpid())
    np.random.seed(os.getpid())
    torch.manual_seed(os.getpid())
    fatal = request.get("fatal")
    places = Places(tuple(fatal) if fatal else None, signal.Signals[request.get("signal", "SIGKILL")])
    places.watch()
    if run := request.get("resume"):
        arguments = ["resume", run, "--store", request["store"], *(["--force"] if request.get("force") else [])]
        try:
            main(arguments)
        except SystemExit as end:
            if end.code:
                raise
    else:
        run_experiment(TrainSettings(**request["settings"]), store=request["store"])
    return places.counts


def serve() -> None:
    """Requests: `settings` or `resume`, `store`, `log`; and of the kill `fatal`, a place, or `after_s` from outside.

    `signal` is another one than SIGKILL.
    """
    # Paid once. What draws a figure finds its fonts; what would start threads, such as a training, must not run here.
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    from runfolio.tracking.pipeline.media_content import figure_png
    from runfolio.vision.evaluation.class_report import confusion_figure

    figure_png(confusion_figure(torch.eye(10, dtype=torch.int64), [str(digit) for digit in range(10)], "fonts"))

    for line in sys.stdin:
        request = json.loads(line)
        began = time.monotonic()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = 1
            try:
                os.write(writer, json.dumps(train(request)).encode())
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(writer)
        if "after_s" in request:
            time.sleep(request["after_s"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reader) as pipe:
            places = json.loads(pipe.read() or "null")
        answer = {"code": os.waitstatus_to_exitcode(status), "places": places, "seconds": time.monotonic() - began}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()

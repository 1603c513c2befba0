"""Sampling profiler for a `runfolio` command (`python -m benchmarks.sampler RESULT COMMAND ...`).

A thread reads the stack of the main thread a hundred times per second. The profiled code needs no change and hardly
slows down. RESULT is a JSON file. It contains the seconds of each part and of each innermost function of runfolio, in
descending order.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

EVERY_S = 0.01
REST = "everything else"
PARTS = {
    "imports": ("importlib._bootstrap",),
    "computing or reading features and pixels": (
        "runfolio/vision/features/",
        "runfolio/vision/batches/cache_",
        "runfolio/vision/batches/pixel_cache",
    ),
    "record: points, checkpoints and metadata": ("runfolio/tracking/", "runfolio/record/"),
    "figures": ("matplotlib/", "runfolio/vision/drawing/"),
    "preparing data and network": ("runfolio/vision/prepare", "runfolio/vision/data/", "runfolio/vision/models/"),
    "training, validation and test": ("runfolio/vision/",),
    "leaderboard": ("runfolio/query/",),
}
"""Parts of the program. Each part is identified by pieces of paths. A stack belongs to the first part that matches one
of its frames."""


class Sampler:
    """Sampler of the stack of the watched thread. It runs until `stop` is called."""

    def __init__(self, watched: int) -> None:
        self.parts: defaultdict[str, float] = defaultdict(float)
        self.functions: defaultdict[str, float] = defaultdict(float)
        self._watched = watched
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        last = time.perf_counter()
        while not self._over.wait(EVERY_S):
            frame = sys._current_frames().get(self._watched)
            now = time.perf_counter()
            stack = list(_names(frame))
            self.parts[part_of([path for path, _ in stack])] += now - last
            ours = next((f"{Path(path).stem}.{name}" for path, name in stack if "/runfolio/" in path), REST)
            self.functions[ours] += now - last
            last = now


def part_of(paths: list[str]) -> str:
    """Return the part that a stack belongs to, given the files of its frames."""
    for part, marks in PARTS.items():
        if any(mark in path for path in paths for mark in marks):
            return part
    return REST


def _names(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Yield file and function of each frame, the innermost first."""
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_name
        frame = frame.f_back


def main() -> None:
    result, *command = sys.argv[1:]
    sampler = Sampler(threading.get_ident())
    try:
        from runfolio.cli import main as runfolio  # imported here because the time of this import counts

        sys.argv = ["runfolio", *command]
        runfolio()
    finally:
        sampler.stop()
        result_data = {"parts": _most_first(sampler.parts), "functions": _most_first(sampler.functions)}
        Path(result).write_text(json.dumps(result_data, indent=1))


def _most_first(seconds: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    main()

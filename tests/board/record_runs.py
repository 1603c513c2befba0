"""Program that records the runs of the fixture `board_store`: python record_runs.py STORE PART.

PART is `trained` (eight runs on the digits data), `logged` (all other runs that end normally), or one of the runs with
an abnormal end: `failed` and `killed`.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import runfolio

NAUGHTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "\u202ereversed\u2066 isolated",
    "esc \x1b[31mred\x1b[0m \x9b2J bell \x07",
    '=HYPERLINK("http://example.org")',
    "{{constructor.constructor('alert(3)')()}}",
    "name,with;every 'kind' of \"quote\" & 50% #hash?query=1",
    "测试 🧪 e\u0301\u0301\u0301\u0301 \uff26\uff55\uff4c\uff4c",
    "a" * 200,
    "__proto__",
)
"""Texts that break careless pages, from the Big List of Naughty Strings and from our own tests."""
NOTES = "# Notes\n\n[click](javascript:alert(4)) <iframe src=//example.org></iframe> ![x](http://example.org/x.png)\n"


def record_trained(store: Path) -> None:
    """Train eight tiny models on a tenth of the digits."""
    import torch

    from runfolio.vision import TrainSettings, run_experiment

    torch.set_num_threads(1)
    for model, lr, seed in itertools.product(("mlp", "tinyvgg"), (0.01, 0.001), (0, 1)):
        settings = TrainSettings(
            model=model, lr=lr, seed=seed, hidden_units=8, data_fraction=0.1, epochs=3, device="cpu"
        )
        run_experiment(settings, store=store)


def record_logged(store: Path) -> None:
    """Record a resumed run, its fork, a run with NaN, a run with media, and a run with naughty texts."""
    import torch

    arguments: dict[str, Any] = {"experiment": "curves", "store": store}
    weights = torch.zeros(2)
    with runfolio.init("resumed", config={"lr": 0.1, "seed": 1}, **arguments) as run:
        _log_losses(run, 0, 60)
        run.checkpoint(step=59, weights=weights)
        _log_losses(run, 60, 100, offset=0.5)
        run.finish("interrupted", "stopped by the user")
    with runfolio.resume(run.id, store=store) as run:
        _log_losses(run, 60, 200)
        run.checkpoint(step=199, weights=weights)
    with runfolio.fork(run.id, name="forked", config={"lr": 0.01}, store=store) as fork:
        _log_losses(fork, 200, 300, offset=-0.1)
    with runfolio.init("not a number", config={"lr": 10.0, "seed": 1}, tags=["unstable"], **arguments) as run:
        _log_losses(run, 0, 80)
        for step in range(80, 120):
            run.log({"train/loss": math.nan if step < 110 else math.inf, "val/loss": 1.0}, step=step)
        _log_losses(run, 120, 200)
    with runfolio.init("archived", **arguments) as run:
        _log_losses(run, 0, 5)
    runfolio.open(store).run(run.id).edits.archive()
    _record_media(store)
    _record_naughty(store)


def _log_losses(run: runfolio.Run, start: int, stop: int, *, offset: float = 0.0) -> None:
    for step in range(start, stop):
        loss = 2 / (1 + step / 30) + 0.05 * math.sin(step) + offset
        run.log({"train/loss": loss, "epoch": step / 50}, step=step)
        if step % 10 == 9:
            run.log({"val/loss": loss + 0.1, "val/acc": 1 - loss / 3}, step=step)


def _record_media(store: Path) -> None:
    from matplotlib.figure import Figure

    chance = np.random.default_rng(1)
    with runfolio.init("media", experiment="media", config={"lr": 0.1}, store=store) as run:
        for step in range(0, 50, 10):
            run.log({"val/loss": 1 / (step + 1)}, step=step)
            image = chance.integers(0, 256, (32, 48, 3), np.uint8)
            boxes = {"boxes": [[4, 4, 20, 20]], "labels": [1], "scores": [0.9]}
            run.log_image("samples", image, step=step, caption=f"step {step}", boxes=boxes, classes=["cat", "dog"])
            run.log_text("answer", f"The answer at step {step}.\nA second line.", step=step)
            run.log_histogram("grad/layer", chance.normal(size=1000), step=step)
        figure = Figure(figsize=(3, 2))
        figure.add_subplot().plot([1, 2, 3])
        run.log_figure("figure", figure, step=40)
        run.log_table("errors", {"image": ["a.png", "b.png"], "loss": [0.5, math.nan]}, step=40)
        run.log_audio("sound", np.sin(np.arange(800) / 10), 8000, step=40)
        run.log_video("film", chance.integers(0, 256, (4, 3, 16, 16), np.uint8), step=40)


def _record_naughty(store: Path) -> None:
    for number, text in enumerate(NAUGHTY):
        experiment = NAUGHTY[0] if number < 5 else "naughty"
        config = {text: text, "lr": number}
        with runfolio.init(f"naughty {number}", experiment=experiment, config=config, store=store) as run:
            run.notes = NOTES + text
            for step in range(5):
                run.log({f"loss {text[:60]}": 1 / (step + 1), "val/acc": step / 5}, step=step)
            run.summary[text] = text
            run.log_text(text[:60], text, step=1)
            run.log_image(text[:60], np.zeros((8, 8), np.uint8), step=1, caption=text)
            print(text, NOTES)
        _edit_document(run.folder, name=text, tags=[text[:60], "naughty"])


def _edit_document(folder: Path, **changes: Any) -> None:
    """Change `run.json`. A run from another person may contain texts that `init` refuses."""
    path = folder / "run.json"
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    path.with_name(".new").write_text(json.dumps(document), encoding="utf-8")
    path.with_name(".new").replace(path)


def record_failed(store: Path) -> None:
    """Record a run that ends with an exception."""
    run = runfolio.init("failed", experiment="curves", config={"lr": 0.3}, store=store)
    for step in range(20):
        print(f"step {step}: loss {1 / (step + 1):.3f}")
        run.log({"train/loss": 1 / (step + 1)}, step=step)
    raise ValueError("bad shape <b>(3, 4)</b>")


def record_killed(store: Path) -> None:
    """Record a run whose process is killed."""
    run = runfolio.init("killed", experiment="curves", config={"lr": 0.2}, store=store)
    _log_losses(run, 0, 50)
    run.flush()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    {"trained": record_trained, "logged": record_logged, "failed": record_failed, "killed": record_killed}[sys.argv[2]](
        Path(sys.argv[1])
    )

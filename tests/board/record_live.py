"""Program that logs points until it is stopped: python record_live.py STORE NAME SECONDS_BETWEEN_POINTS."""

from __future__ import annotations

import itertools
import sys
import time

import runfolio

if __name__ == "__main__":
    store, name, pause_s = sys.argv[1:]
    recording = runfolio.RecordingConfig(flush_s=0.1)
    with runfolio.init(name, experiment="live", config={"lr": 0.1}, store=store, recording=recording) as run:
        run.total_steps = 1_000_000
        for step in itertools.count():
            run.log({"train/loss": 1 / (1 + step / 100), "val/acc": min(1.0, step / 1000)}, step=step)
            print(f"step {step}")
            time.sleep(float(pause_s))

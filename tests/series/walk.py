"""Target with tracked runs of a few milliseconds, without torch.

`model` tinyvgg fails in its second epoch. If the working folder contains a file `power-cut`, each run ends
there as with Ctrl-C.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runfolio
from runfolio.errors import ConfigError
from runfolio.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class WalkSettings(Settings):
    model: str = setting("mlp", "What walks.", group="walk", choices=("mlp", "tinyvgg"))
    epochs: int = setting(2, "Steps to take.", group="walk", at_least=1)
    lr: float = setting(0.1, "Length of a step.", group="walk", above=0)
    data_fraction: float = setting(1.0, "Nothing.", group="walk", above=0, at_most=1)
    seed: int = setting(42, "Nothing.", group="walk", at_least=0, at_most=99)
    pause_s: float = setting(0.0, "Rest after each step.", group="walk", at_least=0)
    stop_at: int | None = setting(None, "Rest after this step.", group="walk", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop_at and self.stop_at > self.epochs:
            raise ConfigError(f"stop-at {self.stop_at} is beyond epochs {self.epochs}")


class Walk:
    settings = WalkSettings

    def check(self, settings: WalkSettings, *, store: Path | None) -> None:
        if settings.lr >= 1:
            raise ConfigError(f"nobody takes steps of {settings.lr:g}")

    def run(
        self,
        settings: WalkSettings,
        *,
        store: Path | None,
        experiment: str,
        series: Any,
        resume: str | None,
        progress: Any,
    ) -> Path:
        name = f"{settings.model}-{settings.epochs}"
        with runfolio.init(
            name, experiment=experiment, config=settings.as_dict(), store=store, series=series, resume=resume
        ) as run:
            done = run.restore().step or 0 if resume else 0
            for epoch in range(done + 1, (settings.stop_at or settings.epochs) + 1):
                if epoch > 1 and Path("power-cut").exists():
                    raise KeyboardInterrupt
                if epoch > 1 and settings.model == "tinyvgg":
                    raise ArithmeticError("the ground is gone")
                run.log({"val/acc": 1 - settings.lr**epoch}, step=epoch)
                run.checkpoint(step=epoch, metric=1 - settings.lr**epoch)
                time.sleep(settings.pause_s)
        return run.folder


target = Walk()

"""A target of one's own: a few tracked runs of a few milliseconds, without torch.

`model` tinyvgg fails in its second epoch; so does every run while a file `power-cut` lies in the current folder, and
that one as Ctrl-C would end it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runfolio
from runfolio.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class WalkSettings(Settings):
    model: str = setting("mlp", "What walks.", group="walk", choices=("mlp", "tinyvgg"))
    epochs: int = setting(2, "Steps to take.", group="walk", at_least=1)
    lr: float = setting(0.1, "Length of a step.", group="walk", above=0)
    data_fraction: float = setting(1.0, "Nothing.", group="walk", above=0, at_most=1)


class Walk:
    settings = WalkSettings

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
            done = run.restore().step if resume else 0
            for epoch in range(done + 1, settings.epochs + 1):
                if epoch > 1 and Path("power-cut").exists():
                    raise KeyboardInterrupt
                if epoch > 1 and settings.model == "tinyvgg":
                    raise ArithmeticError("the ground is gone")
                run.log({"val/acc": 1 - settings.lr**epoch}, step=epoch)
                run.checkpoint(step=epoch, metric=1 - settings.lr**epoch)
        return run.folder


target = Walk()

"""A longer run continues a shorter one of the same training; or says what speaks against that.

It does where it comes to the very bits that it would come to alone; where that is in doubt, it trains from its first
step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

import runfolio
from runfolio.errors import DamagedFile, NotFound, RunfolioError, StoreError
from runfolio.record import checkpoints
from runfolio.record.checkpoints import BEST, LAST
from runfolio.tracking.capture.libraries import torch_facts
from runfolio.tracking.capture.machine import machine
from runfolio.tracking.capture.packages import packages
from runfolio.vision.description import describe
from runfolio.vision.preparation import Preparation, prepare
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import RecordedRun, Run

_PACKAGES = ("runfolio", "torch", "torchvision", "timm", "pillow", "numpy", "lightning-fabric")
"""Another version of these may come to other bits."""
_TORCH = ("cuda", "rocm", "cudnn", "threads", "matmul_precision", "matmul_tf32", "cudnn_tf32")
"""So may other values of these facts."""


@dataclass
class Beginning:
    """What a new run begins with: the record of a shorter one, or nothing."""

    shorter: RecordedRun | None = None
    preparation: Preparation | None = None
    """The new run's, where it was needed already."""
    objection: str | None = None
    """Why it does not begin with the shorter one, though that was asked for."""

    @classmethod
    def with_run(
        cls, wanted: Path | str, settings: TrainSettings, store: Path | str | None, progress: Progress | None
    ) -> Self:
        """With the run `wanted`, of settings that `settings` continue, if nothing speaks against it."""
        shorter = runfolio.open(store).run(str(wanted))
        preparation = None
        with suppress(RunfolioError):  # it is met again, and recorded, once the run has begun
            preparation = prepare(settings, store=store, progress=progress)
        said = objection(shorter, preparation) if preparation else "its data or its network is not to be had"
        return cls(shorter, preparation, said and f"{shorter.name} ({shorter.id}) is not continued, since {said}")

    @property
    def is_shared(self) -> bool:
        return self.shorter is not None and self.objection is None

    def open(self, name: str, **about: Any) -> Run:
        """The new run; `about` is what `runfolio.init` takes."""
        if self.shorter is not None and self.objection is None:
            try:
                return runfolio.init(name, prefix=self.shorter.folder, **about)
            except (DamagedFile, NotFound, StoreError) as error:
                self.objection = f"{self.shorter.name} ({self.shorter.id}) is not continued: {error}"
        return runfolio.init(name, **about)


def objection(shorter: RecordedRun, preparation: Preparation) -> str | None:
    """Why a run of `preparation` would not come to the same bits behind `shorter` as alone; None where it would."""
    looks = (_at_the_record, _at_the_images, _at_the_surroundings, _at_the_checkpoints)
    return next((said for look in looks if (said := look(shorter, preparation)) is not None), None)


def _at_the_record(shorter: RecordedRun, preparation: Preparation) -> str | None:
    if shorter.problems:
        return f"not all of its points can be read ({shorter.problems[0]})"
    losses = [seen for name, seen in shorter.metrics.items() if name in ("train/loss", "val/loss")]
    if shorter.document.status.trouble or any(seen.nan or not math.isfinite(seen.max) for seen in losses):
        return "it met numbers that are not finite"  # which was told, and where, in its own words
    return None


def _at_the_images(shorter: RecordedRun, preparation: Preparation) -> str | None:
    for part in preparation.parts:
        facts = shorter.data.get(part)
        if facts is None or facts.fingerprint is None:
            return f"its record does not say which were its {part} images"
        if facts.earlier or facts.fingerprint != preparation.listing(part).fingerprint:
            return f"its {part} images changed"
    return None


def _at_the_surroundings(shorter: RecordedRun, preparation: Preparation) -> str | None:
    then = shorter.document.environment
    device = torch.cuda.get_device_name() if preparation.device == "cuda" else "cpu"
    facts = [
        ("the device", then.get("device"), device),
        ("the processor", (then.get("cpu") or {}).get("model"), machine(shorter.folder)["cpu"]["model"]),
        *_pairs(_PACKAGES, then.get("packages"), packages()[0]),
        *_pairs(_TORCH, then.get("torch"), torch_facts()),
    ]
    return next((f"{what} was {before}, and is {today}" for what, before, today in facts if before != today), None)


def _pairs(
    names: Iterable[str], then: Mapping[str, Any] | None, today: Mapping[str, Any] | None
) -> Iterable[tuple[str, Any, Any]]:
    return ((name, (then or {}).get(name), (today or {}).get(name)) for name in names)


def _at_the_checkpoints(shorter: RecordedRun, preparation: Preparation) -> str | None:
    try:
        last = checkpoints.read(shorter.folder, LAST)
        begun, best = describe(last), last.state["stopping"]["best"]
        if best is not None and checkpoints.read(shorter.folder, BEST).metric != best:
            return "its checkpoint best is not of the best epoch"
    except (NotFound, DamagedFile) as error:
        return str(error)
    return None if begun == preparation.description else "its network started otherwise, or from other weights"

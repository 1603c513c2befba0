"""What runs did not train by themselves: how they began, with which others they trained, and what that saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runfolio.query.durations import alone_s
from runfolio.query.run_view import RunView
from runfolio.record.document import PREFIX

_EPOCH = "epoch"
"""The metric that counts epochs, where a run has it."""
TOGETHER = "heads_together"
"""The result that says how many heads were trained side by side, the run's own included."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a run did not train itself."""

    run: str
    """The id of the run it continues."""
    step: int | None
    """The step of the checkpoint it continues from."""
    epochs: float | None
    """Epochs done there, where the run counts them."""

    def __str__(self) -> str:
        return f"continues {self.run} {self.place}"

    @property
    def place(self) -> str:
        return f"at step {self.step}" if self.epochs is None else f"at epoch {self.epochs:g}"


def beginning_of(run: RunView) -> Beginning | None:
    """What it continues the same way; None of a run that trained all by itself, or went another way."""
    lineage = run.document.lineage or {}
    if lineage.get("kind") != PREFIX:
        return None
    return Beginning(run=str(lineage.get("run")), step=lineage.get("step"), epochs=_inherited_epochs(run))


def shared_by(run: RunView) -> str | None:
    """All that a run did not train by itself, in words: `continues k3f9x2ab at epoch 5, trained with 3 other heads`."""
    beginning, heads = beginning_of(run), run.flat_summary.get(TOGETHER)
    beside = heads and f"trained with {heads - 1} other head{'s' * (heads > 2)}"
    return ", ".join(str(said) for said in (beginning, beside) if said) or None


def _inherited_epochs(run: RunView) -> float | None:
    own = [attempt.started.timestamp() for attempt in run.document.attempts if attempt.inherited is None]
    if _EPOCH not in run.metrics:
        return None
    curve = run.metric(_EPOCH)
    inherited = curve.values[curve.times < own[0]] if own else curve.values
    return float(inherited.max()) if len(inherited) else None


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Of several runs together."""

    runs: int
    """How many of them continue another one."""
    shared_epochs: float
    epochs: float
    """Of all of them; 0 where they do not count epochs."""
    spent_s: float
    alone_s: float
    """As if each had trained all by itself."""

    def __str__(self) -> str:
        what = (
            f"{self.shared_epochs:g} of {self.epochs:g} epochs" if self.epochs else f"the beginning of {self.runs} runs"
        )
        return f"shared {what}: {self.spent_s:,.1f} s spent, {self.alone_s:,.1f} s as if alone"


def sharing(runs: Iterable[RunView]) -> Sharing | None:
    """What runs shared; None where none of them continues another."""
    runs = list(runs)
    found = [beginning for run in runs if (beginning := beginning_of(run)) is not None]
    if not found:
        return None
    return Sharing(
        runs=len(found),
        shared_epochs=sum(beginning.epochs or 0.0 for beginning in found),
        epochs=sum(run.metrics[_EPOCH].max for run in runs if _EPOCH in run.metrics),
        spent_s=sum(run.duration_s or 0.0 for run in runs),
        alone_s=sum(alone_s(run) or 0.0 for run in runs),
    )

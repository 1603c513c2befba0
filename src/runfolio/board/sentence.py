"""Sentence at the top of an experiment's page. It names the best run, its lead, and the number of runs that are equally
good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runfolio.query.selection.metric_names import Mode, Split, split_of
from runfolio.record.base.run_document import RUNNING
from runfolio.record.liveness.heartbeats import CRASHED

Words = Sequence[tuple[str, bool]]
"""Parts of a sentence. True marks a part that is emphasised."""

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DATA: dict[Split, str] = {"validation": "validation images", "test": "test images", "train": "training images"}
_DIGITS = 3
"""Minimum number of significant digits of a value."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Best run, and the runs that compete with it."""

    name: str
    metric: str
    mode: Mode
    value: float
    images: int | None
    """Number of images on which the value was measured, or None if the value is not a proportion of images."""
    others: int | None
    """Number of other runs that were compared with the best run, or None if no runs were compared."""
    tied: int
    """Number of other runs that cannot be distinguished from the best run."""
    has_diverged: bool = False
    """True if a loss of the best run ended as NaN or infinite."""
    second: tuple[str, float] | None
    """Name and value of the second-best run."""


@dataclass(frozen=True, kw_only=True)
class GroupLead:
    """Group with the best mean, and the groups that compete with it."""

    name: str
    metric: str
    mean: float
    half: float | None
    """Half the width of the 95 % interval for the mean, or None for a single run."""
    runs: int
    others: int
    """Number of other groups with a value."""
    compared: int
    """Number of other groups that were compared with the best group. Only groups of several runs are compared."""
    tied: int
    """Number of other groups that cannot be distinguished from the best group."""
    empty: int
    """Number of groups without a value."""


def describe_groups(lead: GroupLead | None, states: Mapping[str, int]) -> Words:
    """Return a sentence about the best group, and a sentence about runs that are running or failed.

    Args:
        lead: Best group, or None if no group has a value.
        states: Number of runs in each state.
    """
    leading = _leading_group(lead) if lead else [("No group has a result yet.", False)]
    if lead and lead.empty:
        subject = f" {_word(lead.empty).capitalize()} {'group has' if lead.empty == 1 else 'groups have'}"
        leading.append((f"{subject} no result.", False))
    return [*leading, *([(f" {text}", False)] if (text := _states(states)) else [])]


def _leading_group(lead: GroupLead) -> list[tuple[str, bool]]:
    spread = "" if lead.half is None else f" ± {lead.half:.2g}"
    runs = "one run" if lead.runs == 1 else f"{lead.runs:,} runs"
    shown = [
        (lead.name, True),
        (f" leads with a mean {lead.metric} of ", False),
        (f"{number(lead.mean)}{spread}", True),
        (f" over {runs}", False),
    ]
    if lead.others == 0:
        return [*shown, (".", False)]
    if lead.compared == 0:
        return [*shown, (". Without repeated runs, it cannot be compared with the other groups.", False)]
    repeated = "" if lead.compared == lead.others else " with several runs"
    if lead.tied == 0:
        others = "the other group" if lead.compared == 1 else f"each of the {lead.compared:,} other groups"
        return [*shown, (f", and the difference to {others}{repeated} is more than chance.", False)]
    if lead.compared == 1:
        return [*shown, (f", but the other group{repeated} cannot be distinguished from it.", False)]
    if lead.tied == lead.compared:
        none = f"none of the {lead.compared:,} other groups{repeated}"
        return [*shown, (", but ", False), (none, True), (" can be distinguished from it.", False)]
    tied = f"{lead.tied:,} of the {lead.compared:,} other groups{repeated}"
    return [*shown, (", but ", False), (tied, True), (" cannot be distinguished from it.", False)]


def describe_lead(lead: Lead | None, states: Mapping[str, int]) -> Words:
    """Return a sentence about the best run, and a sentence about runs that are running or failed.

    Args:
        lead: Best run, or None if no run has a value.
        states: Number of runs in each state.
    """
    leading = [] if lead is None else _leading(lead)
    if lead is None and states:
        leading = [("No run has logged a result yet.", False)]
    return [*leading, *([(f" {text}", False)] if (text := _states(states)) else [])]


def _leading(lead: Lead) -> list[tuple[str, bool]]:
    value = number(lead.value, lead.images)
    if lead.images is None:
        shown = [(lead.name, True), (f" leads with {lead.metric} ", False), (value, True)]
    else:
        kind = _DATA.get(split_of(lead.metric), "images")
        shown = [(lead.name, True), (" leads with ", False), (value, True), (f" on {lead.images:,} {kind}", False)]
    end = [(" A loss of this run ended as NaN or infinite.", False)] if lead.has_diverged else []
    return [*shown, *_rivals(lead), *end]


def _rivals(lead: Lead) -> list[tuple[str, bool]]:
    """Return the end of the sentence, which compares the best run with the others."""
    if not lead.others:
        return [(".", False)]
    if lead.images is None:
        return _distance(lead)
    if lead.tied == 0:
        others = "the other run" if lead.others == 1 else f"each of the {lead.others:,} others"
        return [(f", and the difference to {others} is more than chance.", False)]
    if lead.others == 1:
        return [(", but the other run cannot be distinguished from it.", False)]
    if lead.tied == lead.others:
        return [
            (", but ", False),
            (f"none of the {lead.others:,} others", True),
            (" can be distinguished from it.", False),
        ]
    return [
        (", but ", False),
        (f"{lead.tied:,} of the {lead.others:,} others", True),
        (" cannot be distinguished from it.", False),
    ]


def _distance(lead: Lead) -> list[tuple[str, bool]]:
    assert lead.second is not None
    name, value = lead.second
    difference = abs(lead.value - value)
    if difference == 0:
        return [(", and ", False), (name, True), (" has the same value.", False)]
    if not math.isfinite(difference):
        return [(".", False)]
    direction = "ahead of" if lead.mode == "max" else "below"
    return [(f", {difference:.2g} {direction} ", False), (name, True), (".", False)]


def _states(counts: Mapping[str, int]) -> str:
    """Return a sentence such as `One run is training, two failed.`, or an empty string if there are no such runs."""
    parts = []
    if running := counts.get(RUNNING, 0):
        parts.append(f"{_word(running)} {'run is' if running == 1 else 'runs are'} training")
    for state, verb in (("failed", "failed"), (CRASHED, "crashed")):
        if broken := counts.get(state, 0):
            noun = "" if parts else " run" if broken == 1 else " runs"
            parts.append(f"{_word(broken)}{noun} {verb}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _word(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"


def number(value: float, images: int | None = None) -> str:
    """Return the text of a value, with as many digits as the measurement supports.

    Args:
        images: Number of images, if the value is a proportion of images. The text then has enough digits to show a
            difference of one image.
    """
    if images is None or not 0 < value < 1:
        return f"{value:.{_DIGITS + 1}g}"
    return f"{value:.{max(_DIGITS, math.ceil(math.log10(images)))}f}"

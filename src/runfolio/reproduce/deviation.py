"""Deviations from the record: differences between the recorded run and the current state or the repeated run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runfolio.record.base.files import number_to_json

DeviationKind = Literal["code", "flag", "setting", "data", "package", "hardware", "environment", "seeds"]
DEVIATION_KINDS: tuple[DeviationKind, ...] = get_args(DeviationKind)
"""Kinds of deviations. Kinds that are likelier to cause a different result come first."""


@dataclass(frozen=True)
class Deviation:
    """One difference between the recorded run and the current state or the repeated run."""

    kind: DeviationKind
    name: str
    """Name of a file, flag, package or image, or of a property of the machine."""
    before: Any
    """Value in the original run, or None if it had no value."""
    after: Any
    remark: str = ""
    rank: int = 1
    """Position among deviations of one kind. A lower rank means a likelier cause."""

    @property
    def text(self) -> str:
        """Description in one line."""
        if self.kind == "code":
            return f"{self.name}: {self.remark}"
        return f"{self.name}: {_shown(self.before)} -> {_shown(self.after)}" + (
            f" ({self.remark})" if self.remark else ""
        )


def sort_deviations(deviations: Iterable[Deviation]) -> list[Deviation]:
    """Remove duplicates, and sort the deviations. The likeliest causes of a different result come first."""
    unique: dict[tuple[DeviationKind, str], Deviation] = {}
    for deviation in deviations:
        unique.setdefault((deviation.kind, deviation.name), deviation)
    return sorted(unique.values(), key=lambda deviation: (DEVIATION_KINDS.index(deviation.kind), deviation.rank))


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    return str(number_to_json(value)) if isinstance(value, float) else str(value)

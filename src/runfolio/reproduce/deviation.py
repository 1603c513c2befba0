"""A deviation from the record: one thing that is not as it was when a run was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runfolio.record.base.files import number_to_json

DeviationKind = Literal["code", "flag", "setting", "data", "package", "hardware", "environment", "seeds"]
DEVIATION_KINDS: tuple[DeviationKind, ...] = get_args(DeviationKind)
"""The likeliest cause of another result first."""


@dataclass(frozen=True)
class Deviation:
    """Something that was one way then and is another way now."""

    kind: DeviationKind
    name: str
    """A file, flag, package, image, fact of the machine."""
    before: Any
    """None where there was nothing."""
    after: Any
    remark: str = ""
    rank: int = 1
    """Of two of a kind, the one with the lower is the likelier cause."""

    @property
    def text(self) -> str:
        """In one line."""
        if self.kind == "code":
            return f"{self.name}: {self.remark}"
        return f"{self.name}: {_shown(self.before)} -> {_shown(self.after)}" + (
            f" ({self.remark})" if self.remark else ""
        )


def sort_deviations(deviations: Iterable[Deviation]) -> list[Deviation]:
    """Each thing once, as it was named first; the likeliest cause first."""
    unique: dict[tuple[DeviationKind, str], Deviation] = {}
    for deviation in deviations:
        unique.setdefault((deviation.kind, deviation.name), deviation)
    return sorted(unique.values(), key=lambda deviation: (DEVIATION_KINDS.index(deviation.kind), deviation.rank))


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    return str(number_to_json(value)) if isinstance(value, float) else str(value)

"""One thing that is not as it was when a run was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runfolio.record.base.files import number_to_json

Kind = Literal["code", "flag", "setting", "data", "package", "hardware", "environment", "seeds"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The likeliest cause of another result first."""


@dataclass(frozen=True)
class Difference:
    """Something that was one way then and is another way now."""

    kind: Kind
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


def sort(differences: Iterable[Difference]) -> list[Difference]:
    """Each thing once, as it was named first; the likeliest cause first."""
    known: dict[tuple[Kind, str], Difference] = {}
    for each in differences:
        known.setdefault((each.kind, each.name), each)
    return sorted(known.values(), key=lambda it: (KINDS.index(it.kind), it.rank))


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    return str(number_to_json(value)) if isinstance(value, float) else str(value)

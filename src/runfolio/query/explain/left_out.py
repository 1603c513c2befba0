"""Description of the logged data that could not be stored."""

from __future__ import annotations

from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import OTHERS, STEPS, RunDocument


def left_out_sentences(document: RunDocument) -> list[str]:
    """Return one sentence per kind of logged data that could not be stored."""
    counts = dict(document.refused)
    steps, other_values = counts.pop(STEPS, 0), counts.pop(OTHERS, 0)
    calls = {name[1:-1]: counts.pop(name) for name in list(counts) if name.startswith("(") and name.endswith(")")}
    sentences = [
        f"{counted(number, 'value')} of '{name}' could not be stored and {_were(number)} left out"
        for name, number in counts.items()
    ]
    sentences += [f"{counted(number, 'call')} of {name} {_were(number)} left out" for name, number in calls.items()]
    sentences += (
        [f"{counted(other_values, 'value')} of other names {_were(other_values)} left out"] if other_values else []
    )
    sentences += [f"{counted(steps, 'step')} {_were(steps)} incomplete and {_were(steps)} replaced"] if steps else []
    return sentences


def _were(number: int) -> str:
    return "was" if number == 1 else "were"

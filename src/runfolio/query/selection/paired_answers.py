"""Paired comparison of classifiers by their answers, which are the recorded predictions, to the same items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runfolio.query.run_view import RunView
from runfolio.query.selection.significance import holm, mcnemar_p
from runfolio.record.base.layout import ANSWERS
from runfolio.record.base.record_path import RecordPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runfolio.query.recorded_answers import Answers

_MOST_RUNS = 20
"""Maximum number of runs whose answers are read."""
_MOST_NAMED = 3
_FIRST_SPLITS = ("val", "test")


@dataclass(frozen=True)
class PairedResult:
    """Accuracies of several runs on the items that all of these runs answered. McNemar's test compares each run with
    the best run."""

    split: str
    items: int
    """Number of items that all runs answered."""
    accuracies: list[float]
    """Accuracy of each run on these items."""
    ps: list[float]
    """P value of the difference between each run and the best run. It is 1 for the best run itself."""

    @property
    def best(self) -> int:
        """Index of the run with the highest accuracy. If several runs share this accuracy, the first of them is
        used."""
        return self.accuracies.index(max(self.accuracies))

    @property
    def tied(self) -> list[bool]:
        """One value per run: True for a run that is not the best but does not differ significantly from it (Holm's
        procedure)."""
        rivals = [index for index in range(len(self.ps)) if index != self.best]
        differing = dict(zip(rivals, holm([self.ps[index] for index in rivals]), strict=True))
        return [not differing.get(index, True) for index in range(len(self.ps))]

    def sentence(self, labels: Sequence[str]) -> str:
        """Return the result in one sentence.

        Args:
            labels: Label of each run.
        """
        answered = f"On the {self.items:,} {self.split} items that {'both' if len(labels) == 2 else 'all'} answered"
        if len(labels) == 2:
            return f"{answered}, {self._pair_text(labels)} (McNemar's test, {_p_text(min(self.ps))})."
        tied = [label for label, is_tied in zip(labels, self.tied, strict=True) if is_tied]
        names = ", ".join(tied) if len(tied) <= _MOST_NAMED else f"{len(tied)} others"
        verb = "do" if len(tied) > 1 else "does"
        rest = f"; {names} {verb} not differ significantly from it" if tied else ", and all others differ significantly"
        return f"{answered}, {labels[self.best]} has the best accuracy{rest} (McNemar's test)."

    def _pair_text(self, labels: Sequence[str]) -> str:
        if any(self.tied):
            first, second = self.accuracies
            return f"the accuracies {first:.3f} and {second:.3f} do not differ significantly"
        return f"{labels[self.best]} is better: {max(self.accuracies):.3f} against {min(self.accuracies):.3f}"


def compare_answers(runs: Sequence[RunView]) -> list[PairedResult]:
    """Compare the runs on each split for which all runs have recorded answers (`Run.log_answers`).

    Items are matched by name. A split is left out if the names of its items are not unique, or if the answers are
    values instead of classes. It is also left out if an item has different true classes or contents in two runs.
    Nothing is compared if there are more than `_MOST_RUNS` runs.

    Returns:
        One result per split, validation and test first.
    """
    if len(runs) > _MOST_RUNS or not all(RecordPath(run.folder, ANSWERS).entries() for run in runs):
        return []
    from runfolio.record.content.answer_files import list_answers  # imports Arrow, which most comparisons do not need

    splits = set.intersection(*({file.split for file in list_answers(run.folder)} for run in runs))
    ordered = sorted(splits, key=lambda split: (split not in _FIRST_SPLITS, split == "test", split))
    return [result for split in ordered if (result := _compare_split(runs, split)) is not None]


def _compare_split(runs: Sequence[RunView], split: str) -> PairedResult | None:
    from runfolio.errors import RunfolioError
    from runfolio.query.recorded_answers import read_answers

    try:
        tables = [_by_name(read_answers(run.folder, split)) for run in runs]
    except RunfolioError:  # `runfolio doctor` reports damaged answers
        return None
    complete = [table for table in tables if table is not None]
    if len(complete) < len(runs):
        return None
    names = sorted(set.intersection(*map(set, complete)))
    if not names or not all(_same_item(table[name] for table in complete) for name in names):
        return None
    import numpy as np

    return _test(split, np.array([[table[name].is_correct for name in names] for table in complete]))


@dataclass(frozen=True, slots=True)
class _Answer:
    truth: str
    digest: str | None
    is_correct: bool


def _by_name(answers: Answers) -> dict[str, _Answer] | None:
    """Return the answers keyed by item. Return None if the names are not unique or the answers are not classes."""
    classes = answers.classes
    if classes is None or len(set(answers.names)) < len(answers):
        return None
    digests = answers.digests or [None] * len(answers)
    truths: list[int] = answers.truths.tolist()
    correct: list[bool] = (answers.predictions == answers.truths).tolist()
    return {
        name: _Answer(classes[truth], digest or None, is_correct)
        for name, truth, digest, is_correct in zip(answers.names, truths, digests, correct, strict=True)
    }


def _same_item(answers: Iterable[_Answer]) -> bool:
    """Return whether the answers can belong to one item. Their true classes must be equal, and their known digests must
    be equal."""
    listed = list(answers)
    digests = {answer.digest for answer in listed if answer.digest is not None}
    return len({answer.truth for answer in listed}) == 1 and len(digests) <= 1


def _test(split: str, correct: NDArray[Any]) -> PairedResult:
    """Apply McNemar's test to an array of shape [runs, items] that is True for each correct answer."""
    accuracies = [float(row.mean()) for row in correct]
    best = correct[accuracies.index(max(accuracies))]
    ps = [mcnemar_p(int((best & ~row).sum()), int((row & ~best).sum())) for row in correct]
    return PairedResult(split, correct.shape[1], accuracies, ps)


def _p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"

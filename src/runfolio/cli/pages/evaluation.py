"""Evaluations in the terminal: one model on one page, or several in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.cli.output import formatting
from runfolio.cli.output.output import Column, Table, line, say, show_table, stdout, width_of
from runfolio.cli.output.tables import COSTS, brief, interval, marked

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.vision.evaluation.evaluate import EvaluationResult

_MATRIX_AT_MOST = 20
"""Classes whose counts still make a matrix that can be read."""
_CONFUSIONS_AT_MOST = 10


def print_evaluation(run: RecordedRun, result: EvaluationResult) -> None:
    """The figures of one model, a row for each class, and what it takes for what."""
    line(f"{run.name} ({run.id}) on {_images(result)}\n", style="bold")
    for text in _overall(result):
        line(text)
    line("")
    show_table(_classes(result), "table")
    if result.mistakes:
        line("")
        show_table(_confusion(result, stdout().width), "table")


def print_rivals(runs: Sequence[RecordedRun], results: Sequence[EvaluationResult]) -> None:
    """A row for each run, best first; `=` marks those that so many images cannot tell from the best."""
    table = rivals_table(runs, results)
    show_table(table, "table")
    tied = sum(row["tied"] for row in table.rows)
    test = "McNemar's test, 5 % for all together by Holm's procedure"
    marks = f" These images cannot tell {tied} of the others from the best, marked = ({test})." if tied else ""
    line("")
    say(f"Best first by accuracy on {_images(results[0])}.{marks}")


def rivals_table(runs: Sequence[RecordedRun], results: Sequence[EvaluationResult]) -> Table:
    """Several models on the same images, best first, and what each costs."""
    from runfolio.query.tables.run_labels import labels

    rows: list[dict[str, Any]] = [
        {
            "run": label,
            "accuracy": result.accuracy,
            "interval": interval(*result.interval),
            "loss": result.loss,
            "calibration_error": result.calibration.error,
            "tied": is_tied,
            **{cost: run.flat_summary.get(cost) for cost in COSTS},
        }
        for label, run, result, is_tied in zip(labels(runs), runs, results, _tied(results), strict=True)
    ]
    rows.sort(key=lambda row: row["accuracy"], reverse=True)
    tied = ["=" * row["tied"] for row in rows]
    columns = [
        Column(key="run", title="run", show=formatting.each(str)),
        Column(key="accuracy", title="accuracy", show=lambda values: marked(brief(values), tied), number=True),
        Column(key="interval", title="95 %\ninterval", show=formatting.each(str), number=True),
        Column(key="loss", title="loss", show=brief, number=True),
        Column(key="calibration_error", title="calibration\nerror", show=brief, number=True, spare=True),
        *COSTS.values(),
    ]
    return Table(columns=columns, rows=rows, best=0)


def _tied(results: Sequence[EvaluationResult]) -> list[bool]:
    """Which results the images cannot tell from the best one, by the images that only one of the two got right."""
    from runfolio.query.selection.significance import holm, mcnemar_p

    wrong = [{mistake.index for mistake in result.mistakes} for result in results]
    best = min(range(len(wrong)), key=lambda place: len(wrong[place]))
    others = [place for place in range(len(wrong)) if place != best]
    told = holm([mcnemar_p(len(wrong[place] - wrong[best]), len(wrong[best] - wrong[place])) for place in others])
    alike = {place for place, is_told in zip(others, told, strict=True) if not is_told}
    return [place in alike for place in range(len(wrong))]


def _images(result: EvaluationResult) -> str:
    return f"the {result.images:,} {result.split} images of {result.data}"


def _overall(result: EvaluationResult) -> list[str]:
    """Name, figure and what it is, a line each."""
    right = result.images - len(result.mistakes)
    bins = len(result.calibration.bins)
    facts = [
        ("accuracy", result.accuracy, f"{right:,} of {result.images:,}; 95 % interval {interval(*result.interval)}"),
        ("loss", result.loss, "mean cross-entropy"),
        ("calibration error", result.calibration.error, f"mean gap between probability and share right, {bins} bins"),
    ]
    # Among all classes the true one always is.
    top = [(f"top-{k}", share) for k, share in result.top_k.items() if 1 < k < len(result.classes)]
    if top:
        (name, share), *others = top
        facts.insert(1, (name, share, "  ".join(f"{name} {share:.3f}" for name, share in others)))
    return [f"{name:<17}  {figure:>6.3f}  {note}".rstrip() for name, figure, note in facts]


def _classes(result: EvaluationResult) -> Table:
    columns = [
        Column(key="name", title="class", show=formatting.each(str)),
        Column(key="images", title="images", show=formatting.each(formatting.count), number=True),
        *(Column(key=key, title=key, show=brief, number=True) for key in ("precision", "recall", "f1")),
    ]
    return Table(columns=columns, rows=[row._asdict() for row in result.per_class])


class _Count(NamedTuple):
    """A cell of the confusion matrix."""

    images: int
    right: bool


def _confusion(result: EvaluationResult, width: int) -> Table:
    """The whole matrix where it fits, under numbers if the names are too long; else the most frequent confusions."""
    if len(result.classes) <= _MATRIX_AT_MOST:
        for numbered in (False, True):
            table = _matrix(result, numbered=numbered)
            if width_of(table) <= width:
                return table
    return _confusions(result)


def _matrix(result: EvaluationResult, *, numbered: bool) -> Table:
    numbers = [str(number) for number, _ in enumerate(result.classes, start=1)]
    names = [f"{number:>2} {name}" if numbered else name for number, name in zip(numbers, result.classes, strict=True)]
    columns = [
        Column(key="true", title="true \\ said", show=formatting.each(str)),
        *(
            Column(
                key=number,
                title=number if numbered else name,
                show=formatting.each(lambda count: f"{count.images:,}" if count.images else "·"),
                number=True,
                style=lambda count: "green" if count.right else "red" if count.images else "dim",
            )
            for number, name in zip(numbers, result.classes, strict=True)
        ),
    ]
    rows = [
        {"true": name}
        | {
            number: _Count(images, right=said == true)
            for said, (number, images) in enumerate(zip(numbers, counts, strict=True))
        }
        for true, (name, counts) in enumerate(zip(names, result.confusion, strict=True))
    ]
    return Table(columns=columns, rows=rows)


def _confusions(result: EvaluationResult) -> Table:
    pairs = [
        {"true": result.classes[true], "said": result.classes[said], "images": images}
        for true, counts in enumerate(result.confusion)
        for said, images in enumerate(counts)
        if images and said != true
    ]
    pairs.sort(key=lambda pair: pair["images"], reverse=True)
    columns = [
        Column(key="true", title="most often: true", show=formatting.each(str)),
        Column(key="said", title="said", show=formatting.each(str)),
        Column(key="images", title="images", show=formatting.each(formatting.count), number=True),
    ]
    return Table(columns=columns, rows=pairs[:_CONFUSIONS_AT_MOST])

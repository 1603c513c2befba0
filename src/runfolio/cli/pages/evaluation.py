"""Print the evaluation of one model in detail, or the evaluations of several models as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line, print_text, stdout_console
from runfolio.cli.output.display_table import Column, DisplayTable, print_table, table_width
from runfolio.cli.output.tables import COSTS, interval_text, three_digits, with_marks
from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.vision.evaluation.evaluate import EvaluationResult

_MAX_MATRIX_CLASSES = 20
"""Maximum number of classes for which the whole confusion matrix is printed."""
_MAX_CONFUSIONS = 10


def print_evaluation(run: RecordedRun, result: EvaluationResult) -> None:
    """Print the overall results of one model, a table with one row per class, and the confusions between classes."""
    print_line(f"{run.name} ({run.id}) on {_images_text(result)}", "bold")
    print_line("")
    for text in _overall_lines(result):
        print_line(text)
    print_line("")
    print_table(_class_table(result))
    if result.mistakes:
        print_line("")
        print_table(_confusion_table(result, stdout_console().width))


def print_rivals(runs: Sequence[RecordedRun], results: Sequence[EvaluationResult]) -> None:
    """Print one row per run, best first. `=` marks runs that do not differ significantly from the best run."""
    table = rivals_table(runs, results)
    print_table(table)
    tied = sum(row["tied"] for row in table.rows)
    test = "McNemar's test with Holm's procedure, overall error rate 5 %"
    marks = (
        f" On these images, {tied} of the other runs (marked =) {'does' if tied == 1 else 'do'} not differ"
        f" significantly from the best ({test})."
        if tied
        else ""
    )
    print_line("")
    print_text(f"Best first by accuracy on {_images_text(results[0])}.{marks}")


def rivals_table(runs: Sequence[RecordedRun], results: Sequence[EvaluationResult]) -> DisplayTable:
    """Return a table with one row per model, best first. It shows the results on the same images, and the cost of using
    the model."""
    from runfolio.query.tables.run_labels import unique_labels

    rows: list[dict[str, Any]] = [
        {
            "run": label,
            "accuracy": result.accuracy,
            "interval": interval_text(*result.interval),
            "loss": result.loss,
            "calibration_error": result.calibration.error,
            "tied": is_tied,
            **{cost: run.flat_summary.get(cost) for cost in COSTS},
        }
        for label, run, result, is_tied in zip(unique_labels(runs), runs, results, _tied(results), strict=True)
    ]
    rows.sort(key=lambda row: row["accuracy"], reverse=True)
    tied = ["=" * row["tied"] for row in rows]
    columns = [
        Column(key="run", title="run", formatter=formatting.elementwise(str)),
        Column(
            key="accuracy",
            title="accuracy",
            formatter=lambda values: with_marks(three_digits(values), tied),
            number=True,
        ),
        Column(key="interval", title="95 %\ninterval", formatter=formatting.elementwise(str), number=True),
        Column(key="loss", title="loss", formatter=three_digits, number=True),
        Column(key="calibration_error", title="calibration\nerror", formatter=three_digits, number=True, optional=1),
        *COSTS.values(),
    ]
    return DisplayTable(columns=columns, rows=rows, best=0)


def _tied(results: Sequence[EvaluationResult]) -> list[bool]:
    """Return True for each result that does not differ significantly from the best result, and False for the others.

    McNemar's test compares the images that only one of the two models classified correctly.
    """
    from runfolio.query.selection.significance import holm, mcnemar_p

    wrong = [{mistake.index for mistake in result.mistakes} for result in results]
    best = min(range(len(wrong)), key=lambda index: len(wrong[index]))
    rivals = [index for index in range(len(wrong)) if index != best]
    distinguishable = holm(
        [mcnemar_p(len(wrong[index] - wrong[best]), len(wrong[best] - wrong[index])) for index in rivals]
    )
    tied = {index for index, differs in zip(rivals, distinguishable, strict=True) if not differs}
    return [index in tied for index in range(len(wrong))]


def _images_text(result: EvaluationResult) -> str:
    return f"the {result.images:,} {result.split} images of {result.data}"


def _overall_lines(result: EvaluationResult) -> list[str]:
    """Return one line per measurement, with its name, value and meaning."""
    right = result.images - len(result.mistakes)
    bins = len(result.calibration.bins)
    facts = [
        (
            "accuracy",
            result.accuracy,
            f"{right:,} of {result.images:,}; 95 % interval {interval_text(*result.interval)}",
        ),
        ("loss", result.loss, "mean cross-entropy"),
        ("calibration error", result.calibration.error, f"mean gap between probability and accuracy, {bins} bins"),
    ]
    # With k equal to the number of classes, top-k accuracy is always 1.
    top = [(f"top-{k}", share) for k, share in result.top_k.items() if 1 < k < len(result.classes)]
    if top:
        (name, share), *following = top
        facts.insert(1, (name, share, "  ".join(f"{name} {share:.3f}" for name, share in following)))
    return [f"{name:<17}  {figure:>6.3f}  {note}".rstrip() for name, figure, note in facts]


def _class_table(result: EvaluationResult) -> DisplayTable:
    columns = [
        Column(key="name", title="class", formatter=formatting.elementwise(str)),
        Column(key="images", title="images", formatter=formatting.elementwise(formatting.count), number=True),
        *(Column(key=key, title=key, formatter=three_digits, number=True) for key in ("precision", "recall", "f1")),
    ]
    return DisplayTable(columns=columns, rows=[row._asdict() for row in result.per_class])


class _Count(NamedTuple):
    """Cell of the confusion matrix."""

    images: int
    right: bool


def _confusion_table(result: EvaluationResult, width: int) -> DisplayTable:
    """Return the confusion matrix, or the most frequent confusions if the matrix does not fit the width.

    If the class names are too wide for column titles, the titles are numbers.
    """
    if len(result.classes) <= _MAX_MATRIX_CLASSES:
        for numbered in (False, True):
            table = _matrix(result, numbered=numbered)
            if table_width(table) <= width:
                return table
    return _most_frequent_confusions(result)


def _matrix(result: EvaluationResult, *, numbered: bool) -> DisplayTable:
    numbers = [str(number) for number, _ in enumerate(result.classes, start=1)]
    names = [f"{number:>2} {name}" if numbered else name for number, name in zip(numbers, result.classes, strict=True)]
    columns = [
        Column(key="true", title="true \\ said", formatter=formatting.elementwise(str)),
        *(
            Column(
                key=number,
                title=number if numbered else visible_line(name),
                formatter=formatting.elementwise(lambda count: f"{count.images:,}" if count.images else "·"),
                number=True,
                style=lambda count: "green" if count.right else "red" if count.images else "dim",
            )
            for number, name in zip(numbers, result.classes, strict=True)
        ),
    ]
    rows = [
        {"true": name}
        | {
            number: _Count(images, right=predicted == true)
            for predicted, (number, images) in enumerate(zip(numbers, counts, strict=True))
        }
        for true, (name, counts) in enumerate(zip(names, result.confusion, strict=True))
    ]
    return DisplayTable(columns=columns, rows=rows)


def _most_frequent_confusions(result: EvaluationResult) -> DisplayTable:
    pairs = [
        {"true": result.classes[true], "said": result.classes[predicted], "images": images}
        for true, counts in enumerate(result.confusion)
        for predicted, images in enumerate(counts)
        if images and predicted != true
    ]
    pairs.sort(key=lambda pair: pair["images"], reverse=True)
    columns = [
        Column(key="true", title="most often: true", formatter=formatting.elementwise(str)),
        Column(key="said", title="said", formatter=formatting.elementwise(str)),
        Column(key="images", title="images", formatter=formatting.elementwise(formatting.count), number=True),
    ]
    return DisplayTable(columns=columns, rows=pairs[:_MAX_CONFUSIONS])

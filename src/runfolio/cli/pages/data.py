"""Print the description of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.display_table import Column, DisplayTable, print_table

if TYPE_CHECKING:
    from runfolio.vision.data import DataDescription, SizeRange, SplitDescription

_MAX_NAMED = 3
_MAX_BAD = 10


def print_data(data: DataDescription) -> None:
    """Print the splits of a data set, the number and sizes of its images, duplicate images and unreadable files."""
    print_line(f"{data.name}: {len(data.classes)} classes", "bold")
    print_line("")
    print_table(_counts(data))
    print_line("")
    print_table(_sizes(data))
    print_line("")
    for notice in data.notices:
        print_line(notice, style="yellow")
    _print_duplicates(data)
    print_line(f"fingerprint  {', '.join(f'{name} {part.fingerprint[:8]}' for name, part in _splits(data).items())}")
    _warn_of_bad_images(data.bad_images)


def _splits(data: DataDescription) -> dict[str, SplitDescription]:
    """Return the splits of the data in display order."""
    return {"train": data.train, **({"val": data.val} if data.val else {}), "test": data.test}


def _counts(data: DataDescription) -> DisplayTable:
    splits = _splits(data)
    rows: list[dict[str, Any]] = [
        {"class": name, **{split: part.class_counts[name] for split, part in splits.items()}} for name in data.classes
    ]
    rows.append({"class": "all", **{split: part.images for split, part in splits.items()}})
    columns = [
        Column(key="class", title="class", formatter=formatting.elementwise(str)),
        *(
            Column(key=split, title=split, formatter=formatting.elementwise(formatting.count), number=True)
            for split in splits
        ),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _sizes(data: DataDescription) -> DisplayTable:
    rows = [_size_row(split, part) for split, part in _splits(data).items()]
    columns = [
        Column(key="split", title="pixels", formatter=formatting.elementwise(str)),
        Column(key="width", title="width", formatter=formatting.elementwise(str)),
        Column(key="height", title="height", formatter=formatting.elementwise(str)),
        Column(key="modes", title="mode", formatter=formatting.elementwise(str)),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _size_row(split: str, part: SplitDescription) -> dict[str, str]:
    modes = [mode if len(part.modes) == 1 else f"{mode} {count:,}" for mode, count in part.modes.items()]
    return {"split": split, "width": _range(part.width), "height": _range(part.height), "modes": ", ".join(modes)}


def _range(size: SizeRange) -> str:
    if size.smallest == size.largest:
        return f"{size.smallest:,}"
    return f"{size.smallest:,} to {size.largest:,}, median {size.median:,.0f}"


def _print_duplicates(data: DataDescription) -> None:
    """Print the duplicate images, starting with images that are in both the training and the test set."""
    if data.shared:
        pairs = [f"{pair.test} = {pair.train}" for pair in data.shared]
        predicate = "test image is a training image" if len(pairs) == 1 else "test images are training images"
        print_line(
            f"{len(pairs):,} {predicate} too, so test results are too good: {_joined_examples(pairs)}",
            style="yellow",
        )
    for split, part in (("training", data.train), ("validation", data.val), ("test", data.test)):
        if part and part.duplicates:
            groups = [_joined_examples(group, " = ") for group in part.duplicates]
            more = sum(len(group) - 1 for group in part.duplicates)
            repeats = "s repeat others" if more > 1 else " repeats another"
            print_line(f"{more:,} {split} image{repeats}: {_joined_examples(groups)}")
    if not (data.shared or any(part.duplicates for part in _splits(data).values())):
        print_line("no duplicate images")


def _joined_examples(examples: Sequence[str], between: str = "; ") -> str:
    more = len(examples) - _MAX_NAMED
    return between.join(examples[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _warn_of_bad_images(bad: Sequence[str]) -> None:
    if not bad:
        return
    more = [f"and {len(bad) - _MAX_BAD:,} more"] if len(bad) > _MAX_BAD else []
    left_out = f"{len(bad):,} bad file{'s' * (len(bad) > 1)} left out"
    print_warnings([*bad[:_MAX_BAD], *more, f"{left_out}; to train on the others, add --skip-bad-images"])

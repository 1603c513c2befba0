"""A data set on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.output import Column, Table, line, show_table, warn

if TYPE_CHECKING:
    from runfolio.vision.data import DataDescription, SizeRange, SplitDescription

_NAMED_AT_MOST = 3
_BAD_AT_MOST = 10


def print_data(data: DataDescription) -> None:
    """Counts, sizes, images that are there twice, files that cannot be read."""
    line(f"{data.name}: {len(data.classes)} classes\n", style="bold")
    show_table(_counts(data), "table")
    line("")
    show_table(_sizes(data), "table")
    line("")
    _print_twice(data)
    line(f"fingerprint  train {data.train.fingerprint[:8]}, test {data.test.fingerprint[:8]}")
    _warn_of_bad_images(data.bad_images)


def _counts(data: DataDescription) -> Table:
    rows: list[dict[str, Any]] = [
        {"class": name, "train": data.train.class_counts[name], "test": data.test.class_counts[name]}
        for name in data.classes
    ]
    rows.append({"class": "all", "train": data.train.images, "test": data.test.images})
    columns = [
        Column(key="class", title="class", show=formatting.each(str)),
        Column(key="train", title="train", show=formatting.each(formatting.count), number=True),
        Column(key="test", title="test", show=formatting.each(formatting.count), number=True),
    ]
    return Table(columns=columns, rows=rows)


def _sizes(data: DataDescription) -> Table:
    rows = [_size_row("train", data.train), _size_row("test", data.test)]
    columns = [
        Column(key="split", title="pixels", show=formatting.each(str)),
        Column(key="width", title="width", show=formatting.each(str)),
        Column(key="height", title="height", show=formatting.each(str)),
        Column(key="modes", title="mode", show=formatting.each(str)),
    ]
    return Table(columns=columns, rows=rows)


def _size_row(split: str, part: SplitDescription) -> dict[str, str]:
    modes = [mode if len(part.modes) == 1 else f"{mode} {count:,}" for mode, count in part.modes.items()]
    return {"split": split, "width": _range(part.width), "height": _range(part.height), "modes": ", ".join(modes)}


def _range(size: SizeRange) -> str:
    if size.smallest == size.largest:
        return f"{size.smallest:,}"
    return f"{size.smallest:,} to {size.largest:,}, median {size.median:,.0f}"


def _print_twice(data: DataDescription) -> None:
    """Images that are there more than once, the ones that spoil a test first."""
    if data.shared:
        pairs = [f"{pair.test} = {pair.train}" for pair in data.shared]
        what = "test image is a training image" if len(pairs) == 1 else "test images are training images"
        line(f"{len(pairs):,} {what} too, so a test on this data flatters: {_some(pairs)}", style="yellow")
    for split, part in (("training", data.train), ("test", data.test)):
        if part.duplicates:
            groups = [_some(group, " = ") for group in part.duplicates]
            more = sum(len(group) - 1 for group in part.duplicates)
            line(f"{more:,} {split} image{'s repeat others' if more > 1 else ' repeats another'}: {_some(groups)}")
    if not (data.shared or data.train.duplicates or data.test.duplicates):
        line("no image is there twice")


def _some(examples: Sequence[str], between: str = "; ") -> str:
    more = len(examples) - _NAMED_AT_MOST
    return between.join(examples[:_NAMED_AT_MOST]) + (f" and {more:,} more" if more > 0 else "")


def _warn_of_bad_images(bad: Sequence[str]) -> None:
    if not bad:
        return
    more = [f"and {len(bad) - _BAD_AT_MOST:,} more"] if len(bad) > _BAD_AT_MOST else []
    left_out = f"{len(bad):,} bad file{'s' * (len(bad) > 1)} left out"
    warn([*bad[:_BAD_AT_MOST], *more, f"{left_out}; to train on the others, give --skip-bad-images"])

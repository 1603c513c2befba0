"""Unusual pixel values of a data set: more than 8 bits, or few levels (distinct values)."""

from __future__ import annotations

from collections.abc import Sequence

from runfolio.vision.data.inspection import MIN_LEVELS, ImageInspection
from runfolio.vision.data.pictures import ValueRange, is_deep


def find_value_range(inspections: Sequence[ImageInspection]) -> ValueRange | None:
    """Return the lowest and highest value of images with more than 8 bits per channel, or None if there are no such
    images."""
    deep = [entry for entry in inspections if is_deep(entry.mode)]
    return (min(entry.low for entry in deep), max(entry.high for entry in deep)) if deep else None


def pixel_notices(inspections: Sequence[tuple[str, ImageInspection]], value_range: ValueRange | None) -> list[str]:
    """Return notices about unusual pixel values, one line each.

    Args:
        inspections: Reference and inspection of each image.
        value_range: Range of values that is scaled to 8 bits, for images with more than 8 bits per channel.
    """
    notices = []
    deep = sum(is_deep(entry.mode) for _, entry in inspections)
    if value_range is not None and deep:
        low, high = value_range
        notices.append(
            f"{deep:,} of {len(inspections):,} images have more than 8 bits; the range of the"
            f" training images, {low:.6g} to {high:.6g}, is scaled to 8 bits"
        )
    levels = [(name, count) for name, entry in inspections if (count := _levels(entry, value_range)) < MIN_LEVELS]
    if levels:
        name, count = levels[0]
        notices.append(
            f"{len(levels):,} of {len(inspections):,} images have fewer than {MIN_LEVELS} levels, such as {name}"
            f" ({count}); they may be masks, drawings, or images with unexpected values"
        )
    return notices


def _levels(inspection: ImageInspection, value_range: ValueRange | None) -> int:
    """Return the number of levels that remain after scaling to 8 bits."""
    if value_range is None or not is_deep(inspection.mode):
        return inspection.levels
    share = (inspection.high - inspection.low) / ((value_range[1] - value_range[0]) or 1)
    return min(inspection.levels, int(share * 255) + 1)

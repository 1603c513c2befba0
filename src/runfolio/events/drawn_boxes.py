"""Drawing of boxes on images, because TensorBoard cannot display boxes itself."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runfolio.record.content.picture_bounds import excess

if TYPE_CHECKING:
    from PIL import Image

_COLORS = ("red", "lime", "cyan", "yellow", "magenta", "orange")
"""Colors of the box groups. The groups are numbered by their first appearance."""
_FAR = 1_000_000.0
"""Maximum absolute coordinate of a drawn edge, in pixels. Edges that are farther away are moved to this coordinate."""
_LONGEST_LABEL = 100
"""Maximum number of characters drawn for a label."""


def draw_boxes(picture: bytes, boxes: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the PNG file with boxes and their labels drawn on it.

    If the file is damaged or too large to decode, return it unchanged.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as opened:
            if excess(opened):
                return picture
            image = _in_8_bits(opened).convert("RGB")
        _draw(image, boxes)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return picture
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _draw(image: Image.Image, boxes: Sequence[Mapping[str, Any]]) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    groups = list(dict.fromkeys(box.get("group") for box in boxes))
    for box in boxes:
        color = _COLORS[groups.index(box.get("group")) % len(_COLORS)]
        left, top, right, bottom = (min(max(edge, -_FAR), _FAR) for edge in box["box"])
        draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), outline=color, width=2)
        if text := _text(box):
            draw.rectangle(draw.textbbox((left, bottom), text, anchor="lb"), fill=color)
            draw.text((left, bottom), text, fill="black", anchor="lb")


def _text(box: Mapping[str, Any]) -> str:
    score = "" if box.get("score") is None else f" {box['score']:.2f}"
    return f"{' '.join((box.get('label') or '').split())[:_LONGEST_LABEL]}{score}".strip()


def _in_8_bits(picture: Any) -> Any:
    if picture.mode != "I;16":
        return picture
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))

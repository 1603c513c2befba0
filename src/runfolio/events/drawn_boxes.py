"""Images with their boxes drawn on them, since TensorBoard knows no boxes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from runfolio.record.content.picture_bounds import excess

_COLORS = ("red", "lime", "cyan", "yellow", "magenta", "orange")
"""Colors of the groups of boxes, in the order of their first boxes."""
_FAR = 1_000_000.0
"""Distance from the image at which an edge is drawn at most, in pixels."""


def draw_boxes(picture: bytes, boxes: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a PNG with boxes and their labels.

    Raises:
        ValueError, OSError, SyntaxError: The file is not an image, or too large to be decoded.
    """
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(picture), formats=["PNG"]) as opened:
        if reason := excess(opened):
            raise ValueError(reason)
        image = _in_8_bits(opened).convert("RGB")
    draw = ImageDraw.Draw(image)
    groups = list(dict.fromkeys(box.get("group") for box in boxes))
    for box in boxes:
        color = _COLORS[groups.index(box.get("group")) % len(_COLORS)]
        left, top, right, bottom = (min(max(edge, -_FAR), _FAR) for edge in box["box"])
        draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), outline=color, width=2)
        if text := _text(box):
            draw.rectangle(draw.textbbox((left, bottom), text, anchor="lb"), fill=color)
            draw.text((left, bottom), text, fill="black", anchor="lb")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _text(box: Mapping[str, Any]) -> str:
    score = box.get("score")
    return " ".join([*filter(None, [box.get("label")]), *([] if score is None else [f"{score:.2f}"])])[:100]


def _in_8_bits(picture: Any) -> Any:
    if picture.mode != "I;16":
        return picture
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))

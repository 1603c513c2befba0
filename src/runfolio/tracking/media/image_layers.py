"""Conversion of boxes and masks that are drawn over an image. Boxes are stored in pixels, and masks as PNG files of the
image's size."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from runfolio.errors import ConfigError
from runfolio.record.content.media import MOST_BOXES, MOST_CLASSES, MOST_MASKS
from runfolio.tracking.pipeline.media_content import as_numbers, own_copy
from runfolio.tracking.pipeline.object_attributes import is_array, is_instance
from runfolio.tracking.pipeline.pixels import png_bytes
from runfolio.tracking.pipeline.plain_texts import exact_number, is_tensor, shorten, text_of
from runfolio.tracking.pipeline.plain_values import LONGEST_NAME, named_number
from runfolio.tracking.pipeline.stored_file import StoredFile

FORMATS = ("xyxy", "xywh", "cxcywh")
"""Meaning of the four numbers of a box, as in `torchvision.ops.box_convert`."""
MASK = "mask"
"""Name of a mask that is passed without a name."""
_BOXES_LEFT_OUT = f"has boxes that are not finite, or more than {MOST_BOXES:,}; these boxes are omitted and counted"
_HIGHEST_CLASS = 65535


class BoxGroup(NamedTuple):
    """Boxes that share a group, such as the predictions, and a format."""

    group: str | None
    corners: Any
    """Coordinates of the boxes: an array or tensor, shape [number, 4]."""
    labels: Any
    """Label of each box: an array or tensor of numbers, a list of numbers and strings, or None."""
    scores: Any
    """Score of each box: an array or tensor, a list of numbers, or None."""
    format: str
    relative: bool


class Layers(NamedTuple):
    """Copies of the boxes and masks of an image."""

    boxes: list[BoxGroup] | None
    masks: dict[str, Any]
    classes: dict[int, str]


def layers_copy(boxes: Any, masks: Any, classes: Any) -> Layers:
    """Return copies of boxes and masks. Later changes to the originals do not affect the copies. `Run.log_image` lists
    the accepted forms.

    Raises:
        ConfigError: The boxes or masks do not have an accepted form.
    """
    names = _class_names(classes)
    named_masks = masks if _is_mapping(masks) else {} if masks is None else {MASK: masks}
    if len(named_masks) > MOST_MASKS:
        raise ConfigError(f"an image has {len(named_masks):,} masks, but the limit is {MOST_MASKS}")
    groups = None if boxes is None else list(_box_groups(boxes))
    copied_masks = {_name(name, "a mask's name"): _mask_copy(mask) for name, mask in named_masks.items()}
    return Layers(groups, copied_masks, names)


def with_layers(image: StoredFile, layers: Layers) -> StoredFile:
    """Return an image together with its boxes and masks. The boxes are stored in the record, and each mask in a file.

    Raises:
        ConfigError: A mask differs from the image in size, a mask contains numbers that are not classes, or a box is
            invalid.
    """
    width, height = struct.unpack_from(">II", image.content, 16)  # the first chunk of a PNG file contains the size
    notes, warnings = dict(image.notes), image.warnings
    if layers.boxes is not None:
        boxes = [box for group in layers.boxes for box in _stored_boxes(group, layers.classes, width, height)]
        finite = [box for box in boxes if all(map(math.isfinite, box["box"]))][:MOST_BOXES]
        notes["boxes"] = finite
        if left_out := len(boxes) - len(finite):
            notes["boxes_left_out"], warnings = left_out, (*warnings, _BOXES_LEFT_OUT)
    masks = {name: _mask_png(name, mask, width, height) for name, mask in layers.masks.items()}
    if masks and layers.classes:
        notes["classes"] = {str(number): name for number, name in layers.classes.items()}
    return image._replace(notes=notes, warnings=warnings, masks=masks)


def _name(name: Any, what: str) -> str:
    text = text_of(name, what)
    if len(text) > LONGEST_NAME:
        raise ConfigError(f"{what} has {len(text):,} characters, but the limit is {LONGEST_NAME:,}")
    return text


def _mask_copy(mask: Any) -> Any:
    if is_instance(mask, "PIL.Image", "Image"):
        import numpy as np

        return np.array(mask)
    return own_copy(mask)


def _class_names(classes: Any) -> dict[int, str]:
    if classes is None:
        return {}
    named = classes if _is_mapping(classes) else dict(enumerate(_as_list(classes, "classes")))
    if len(named) > MOST_CLASSES:
        raise ConfigError(f"an image has {len(named):,} classes, but the limit is {MOST_CLASSES:,}")
    return {_whole(number, "a class"): text_of(name, "a class's name") for number, name in named.items()}


def _box_groups(boxes: Any) -> Iterator[BoxGroup]:
    """Yield the boxes of an image. The boxes are either ungrouped or in named groups."""
    if _is_mapping(boxes) and not {"boxes", "box"} & set(boxes):
        for name, entry in boxes.items():
            yield from _group(_name(name, "a group's name"), entry)
    else:
        yield from _group(None, boxes)


def _group(name: str | None, boxes: Any) -> Iterator[BoxGroup]:
    if not _is_mapping(boxes):
        if not issubclass(type(boxes), (list, tuple)) or not all(map(_is_mapping, boxes)):
            yield _checked_group(name, {"boxes": boxes})
            return
        for box in boxes:
            yield from _group(name, box)
    elif "box" in boxes:
        single = {"boxes": [boxes["box"]], "labels": [boxes.get("label")], "scores": [boxes.get("score")]}
        yield _checked_group(name, {**boxes, **single})
    elif "boxes" in boxes:
        yield _checked_group(name, boxes)
    else:
        raise ConfigError(f"boxes have the keys {', '.join(map(shorten, boxes))}; the key 'boxes' is missing")


def _checked_group(name: str | None, fields: Mapping[str, Any]) -> BoxGroup:
    corners = own_copy(fields["boxes"])
    if 0 not in corners.shape and (corners.ndim != 2 or corners.shape[1] != 4):
        raise ConfigError(f"boxes have the shape {tuple(corners.shape)}; it must be [number, 4]")
    form = text_of(fields.get("format", FORMATS[0]), "the format of boxes")
    if form not in FORMATS:
        raise ConfigError(f"the format of boxes is {form!r}; it must be one of {', '.join(FORMATS)}")
    count = len(corners) if corners.ndim == 2 else 0
    relative = fields.get("relative", False)
    if type(relative) is not bool:
        raise ConfigError(f"relative is {shorten(relative)}; it must be True or False")
    labels = _column(fields.get("labels"), "labels", count, _label)
    scores = _column(fields.get("scores"), "scores", count, lambda score: named_number(score, "a score"))
    return BoxGroup(name, corners, labels, scores, form, relative)


def _column(values: Any, what: str, count: int, read: Callable[[Any], Any]) -> Any:
    """Return a copy of labels or scores. Arrays and tensors of numbers are copied, and `read` converts each entry of
    other sequences."""
    if values is None:
        return None
    if is_tensor(values) or (is_array(values) and values.dtype.kind in "biuf"):
        column = own_copy(values)
    else:
        entries = values.tolist() if is_array(values) else values
        column = [None if entry is None else read(entry) for entry in _as_list(entries, what)]
    if len(column) != count:
        raise ConfigError(f"there are {count:,} boxes but {len(column):,} {what}; pass one for each box")
    return column


def _label(label: Any) -> int | str:
    number = exact_number(label.item() if is_tensor(label) or is_array(label) else label)
    return number if isinstance(number, int) else text_of(number, "a label")


def _stored_boxes(group: BoxGroup, classes: Mapping[int, str], width: int, height: int) -> Iterator[dict[str, Any]]:
    import numpy as np

    corners = as_numbers(group.corners)
    if not corners.size:
        return
    if corners.dtype.kind == "c":
        raise ConfigError("boxes are complex numbers")
    first, second = np.split(corners.astype(np.float64), 2, axis=1)
    if group.format == "cxcywh":
        first = first - second / 2
    if group.format != "xyxy":
        second = first + second
    edges = np.concatenate([first, second], axis=1)
    if group.relative:
        edges *= (width, height, width, height)
    labels, scores = (_entries(column, len(edges)) for column in (group.labels, group.scores))
    for box, label, score in zip(edges.tolist(), labels, scores, strict=True):
        text = None if label is None else classes.get(label, str(label))
        fields = {"box": box, "label": text, "score": score, "group": group.group}
        yield {name: value for name, value in fields.items() if value is not None}


def _entries(column: Any, count: int) -> list[Any]:
    if column is None:
        return [None] * count
    return column if isinstance(column, list) else as_numbers(column).tolist()


def _mask_png(name: str, mask: Any, width: int, height: int) -> bytes:
    import numpy as np
    from PIL import Image

    numbers = as_numbers(mask)
    if numbers.ndim == 3 and numbers.shape[0] == 1:
        numbers = numbers[0]
    if numbers.shape != (height, width):
        raise ConfigError(f"mask {name!r} has the shape {numbers.shape}, but the image is [{height}, {width}]")
    if numbers.dtype.kind not in "biu" or numbers.min() < 0 or numbers.max() > _HIGHEST_CLASS:
        raise ConfigError(
            f"mask {name!r} of {numbers.dtype} must contain class numbers from 0 to {_HIGHEST_CLASS:,}. For"
            " scores, pass scores.argmax(0). Replace a number that marks no class, such as -100, with 255"
        )
    return png_bytes(Image.fromarray(numbers.astype(np.uint8 if numbers.max() <= 255 else np.uint16)))


def _is_mapping(value: Any) -> bool:
    return issubclass(type(value), Mapping)


def _as_list(values: Any, what: str) -> list[Any]:
    if not issubclass(type(values), (list, tuple)):
        raise ConfigError(f"{what} must be a list, not {type(values).__name__}")
    return list(values)


def _whole(number: Any, what: str) -> int:
    value = named_number(number, what)
    if not value.is_integer():
        raise ConfigError(f"{what} is {value:g}, not an integer")
    return int(value)

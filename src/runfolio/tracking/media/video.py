"""Conversion of video to a file: an animated WebP, or the unchanged file that the user passed."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.content.media_types import VIDEO
from runfolio.tracking.pipeline.media_content import as_numbers, own_copy
from runfolio.tracking.pipeline.object_attributes import is_instance
from runfolio.tracking.pipeline.pixels import levels_of, to_levels
from runfolio.tracking.pipeline.plain_texts import is_tensor
from runfolio.tracking.pipeline.plain_values import named_number
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.pipeline.user_files import file_content, stored_unchanged

MOST_FRAMES = 10_000
MOST_VALUES = 512 * 1024 * 1024
"""Maximum number of values in a video: the product of frames, height, width and channels. Each value takes one byte
before compression."""
LONGEST_SIDE = 16_383
"""Maximum length of a frame's side in pixels, which is the limit of WebP."""
MOST_FPS = 1_000
_CHANNELS = (1, 3, 4)
_AXES = "[frames, channels, height, width], [frames, height, width, channels] with 1, 3 or 4 channels"


def video_copy(frames: Any) -> Any:
    """Return a copy of a video: the bytes of a file, or an array or tensor of shape [frames, height, width, channels].

    Raises:
        ConfigError: The file cannot be read, the shape of the array is not valid for video, or the video exceeds the
            limits.
    """
    content = file_content(frames, "a video")
    if content is not None:
        return content
    if issubclass(type(frames), (list, tuple)):
        return _joined(frames)
    array = frames if is_tensor(frames) else as_numbers(frames)
    return own_copy(_with_channels_last(array, is_first=is_tensor(frames)))


def frame_rate(fps: Any) -> float:
    """Return the number of frames per second.

    Raises:
        ConfigError: The rate is not a number, is not positive, or exceeds 1,000.
    """
    rate = named_number(fps, "fps")
    if not 0 < rate <= MOST_FPS:
        raise ConfigError(f"fps is {rate:g}, not a number of frames per second up to {MOST_FPS:,}")
    return rate


def stored_video(copied: Any, fps: float) -> StoredFile:
    """Return the file unchanged, or frames [frames, height, width, channels] as an animated WebP.

    Frames are compressed with or without loss, whichever is smaller. Browsers show an animated WebP like any other
    image, in 24-bit colour. A GIF has only 256 colours and takes 20 times as long to encode.

    Raises:
        ConfigError: The file is not a video, or the values are complex.
    """
    if isinstance(copied, bytes):
        return stored_unchanged(copied, VIDEO, "a video")
    from PIL import Image

    array = as_numbers(copied)
    if array.dtype.kind == "c":
        raise ConfigError("a video must not have complex numbers; pass their magnitudes")
    if array.shape[-1] == 1:
        array = array[..., 0]
    levels = levels_of(list(array), is_single=False)
    first, *others = (Image.fromarray(to_levels(frame, levels)) for frame in array)
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=round(1000 / fps),
        loop=0,
        quality=90,
        method=2,
        allow_mixed=True,
    )
    about = {"width": first.width, "height": first.height, "frames": len(array), "fps": fps}
    return StoredFile(buffer.getvalue(), about | levels.notes, levels.warnings, ".webp")


def _joined(frames: Sequence[Any]) -> Any:
    """Return a list of Pillow images, arrays or tensors as one array."""
    import numpy as np

    if not frames or len(frames) > MOST_FRAMES:
        raise ConfigError(f"a video has {len(frames):,} frames; it must have 1 to {MOST_FRAMES:,}")
    parts = [
        np.asarray(frame.convert("RGB")) if is_instance(frame, "PIL.Image", "Image") else as_numbers(frame)
        for frame in frames
    ]
    if shapes := {part.shape for part in parts} - {parts[0].shape}:
        raise ConfigError(f"frames have different shapes, such as {parts[0].shape} and {shapes.pop()}")
    _check_size((len(parts), *parts[0].shape))
    return _with_channels_last(np.stack(parts), is_first=is_tensor(frames[0]))


def _with_channels_last(array: Any, *, is_first: bool) -> Any:
    """Return a view [frames, height, width, channels] of an array or tensor.

    Args:
        is_first: If True, the channels are the second axis, as is usual for tensors, unless the length of this axis
            does not fit.
    """
    shape = tuple(array.shape)
    if len(shape) == 3:
        array = array[..., None]
    elif len(shape) == 4 and shape[1] in _CHANNELS and (is_first or shape[3] not in _CHANNELS):
        array = array.swapaxes(1, 2).swapaxes(2, 3)
    if array.ndim != 4 or array.shape[3] not in _CHANNELS or 0 in array.shape:
        raise ConfigError(f"a video of shape {shape} is neither [frames, height, width], {_AXES}")
    _check_size(tuple(array.shape))
    return array


def _check_size(shape: tuple[int, ...]) -> None:
    if shape[0] > MOST_FRAMES or math.prod(shape) > MOST_VALUES:
        raise ConfigError(
            f"a video has {shape[0]:,} frames and {math.prod(shape):,} values, but the limits are {MOST_FRAMES:,} and"
            f" {MOST_VALUES:,}; omit frames, reduce their size, or pass an MP4 file"
        )
    if max(shape[1:3]) > LONGEST_SIDE:
        raise ConfigError(f"a video has a side of {max(shape[1:3]):,} pixels, but the limit is {LONGEST_SIDE:,}")

"""Conversion of images to PNG files, and of arrays to histograms."""

from __future__ import annotations

import array
import io
import itertools
import math
from collections import deque
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.content.picture_bounds import FORMATS, excess
from runfolio.tracking.pipeline.object_attributes import is_instance
from runfolio.tracking.pipeline.pixels import stored_picture, stored_pixels
from runfolio.tracking.pipeline.plain_texts import is_tensor
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.pipeline.uniform_bins import count_in_bins
from runfolio.tracking.pipeline.user_files import file_content

BINS = 64
MOST_PIXEL_BYTES = 256 * 1024 * 1024
"""Maximum total size of the images in one table before they are encoded, in bytes."""
_ARRAY_LIKE = (bool, int, float, range, array.array, deque, memoryview)


def own_copy(value: Any) -> Any:
    """Return a copy of an array. Later in-place changes of the array do not affect the copy.

    Raises:
        ConfigError: `value` is not an array of numbers.
    """
    return value.detach().clone() if is_tensor(value) else as_numbers(value).copy()


def image_copy(image: Any) -> Any:
    """Return a copy of an image. Later changes of the image do not affect the copy. For an image file, return its
    bytes.

    Raises:
        ConfigError: The file cannot be read.
    """
    content = file_content(image, "an image")
    if content is not None:
        return content
    return image.copy() if is_instance(image, "PIL.Image", "Image") else own_copy(image)


def png(image: Any) -> StoredFile:
    """Return an image as PNG.

    Args:
        image: A Pillow image, the bytes of an image file, or an array or tensor. The shape of an array is [height,
            width], [height, width, 1|3|4] or [1|3|4, height, width]. The section Images of `docs/limits.md` describes
            the values.
    Raises:
        ConfigError: `image` is not a valid image.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(image, bytes):
        try:
            with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
                if reason := excess(opened):
                    raise ConfigError(f"its image file {reason}")
                opened.load()
                return stored_picture(opened)
        except UnidentifiedImageError:
            formats = ", ".join(FORMATS)
            message = f"its {len(image):,} bytes are not an image file; supported formats are {formats}"
            raise ConfigError(message) from None
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ConfigError(f"its image file is broken: {error}") from None
    return stored_picture(image) if isinstance(image, Image.Image) else _from_array(image)


def _from_array(image: Any) -> StoredFile:
    import numpy as np

    array = as_numbers(image)
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and (is_tensor(image) or array.shape[-1] not in (1, 3, 4)):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (3, 4)) or 0 in array.shape:
        raise ConfigError(
            f"an image of shape {tuple(array.shape)} is neither [height, width], [height, width, channels]"
            " nor [channels, height, width] with 1, 3 or 4 channels"
        )
    if array.dtype.kind == "c":
        raise ConfigError("an image must not have complex numbers; pass their magnitudes")
    return stored_pixels(array)


def bin_edges(low: float, high: float) -> list[float]:
    """Return the edges of equally wide bins. If float64 cannot represent all edges, return the edges of a single
    bin."""
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    edges = [*(low * (1 - number / BINS) + high * (number / BINS) for number in range(BINS)), high]
    if all(left < right for left, right in itertools.pairwise(edges)):
        return edges
    below = math.nextafter(low, -math.inf)
    return [below, high] if math.isfinite(below) else [low, math.nextafter(high, math.inf)]


def _count(numbers: Any) -> tuple[Any, Any]:
    import numpy as np

    low, high = float(numbers.min()), float(numbers.max())
    edges = bin_edges(low, high)
    is_usual = len(edges) > 2 and math.isfinite(high - low)  # given a number of bins, NumPy need not sort
    return np.histogram(numbers, bins=BINS if is_usual else np.array(edges))


def histogram(values: Any) -> dict[str, Any]:
    """Count the numbers of an array of any shape in equally wide bins. NaN and infinity are counted separately."""
    import numpy as np

    with np.errstate(all="ignore"):  # the mean of huge numbers may overflow to infinity
        return _histogram(values)


def _histogram(values: Any) -> dict[str, Any]:
    import numpy as np

    numbers = as_numbers(values)
    if numbers.dtype.kind == "c":  # count real and imaginary parts, as for a watched model
        numbers = np.stack([numbers.real, numbers.imag])
    if numbers.dtype.kind == "f" and (binned := count_in_bins(numbers.ravel(), BINS)):
        return {
            "edges": binned.edges.tolist(),
            "counts": binned.counts.tolist(),
            "mean": binned.mean,
            "std": binned.std,
            "min": float(numbers.min()),
            "max": float(numbers.max()),
            "nan": 0,
            "inf": 0,
        }
    numbers = np.asarray(numbers, dtype=np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    counts, edges = _count(finite) if finite.size else (np.zeros(0, int), np.zeros(0))
    nan = int(np.isnan(numbers).sum())
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "mean": float(finite.mean()) if finite.size else None,
        "std": float(finite.std()) if finite.size else None,
        "min": float(finite.min()) if finite.size else None,
        "max": float(finite.max()) if finite.size else None,
        "nan": nan,
        "inf": int(numbers.size - finite.size - nan),
    }


def as_numbers(values: Any) -> Any:
    """Return an array or tensor as a NumPy array. The numbers stay the same.

    Raises:
        ConfigError: `values` does not contain numbers, or is a masked array.
    """
    import numpy as np

    if issubclass(type(values), np.ma.MaskedArray):
        raise ConfigError("a masked array cannot be stored; pass array.compressed() or array.filled(...)")
    if is_tensor(values):
        tensor = values.detach().cpu().resolve_conj().resolve_neg()
        # NumPy has no bfloat16 and no float8. Float32 represents all values of these types exactly.
        is_narrow = tensor.is_floating_point() and tensor.dtype.itemsize < 4
        return (tensor.float() if is_narrow else tensor).numpy()
    try:
        array = np.asarray(values if _is_array_like(values) else None)
    except ValueError:  # the lists have different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "buifc":
        raise ConfigError(f"{type(values).__name__} is not an array of numbers")
    return array


def _is_array_like(values: Any) -> bool:
    """Return whether NumPy can convert a value without calling methods of a user's sequence class."""
    kinds = set(map(type, values)) if issubclass(type(values), (list, tuple)) else {type(values)}
    nested = {kind for kind in kinds if issubclass(kind, (list, tuple))}
    if not all(issubclass(kind, _ARRAY_LIKE) or hasattr(kind, "__array__") for kind in kinds - nested):
        return False
    return not nested or all(_is_array_like(entry) for entry in values if type(entry) in nested)

"""Error for a missing optional package. The message names the extra that installs the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runfolio.errors import MissingExtra

_PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "safetensors": "safetensors",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
}


@contextmanager
def vision_extra(purpose: str) -> Iterator[None]:
    """Replace import errors inside the block with an error that names the extra `vision`.

    Raises:
        MissingExtra: A package of the extra `vision` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES:
            raise
        raise MissingExtra(_PACKAGES[missing], "vision", purpose) from None

"""Result type of the functions that convert media to files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class StoredFile(NamedTuple):
    """Content of a medium's file, and additional data for the record (`docs/format.md`, Media)."""

    content: bytes
    notes: dict[str, Any]
    """Fields of the medium's line in the index of media."""
    warnings: tuple[str, ...]
    """Descriptions of changes that were needed to store the medium. Each text completes a sentence that starts with the
    medium's name."""
    suffix: str = ".png"
    masks: Mapping[str, bytes] = MappingProxyType({})
    """PNG masks of an image, keyed by name."""

"""Dicts of a run that are saved when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from runfolio.tracking.plain import plain_value


class LiveDict(MutableMapping[str, Any]):
    """A dict of plain values that says when it was changed."""

    def __init__(self, values: dict[str, Any], changed: Callable[[], None]) -> None:
        self._values = values
        self._changed = changed

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        return LiveDict(value, self._changed) if isinstance(value, dict) else value

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[str(key)] = plain_value(value)
        self._changed()

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """A copy, here or in another process, is a plain dict: it belongs to no run."""
        return dict, (dict(self._values),)

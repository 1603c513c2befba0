"""Dicts of a run that are saved when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Self

from runfolio.tracking.guard import guarded
from runfolio.tracking.pipeline.config_values import plain_value
from runfolio.tracking.pipeline.plain_texts import text_of


class LiveDict(MutableMapping[str, Any], dict[str, Any]):  # type: ignore[misc] - in the stubs, dict is the subclass
    """Dict of JSON values that reports its changes. Values that cannot be stored are reported and omitted.

    This class is a subclass of dict, because `json.dumps` accepts no other mappings. Nested dicts have the same class.
    MutableMapping comes first in the bases, so every change is made by `__setitem__` or `__delitem__`.
    """

    def __init__(
        self, values: dict[str, Any], changed: Callable[[], None], note_failure: Callable[[str, Exception], None]
    ) -> None:
        dict.__init__(self)
        self._changed = changed
        self._note_failure = note_failure
        for key, value in values.items():
            dict.__setitem__(self, str(key), self._live(value))

    def __getitem__(self, key: str) -> Any:
        return dict.__getitem__(self, key)

    @guarded(None)
    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, text_of(key, "a setting's name"), self._live(plain_value(value)))
        self._changed()

    def __delitem__(self, key: str) -> None:
        dict.__delitem__(self, key)
        self._changed()

    @guarded(None)
    def update(self, *args: Any, **values: Any) -> None:  # type: ignore[override]
        MutableMapping.update(self, *args, **values)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc] - dict's own would not report it
        self.update(other)
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(list(dict.keys(self)))

    def __len__(self) -> int:
        return dict.__len__(self)

    def __repr__(self) -> str:
        return dict.__repr__(self)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Turn copies and pickles into plain dicts, because a copy does not belong to a run."""
        return dict, ({**self},)

    def _live(self, value: Any) -> Any:
        return LiveDict(value, self._changed, self._note_failure) if isinstance(value, dict) else value

"""Tags of a run, which are saved when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence
from typing import Any

from runfolio.record.content import run_edits
from runfolio.tracking.guard import guarded
from runfolio.tracking.pipeline.plain_texts import text_of


class LiveTags(MutableSequence[str], list[str]):  # type: ignore[misc] - in the stubs, list is the subclass
    """List of tags that reports its changes. Values that cannot be tags are reported and omitted."""

    def __init__(
        self, tags: Iterable[str], changed: Callable[[], None], note_failure: Callable[[str, Exception], None]
    ) -> None:
        list.__init__(self, tags)
        self._changed = changed
        self._note_failure = note_failure

    def __getitem__(self, index: Any) -> Any:
        return list.__getitem__(self, index)

    @guarded(None)
    def __setitem__(self, index: Any, value: Any) -> None:
        list.__setitem__(self, index, plain_tags(value) if isinstance(index, slice) else _plain_tag(value))
        self._changed()

    def __delitem__(self, index: Any) -> None:
        list.__delitem__(self, index)
        self._changed()

    def __len__(self) -> int:
        return list.__len__(self)

    def __reduce__(self) -> tuple[type[list[str]], tuple[list[str]]]:
        """Turn copies and pickles into plain lists, because a copy does not belong to a run."""
        return list, ([*self],)

    @guarded(None)
    def insert(self, index: Any, value: Any) -> None:
        list.insert(self, index, _plain_tag(value))
        self._changed()

    @guarded(None)
    def extend(self, values: Iterable[str]) -> None:
        list.extend(self, plain_tags(values))
        self._changed()


def plain_tags(tags: Iterable[str]) -> list[str]:
    """Return tags in the form in which they are recorded. A single string is one tag.

    Raises:
        ConfigError: A value is not a valid tag.
    """
    return [_plain_tag(tag) for tag in ([tags] if isinstance(tags, str) else tags)]


def _plain_tag(tag: str) -> str:
    text = text_of(tag, "a tag")
    run_edits.check_tag(text)
    return text

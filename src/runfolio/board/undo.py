"""History of changes that can be undone."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from runfolio.board.replies import RefusedRequest

Change = Callable[[], Any]
_KEPT = 200
"""Maximum number of changes that can be undone."""


class UndoHistory:
    """Latest changes, each with a function that undoes the change."""

    def __init__(self) -> None:
        self._changes: OrderedDict[str, Change] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, undo: Change) -> str:
        """Store a change, and return the id that a request passes to undo it."""
        word = secrets.token_urlsafe(12)
        with self._lock:
            self._changes[word] = undo
            while len(self._changes) > _KEPT:
                self._changes.popitem(last=False)
        return word

    def take(self, word: str) -> Change:
        """Return the function that undoes a change. A change is undone at most once.

        Raises:
            RefusedRequest: There is no such change.
        """
        with self._lock:
            change = self._changes.pop(word, None)
        if change is None:
            raise RefusedRequest(404, "this change cannot be undone any more", "make the opposite change")
        return change

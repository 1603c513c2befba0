"""Event streams that report changes to browsers, with queues of the changes that were not sent yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from runfolio.board.replies import RefusedRequest

_MAX_STREAMS = 64


class EventHub:
    """Distributor of changes to all open event streams. The thread that watches the store reports the changes.

    If a stream is slow, the changes that it missed are combined into one event.
    """

    def __init__(self) -> None:
        self._streams: set[EventStream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def open_stream(self) -> EventStream:
        """Return a new stream.

        Raises:
            RefusedRequest: Too many streams are open.
        """
        if len(self._streams) >= _MAX_STREAMS or self._is_closed:
            raise RefusedRequest(
                429, "too many event streams are open", "close some tabs", headers={"Retry-After": "10"}
            )
        self._loop = asyncio.get_running_loop()
        stream = EventStream()
        self._streams.add(stream)
        return stream

    def close_stream(self, stream: EventStream) -> None:
        """Remove a stream that ended."""
        self._streams.discard(stream)

    def note_changed(self, keys: Iterable[int]) -> None:
        """Notify all streams that the runs with these keys changed. Any thread may call this method."""
        self._call(lambda stream: stream.changed.update(keys))

    def note_points(self, keys: Iterable[int]) -> None:
        """Notify all streams that the runs with these keys have new points or output.

        Any thread may call this method.
        """
        self._call(lambda stream: stream.points.update(keys))

    def close(self) -> None:
        """End all streams. Any thread or signal handler may call this method."""
        self._is_closed = True

        def end(stream: EventStream) -> None:
            stream.is_closed = True

        self._call(end)

    def _call(self, change: Callable[[EventStream], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._change, change)

    def _change(self, change: Callable[[EventStream], None]) -> None:
        for stream in self._streams:
            change(stream)
            stream.wake.set()


class EventStream:
    """Event stream to one browser, with the changes that were not sent yet."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self.points: set[int] = set()
        self.wake = asyncio.Event()
        self.is_closed = False

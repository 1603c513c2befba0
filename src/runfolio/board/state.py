"""State that all requests share: the store, the generation of its index, and the limits on concurrent work.

The index is a database with the main data of all runs. A scan compares the folders of the runs with the index and
updates the index. The generation is a number that grows with each change.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from runfolio.board.event_hub import EventHub
from runfolio.board.query_args import key_of
from runfolio.board.replies import RefusedRequest
from runfolio.board.undo import UndoHistory

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import IndexedFolio, Runs

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_LIGHT, _HEAVY = 6, 8
"""Maximum numbers of concurrent light and heavy requests. Further light requests wait, and further heavy requests are
refused."""
_FIRST_RUNS_S = 5.0
"""Maximum number of seconds that a request waits for the runs of a store that has no index yet."""
_SCAN_WAIT_S = 2.0
"""Maximum number of seconds that a change waits for a running scan, because the scan could overwrite the change."""
_CACHED = 64
"""Maximum number of computed answers in the cache."""


Sightings = dict[int, tuple[str, str, str | None]]
"""Signature, state and reason for the end of each run, keyed by run. A signature changes if files of the run change."""


class Progress(TypedDict):
    """Progress of a running run. Unknown values are None."""

    progress: float | None
    """Completed fraction of the steps, from 0 to 1."""
    seconds_left: float | None
    step: int | None
    total_steps: int | None


_UNKNOWN = Progress(progress=None, seconds_left=None, step=None, total_steps=None)


class BoardState:
    """State of the board of one store.

    Args:
        store: Folder of the store.
        read_only: Refuse all changes.
    """

    def __init__(self, store: Path, *, read_only: bool = False) -> None:
        self.store = store.resolve()
        self.read_only = read_only
        self.instance = secrets.token_hex(4)
        """Random id of this server. Entity tags contain the id, so tags of an earlier server never match."""
        self.generation = 0
        """Number that grows each time the index changes."""
        self.is_scanned = False
        """True after the first scan of the folders."""
        self.problems: list[str] = []
        """One line for each run that the last scan of the folders could not read."""
        self.progress: dict[int, Progress] = {}
        """Progress of the running runs, keyed by run."""
        self._has_runs = threading.Event()
        self.undo = UndoHistory()
        """Changes that can be undone."""
        self.events = EventHub()
        """Open event streams."""
        self.each_new_folder: Callable[[list[str]], Iterable[str]] = iter
        """Function that passes the folders of new runs to the scan one by one. The watcher uses it to publish runs
        early."""
        self._sightings: Sightings = {}
        self._publishing = threading.Lock()
        self._scanning = threading.Lock()
        self._lock = threading.Lock()
        self._folio: IndexedFolio | None = None
        self._light = anyio.CapacityLimiter(_LIGHT)
        self._heavy = anyio.CapacityLimiter(_HEAVY)
        self._threads = anyio.CapacityLimiter(math.inf)
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()
        self._shared: dict[str, Any] = {}

    @property
    def folio(self) -> IndexedFolio:
        """Store, opened for reading. Its runs are read from the index, without a scan of the folders."""
        with self._lock:
            if self._folio is None:
                from runfolio.query.store import IndexedFolio  # imported here, since the import takes 0.1 s

                self._folio = IndexedFolio(self.store, self.each_new_folder)
            return self._folio

    def runs(self, keys: list[int]) -> Runs:
        """Return the runs with the given keys, in the same order.

        Raises:
            RefusedRequest: One of the runs is not in the index.
        """
        from runfolio.query.filter.select import select_rows
        from runfolio.query.filter.sql_text import bound, joined, sql

        condition = sql("r.run IN ({})", joined(", ", map(bound, keys)))
        rows = {row.key: row for row in self.folio.read_index(partial(select_rows, condition=condition))}
        missing = next((key for key in keys if key not in rows), None)
        if missing is not None:
            raise RefusedRequest(404, f"there is no run {missing:016x}", "it was deleted, or moved to another folder")
        return self.folio.runs_of([rows[key] for key in keys])

    def run(self, key: str) -> RecordedRun:
        """Return the run with a key of 16 hexadecimal digits.

        Raises:
            RefusedRequest: The key is invalid, or the run is not in the index.
        """
        number = key_of(key)
        try:
            return self.runs([number])[0]
        except RefusedRequest:
            if self.is_scanned or self.generation:
                raise
        self.wait_for_runs()  # the page of a run was opened before the first scan of its store
        return self.runs([number])[0]

    def wait_for_runs(self) -> None:
        """Wait until a new index contains runs or the first scan has ended, but only for a few seconds."""
        if not self.is_scanned and not self.generation:
            self._has_runs.wait(_FIRST_RUNS_S)

    def publish(self, *, has_news: bool = False) -> None:
        """Increase the generation of the index if runs changed since the last increase, or if `has_news` is true."""
        with self._publishing:
            earlier, self._sightings = self._sightings, self.folio.read_index(_read_sightings)
            runs = earlier.keys() | self._sightings.keys()
            changed = {key for key in runs if earlier.get(key) != self._sightings.get(key)}
            if changed or has_news:
                self.generation += 1
                self._has_runs.set()
                self.events.note_changed(changed)

    def scan(self) -> bool:
        """Update the index from the folders of all runs, and return whether the list of unreadable runs changed."""
        folio = self.folio
        with self._scanning:
            if exists := folio.store.is_dir():
                folio.scan()
        problems = folio.problems if exists else []
        is_news = problems != self.problems or not self.is_scanned
        self.problems, self.is_scanned = problems, True
        return is_news

    def scan_runs(self, run_paths: Collection[str]) -> None:
        """Update the index for the runs that a request changed, and publish the changes."""
        has_lock = self._scanning.acquire(timeout=_SCAN_WAIT_S)
        try:
            self.folio.scan_runs(run_paths)
        finally:
            if has_lock:
                self._scanning.release()
        self.publish()

    def progress_of(self, key: int) -> Progress:
        """Return the progress of a running run, as of the last scan of its files."""
        return self.progress.get(key, _UNKNOWN)

    def once(self, name: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the result of `compute`. The result is computed once and cached until the index changes."""
        key = (self.generation, name)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        result = compute()
        with self._lock:
            self._cache[key] = result
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return result

    def shared(self, name: str, create: Callable[[], Result]) -> Result:
        """Return the object that all requests share under a name. The object is created when it is first needed."""
        with self._lock:
            if name not in self._shared:
                self._shared[name] = create()
            return self._shared[name]

    async def in_thread(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call a function in a worker thread. The function should read only from the index."""
        return await self._call(partial(function, *args, **kwargs), self._light)

    async def in_heavy_thread(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call a function in a worker thread. The function may read many files or draw figures.

        Raises:
            RefusedRequest: Too many such functions are running.
        """
        if self._heavy.borrowed_tokens >= _HEAVY:
            raise RefusedRequest(
                429, "too many requests at once", "ask again in a second", headers={"Retry-After": "1"}
            )
        return await self._call(partial(function, *args, **kwargs), self._heavy)

    async def _call(self, function: Callable[[], Result], limiter: anyio.CapacityLimiter) -> Result:
        """Call a function in a worker thread.

        If the time of the request is over, do not wait for the function. The function counts as running until it ends.
        """
        loop, token = asyncio.get_running_loop(), object()
        is_started = False
        await limiter.acquire_on_behalf_of(token)

        def release() -> None:
            with suppress(RuntimeError):  # already released
                limiter.release_on_behalf_of(token)

        def call() -> Result:
            nonlocal is_started
            is_started = True
            try:
                return function()
            finally:
                with suppress(RuntimeError):  # the server has stopped
                    loop.call_soon_threadsafe(release)

        try:
            return await anyio.to_thread.run_sync(call, limiter=self._threads, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            if not is_started:
                release()
            raise


def _read_sightings(connection: sqlite3.Connection) -> Sightings:
    rows = connection.execute("SELECT run, signature, state, reason FROM runs")
    return {key: (signature, state, reason) for key, signature, state, reason in rows}


def board_of(request: Request) -> BoardState:
    """Return the state of the board that answers a request."""
    return request.app.state.board

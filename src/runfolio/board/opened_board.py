"""`runfolio.open_board`: function that opens the board from Python or a notebook.

The server of the board is a child process, which ends with the process of the caller.
"""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from runfolio.board.launch import has_browser, open_browser
from runfolio.board.running import find_board
from runfolio.errors import StoreError
from runfolio.query.html_table import escaped
from runfolio.record.base.layout import store_folder

_STOP_S = 5.0


class OpenedBoard:
    """Opened board of a store. Notebooks display it as a link.

    The server ends with this process, or when `close` is called. A server that was already running is not stopped.
    """

    def __init__(self, store: Path, link: str, process: subprocess.Popen[str] | None) -> None:
        self.store = store
        self.link = link
        """Address that opens the board in a browser. The address contains the token."""
        self._process = process
        if process is not None:
            atexit.register(self.close)

    def close(self) -> None:
        """Stop the server, unless it was already running when the board was opened."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.close)
        assert process.stdin is not None
        process.stdin.close()  # the server stops when its standard input ends
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<board of {self.store} at {self.link}>"

    def _repr_html_(self) -> str:
        """Return an HTML link to the board, which notebooks display."""
        link, store = escaped(self.link), escaped(self.store)
        return f'<p>Board of {store}: <a href="{link}" target="_blank" rel="noopener noreferrer">open</a></p>'


def open_board(store: str | os.PathLike[str] | None = None, *, browser: bool | None = None) -> OpenedBoard:
    """Start the board of a store, unless it is already running, and open it in the browser.

    Args:
        store: Folder of the store. Default: `$RUNFOLIO_STORE`, or `./runs` if the variable is not set.
        browser: Open the board in the browser. Default: True, except in a notebook or on a machine without a screen.

    Returns:
        Opened board, with `link` and `close()`. It can be used in a `with` block.

    Raises:
        StoreError: The server did not start. The message gives the reason.
    """
    folder = store_folder(store).resolve()
    running = find_board(folder)
    board = OpenedBoard(folder, running.link, None) if running else _start(folder)
    if browser if browser is not None else not _is_notebook() and has_browser():
        started = running or find_board(folder)
        if started is not None:
            open_browser(started)
    return board


def _start(folder: Path) -> OpenedBoard:
    arguments = ["board", "--store", str(folder), "--no-open", "--until-stdin-closes"]
    command = [sys.executable, "-P", "-m", "runfolio", *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if match := re.search(r"http://\S+", line):
            threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
            return OpenedBoard(folder, match[0], process)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    raise StoreError(f"the board did not start: {next(reversed(lines), 'no message').removeprefix('error: ')}")


def _drain(output: IO[str]) -> None:
    """Read and discard the later output of the server. Otherwise, the server would block when the pipe is full."""
    with output:
        for _ in output:
            pass


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"

"""Server of the board in a separate process, for measurements."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

_START_S = 60.0


class BoardServer:
    """Server that runs until the end of a `with` block.

    Args:
        store: Folder of the store.
    """

    def __init__(self, store: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "runfolio", "board", "--store", str(store), "--no-open", "--no-token"]
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not self._answers():
            if time.perf_counter() - start > _START_S:
                raise TimeoutError(f"the board of {store} does not answer")
            time.sleep(0.002)
        self.first_answer_s = time.perf_counter() - start
        """Seconds from the start of the process to its first answer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def get(self, path: str) -> Any:
        """Return the JSON answer to a GET request."""
        with urllib.request.urlopen(self.url + path) as answer:
            return json.loads(answer.read())

    def seconds(self, path: str) -> float:
        """Return the seconds from a request to the last byte of its answer."""
        start = time.perf_counter()
        with urllib.request.urlopen(self.url + path) as answer:
            answer.read()
        return time.perf_counter() - start

    def wait_for_scan(self) -> Self:
        """Wait until the server has scanned all run folders."""
        while self.get("/api/store")["stale"]:
            time.sleep(0.05)
        return self

    def keys(self, experiment: str, count: int) -> list[str]:
        """Return the keys of the runs of an experiment."""
        return self.get(f"/api/runs?experiment={experiment}&limit={count}")["keys"]

    def memory_mb(self) -> float:
        """Return the resident memory of the server's process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return int(lines["VmRSS"].split()[0]) / 1024

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url) as answer:
                return answer.status == 200
        except OSError:
            return False

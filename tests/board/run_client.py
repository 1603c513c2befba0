"""Client for tests of the routes of one run. The client calls the application in the process of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from runfolio.board.app import create_app
from runfolio.board.guard import Access
from runfolio.board.state import BoardState


class RunClient:
    """Reader of the board's answers about the runs of a store that was scanned once."""

    def __init__(self, store: Path) -> None:
        self.board = BoardState(store)
        self.board.scan()
        self._client = TestClient(create_app(self.board, Access(token=None)), base_url="http://localhost")

    def key(self, name: str) -> str:
        """Return the key of the newest run with a name."""
        run = next(run for run in self.board.folio.runs(archived=True) if run.name == name)
        return f"{run.row.key:016x}"

    def get(self, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
        """Send a GET request, and return the response."""
        return self._client.get(path, params=parameters, headers=headers)

    def run(self, run: str, part: str = "", **parameters: Any) -> Any:
        """Return the JSON of a part of a run, such as `media`."""
        response = self.get(f"/api/runs/{self.key(run)}{part and f'/{part}'}", **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def blob(self, run: str, sha: str, **parameters: Any) -> Any:
        """Return the response with a file of a run."""
        return self.get(f"/api/blobs/{self.key(run)}/{sha}", **parameters)

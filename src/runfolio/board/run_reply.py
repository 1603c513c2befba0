"""Functions for routes that answer with data of one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.replies import json_reply
from runfolio.board.state import board_of
from runfolio.errors import RunfolioError, StoreError
from runfolio.query.run import RecordedRun

Result = TypeVar("Result")


async def run_reply(request: Request, describe: Callable[[RecordedRun], object], *, heavy: bool = False) -> Response:
    """Return the result of `describe` for the requested run as a JSON response.

    Args:
        heavy: True if the function may read large files. The number of concurrent requests that do so is limited.
    """
    return json_reply(await with_run(request, describe, heavy=heavy))


async def with_run(request: Request, function: Callable[[RecordedRun], Result], *, heavy: bool = False) -> Result:
    """Call a function in a worker thread, with the run that the request names.

    Raises:
        RefusedRequest: There is no such run.
        StoreError: The run's files cannot be read.
    """
    board, key = board_of(request), request.path_params["key"]

    def read() -> Result:
        run = board.run(key)
        try:
            return function(run)
        except RunfolioError:
            raise
        except OSError as error:
            raise StoreError(f"cannot read the files of run {run.id}: {error.strerror}") from None

    return await (board.in_heavy_thread if heavy else board.in_thread)(read)

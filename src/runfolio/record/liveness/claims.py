"""Claims of attempts. An attempt is one start of a run, and a claim is a file that names the process of the attempt.

The first process that creates the claim file of an attempt owns the attempt.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from runfolio.errors import RunfolioError, StoreError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import CLAIMS, FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import now, time_to_text
from runfolio.record.base.schema import AttemptNumber, Line, Pid, Writer
from runfolio.record.liveness.heartbeats import Heartbeat

_WHOLE_AFTER_S = 0.5
"""Maximum time in seconds to wait for the content of a new claim file. The content is written right after the file is
created."""


@dataclass(frozen=True)
class Claim:
    """Content of `claims/attempt-<n>.json`."""

    attempt: AttemptNumber
    writer: Writer
    host: Line
    pid: Pid


class AttemptTaken(StoreError):  # noqa: N818 - like all errors of runfolio, named after the event
    """Raised if another process has claimed the attempt."""

    def __init__(self, folder: Path, claim: Claim) -> None:
        self.claim = claim
        super().__init__(
            f"the run in {folder} was just opened by process {claim.pid} on {claim.host}"
            f"{_last_beat(folder, claim.writer)}; stop that process first, since only one process can resume a run"
        )


def acquire(folder: Path, heartbeat: Heartbeat) -> None:
    """Claim an attempt for the process of `heartbeat`. The heartbeat file must already exist.

    Raises:
        AttemptTaken: Another process has claimed the attempt.
        OSError: The store cannot be written to.
    """
    path = _path(folder, heartbeat.attempt)
    path.parent.mkdir()
    claim = {"attempt": heartbeat.attempt, "writer": heartbeat.writer, "host": heartbeat.host, "pid": heartbeat.pid}
    try:
        descriptor = path.create()
    except FileExistsError:
        raise AttemptTaken(folder, read(folder, heartbeat.attempt) or _unknown_claim(heartbeat.attempt)) from None
    try:
        os.write(descriptor, orjson.dumps({"runfolio": FORMAT, **claim, "time": time_to_text(now())}))
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def read(folder: Path, attempt: int) -> Claim | None:
    """Return the claim of an attempt, or None if no process has claimed it."""
    deadline = time.monotonic() + _WHOLE_AFTER_S
    while True:
        try:
            return replace(schema.decode_whole(Claim, files.read_json(_path(folder, attempt))), attempt=attempt)
        except (FileNotFoundError, StoreError):  # claims in an unreadable store count as missing
            return None
        except (ValueError, RunfolioError):
            if time.monotonic() > deadline:
                return _unknown_claim(attempt)
            time.sleep(0.01)


def newest_attempt(folder: Path) -> int:
    """Return the highest number of a claimed attempt, or 0 if no attempt was claimed."""
    paths = RecordPath(folder, CLAIMS).entries()
    matches = (re.fullmatch(r"attempt-(\d{1,9})\.json", path.name) for path in paths)
    return max((int(match[1]) for match in matches if match), default=0)


def _path(folder: Path, attempt: int) -> RecordPath:
    return RecordPath(folder, CLAIMS) / f"attempt-{attempt}.json"


def _unknown_claim(attempt: int) -> Claim:
    """Return a claim of an unknown process. This claim is used if a claim file is invalid."""
    return Claim(attempt, "unknown", "an unknown host", 0)


def _last_beat(folder: Path, writer: str) -> str:
    heartbeat = Heartbeat.read(folder, writer)
    return f" (last heartbeat {heartbeat.age_s(folder):.0f} s ago)" if heartbeat else ""

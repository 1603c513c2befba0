"""Reader of event files, including damaged files and files that other programs wrote."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import StoreError
from runfolio.events.framing import read_records
from runfolio.events.messages import Event
from runfolio.events.wire import WireError


def read_events(path: Path, problems: list[str]) -> Iterator[Event]:
    """Yield every event of a file in order, even after damaged bytes. Add a line to `problems` for each damaged part.

    Raises:
        StoreError: The file cannot be read.
    """
    gaps: list[str] = []
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for record in read_records(data, gaps):
                    try:
                        yield Event.decode(record)
                    except WireError as error:
                        gaps.append(f"a record is not an event ({error})")
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    finally:
        problems.extend(f"{path}: {line}" for line in gaps)

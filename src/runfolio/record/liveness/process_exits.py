"""Records of how a process ended.

A record is written if the run itself recorded no end or a wrong end (`docs/format.md`, Deaths).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import ALIVE, FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import now, time_to_text
from runfolio.record.base.schema import Count, Small


@dataclass(frozen=True, kw_only=True)
class Death:
    """Content of `alive/<writer>.death.json`. A field is None if the fact is unknown."""

    signal: Small | None = None
    exit_code: Small | None = None
    oom_kills: Count | None = None
    """Number of out-of-memory kills in the control group since the writer started."""
    memory_bytes: Count | None = None
    """Resident memory of the process at the last sample."""

    @classmethod
    def read(cls, folder: Path, writer: str) -> Death | None:
        """Return the recorded facts about a writer's death, or None if there is no valid file."""
        try:
            return schema.decode(cls, files.read_json(death_path(folder, writer)))[0]
        except (FileNotFoundError, RunfolioError):
            return None

    def write(self, folder: Path, writer: str) -> None:
        about = {"runfolio": FORMAT, "writer": writer, "time": time_to_text(now()), **asdict(self)}
        files.write_json(death_path(folder, writer), about, sync=True)


def death_path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, ALIVE) / f"{writer}.death.json"

"""Deaths: what was seen of a process that ended otherwise than its run says (`docs/format.md`, Deaths)."""

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
    """`alive/<writer>.death.json`; None where it could not be seen."""

    signal: Small | None = None
    exit_code: Small | None = None
    oom_kills: Count | None = None
    """How many processes of the control group the kernel killed for lack of memory since the writer began."""
    memory_bytes: Count | None = None
    """The process's resident memory when it was last looked at."""

    @classmethod
    def read(cls, folder: Path, writer: str) -> Death | None:
        """What was seen; None where there is nothing that can be read."""
        try:
            return schema.decode(cls, files.read_json(death_path(folder, writer)))[0]
        except (FileNotFoundError, RunfolioError):
            return None

    def write(self, folder: Path, writer: str) -> None:
        about = {"runfolio": FORMAT, "writer": writer, "time": time_to_text(now()), **asdict(self)}
        files.write_json(death_path(folder, writer), about, sync=True)


def death_path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, ALIVE) / f"{writer}.death.json"

"""Deaths: observations of a process that ended differently than its run states (`docs/format.md`, Deaths)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import files
from runfolio.record.base.layout import ALIVE, FORMAT
from runfolio.record.base.run_document import now, time_to_text


@dataclass(frozen=True, kw_only=True)
class Death:
    """`alive/<writer>.death.json`; unknown facts are None."""

    signal: int | None = None
    exit_code: int | None = None
    oom_kills: int | None = None
    """Number of out-of-memory kills in the control group since the writer started."""
    memory_bytes: int | None = None
    """Resident memory of the process at the last sample."""

    @classmethod
    def read(cls, folder: Path, writer: str) -> Death | None:
        """Return the observations; None if there is no valid file."""
        try:
            value = files.read_json(death_path(folder, writer))
        except (FileNotFoundError, RunfolioError):
            return None
        fields = {name: value.get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: number if isinstance(number, int) else None for name, number in fields.items()})

    def write(self, folder: Path, writer: str) -> None:
        about = {"runfolio": FORMAT, "writer": writer, "time": time_to_text(now()), **asdict(self)}
        files.write_json(death_path(folder, writer), about, sync=True)


def death_path(folder: Path, writer: str) -> Path:
    return folder / ALIVE / f"{writer}.death.json"

"""How a run was begun, as far as its record says; refused where that cannot be done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runfolio.errors import ConfigError, DamagedFile
from runfolio.query.recorded_writers import read_writers
from runfolio.query.run import RecordedRun
from runfolio.record.base.layout import RUN_FILE
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.base.schema import shorten_damage
from runfolio.record.content import code
from runfolio.record.content.code import Code
from runfolio.tracking.environment import git

_NOTEBOOK_PROGRAMS = ("ipykernel", "colab_kernel", "ipython", "jupyter")
_ACTED_UPON = ("code", "environment")
"""Parts of `run.json` that must be undamaged, since they say what is executed."""
UNCOMMITTED_LEFT_OUT = "the uncommitted diff"
"""What `Code.left_out` calls a diff that was too long."""


@dataclass(frozen=True, kw_only=True)
class RecordedStart:
    """The first start of a run: a resumed one is repeated whole, a fork from where it began."""

    run: RecordedRun
    command: tuple[str, ...]
    """`sys.argv`, without secrets."""
    module: str | None
    """Where it was started by `python -m`."""
    script: Path | None
    folder: Path
    """The folder it was started in."""
    root: Path
    """What the paths of its code are relative to: the repository, else the script's folder."""
    commit: str | None
    dirty: bool
    remote: str | None
    captured: Code | None

    @property
    def label(self) -> str:
        return f"run {self.run.name} ({self.run.id})"

    @property
    def script_name(self) -> str | None:
        """The script relative to the root, with `/`; None where there is none, or it lies elsewhere."""
        for path in filter(None, (self.script, self.script and self.script.resolve())):
            if path.is_relative_to(self.root):
                return path.relative_to(self.root).as_posix()
        return None


def read_start(run: RecordedRun) -> RecordedStart:
    """Raises:
    ConfigError: The run cannot be started by a command again; the message says why.
    DamagedFile: The list of its code cannot be read, or the record does not say these things as it should.
    """
    first_start = _first_start(run)
    command = tuple(map(str, first_start.get("command") or ()))
    for reason in _objections(run, first_start, command):
        raise ConfigError(f"run {run.name} ({run.id}) cannot be repeated: {reason}")
    captured = code.read(run.folder, [own_attempts(run)[0].writer]) if own_attempts(run) else None
    if captured is not None and captured.damage:
        raise DamagedFile(f"the list of code in {run.folder} is damaged ({shorten_damage(captured.damage)})")
    script = Path(name) if (name := first_start.get("script")) else None
    folder = Path(first_start.get("folder") or "")
    return RecordedStart(
        run=run,
        command=command,
        module=first_start.get("module"),
        script=script,
        folder=folder,
        root=Path(captured.root) if captured else _root(script.parent if script else folder),
        commit=first_start.get("commit"),
        dirty=bool(first_start.get("dirty")),
        remote=first_start.get("remote"),
        captured=captured,
    )


def _first_start(run: RecordedRun) -> StartedCode:
    damage = [text for text in RunDocument.read(run.folder).damage if text.startswith(_ACTED_UPON)]
    if damage:
        raise DamagedFile(f"{run.folder / RUN_FILE} is damaged ({shorten_damage(damage)})")
    return (run.code.info.get("earlier") or [run.code.info])[0]


def own_attempts(run: RecordedRun) -> list[Attempt]:
    """The attempts of a run, without those a fork has from another."""
    return [attempt for attempt in run.document.attempts if attempt.inherited is None]


def _root(folder: Path) -> Path:
    """The repository that a folder lies in today, where no list of code says what it was; else the folder itself."""
    repository = git.repository(str(folder))
    return folder if repository is None else repository.root


def _objections(run: RecordedRun, first_start: StartedCode, command: tuple[str, ...]) -> Iterator[str]:
    """Why it cannot be started by a command again."""
    if not command or not first_start.get("folder"):
        yield "its record does not say what was started, or in which folder"
        return
    program = Path(command[0]).name.lower()
    notebook = any(file.why == "notebook" for file in run.code.files)
    if notebook or any(name in program for name in _NOTEBOOK_PROGRAMS):
        yield "it was begun in a notebook, whose cells have no command; `runfolio show RUN --code` lists what was kept"
    if command[0] in ("", "-", "-c"):
        yield "it was begun at Python's prompt or by `python -c`; put the code into a script, and track that"
    size = str((run.document.environment.get("variables") or {}).get("WORLD_SIZE", "1"))
    ranks = {writer.rank for writer in read_writers(run.folder) if writer.rank is not None}
    if len(ranks) > 1 or (size.isdecimal() and int(size) > 1):
        yield (
            "several ranks wrote it, and what launched them is not recorded;"
            " launch them by hand, and `runfolio compare` the two"
        )

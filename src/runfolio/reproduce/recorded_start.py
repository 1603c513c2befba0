"""First start of a run, as read from its record. A run that no command can start again is rejected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runfolio.errors import ConfigError, DamagedFile
from runfolio.query.explain.repeatable import first_start as first_recorded_start
from runfolio.query.explain.repeatable import refusal_reasons
from runfolio.query.run import RecordedRun
from runfolio.record.base.layout import RUN_FILE
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.base.schema import shorten_damage
from runfolio.record.content import code
from runfolio.record.content.code import Code
from runfolio.tracking.environment import git

_ACTED_UPON = ("code", "environment")
"""Parts of `run.json` that must be intact, because they determine which program is executed."""
_PATHS = ("script", "folder")
"""Fields that must be absolute paths without `..`."""
UNCOMMITTED_LEFT_OUT = "the uncommitted diff"
"""Entry in `Code.left_out` for a diff that was too long."""


@dataclass(frozen=True, kw_only=True)
class RecordedStart:
    """First start of a run. If the run was resumed, its repetition covers all attempts. A fork is repeated from the
    checkpoint that it started from."""

    run: RecordedRun
    command: tuple[str, ...]
    """`sys.argv` without secrets."""
    existing: frozenset[str]
    """Arguments that named an existing file or folder at the start. This is empty if the record does not contain the
    information."""
    module: str | None
    """Module that was started with `python -m`, if any."""
    script: Path | None
    folder: Path
    """Folder in which the command was started."""
    root: Path
    """Base folder for the paths of the code. It is the repository, or the script's folder if there is no repository."""
    commit: str | None
    dirty: bool
    remote: str | None
    captured: Code | None

    @property
    def label(self) -> str:
        return f"run {self.run.name} ({self.run.id})"

    @property
    def script_name(self) -> str | None:
        """Path of the script relative to the root, with `/`. The path is None if there is no script, or if the script
        is outside of the root."""
        for path in filter(None, (self.script, self.script and self.script.resolve())):
            if path.is_relative_to(self.root):
                return path.relative_to(self.root).as_posix()
        return None


def read_start(run: RecordedRun) -> RecordedStart:
    """Read the first start of a run.

    Raises:
        ConfigError: No command can start the run again; the message contains the reason.
        DamagedFile: The list of captured code cannot be read, or the record has invalid fields.
    """
    first_start = _first_start(run)
    command = tuple(map(str, first_start.get("command") or ()))
    for reason in refusal_reasons(run, first_start):
        raise ConfigError(f"run {run.name} ({run.id}) cannot be repeated: {reason}")
    captured = code.read(run.folder, [own_attempts(run)[0].writer]) if own_attempts(run) else None
    if captured is not None and captured.damage:
        raise DamagedFile(f"the list of captured code in {run.folder} is damaged ({shorten_damage(captured.damage)})")
    if captured is not None and not _is_whole_path(captured.root):
        raise DamagedFile(
            f"the list of captured code of run {run.name} ({run.id}) is damaged (root is {captured.root[:40]!r})"
        )
    script = Path(name) if (name := first_start.get("script")) else None
    folder = Path(first_start.get("folder") or "")
    return RecordedStart(
        run=run,
        command=command,
        existing=frozenset(map(str, first_start.get("existing") or ())),
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
    first_start = first_recorded_start(run)
    for name in _PATHS:
        path = first_start.get(name)
        if path is not None and not _is_whole_path(str(path)):
            raise DamagedFile(f"{run.folder / RUN_FILE} is damaged ({name} is {str(path)[:40]!r})")
    return first_start


def _is_whole_path(text: str) -> bool:
    return text.startswith("/") and ".." not in text.split("/")


def own_attempts(run: RecordedRun) -> list[Attempt]:
    """Return the attempts of a run, except those that a fork inherited."""
    return [attempt for attempt in run.document.attempts if attempt.inherited is None]


def _root(folder: Path) -> Path:
    """Return the root of the repository that contains the folder today, or else the folder itself."""
    repository = git.repository(str(folder))
    return folder if repository is None else repository.root

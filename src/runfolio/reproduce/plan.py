"""What repeating a run takes: which code is laid where, the command, its folder and its variables.

Nothing is run for it but questions to git, so that all of it can be shown before anything is done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.query.run import RecordedRun
from runfolio.query.store import open_folio
from runfolio.record.base.redaction import REDACTED
from runfolio.record.base.run_document import FORK
from runfolio.record.checkpoints import manifests
from runfolio.record.content import code
from runfolio.record.content.code import SourceFile
from runfolio.reproduce import code_source, command_line, data_links, patch
from runfolio.reproduce.code_source import Origin, came_with
from runfolio.reproduce.difference import Difference
from runfolio.reproduce.recorded_start import UNCOMMITTED_LEFT_OUT, Start, own_attempts, start_of
from runfolio.tracking.environment.variables import variables
from runfolio.tracking.process import reproduction
from runfolio.tracking.process.distributed import RUN_ID
from runfolio.tracking.process.reproduction import Reproduction

_OF_THE_MACHINE = (
    *("RUNFOLIO_*", "SLURM_*", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST", "HOSTNAME"),
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("TORCHELASTIC_*", "ACCELERATE_*", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX"),
)
"""Recorded variables that say where a program ran, and not how."""
_NOT_FOR_IT = (RUN_ID, "RUNFOLIO_CODE", reproduction.STOP_AFTER)
"""Variables of today's shell that would have the repeated run be recorded another way."""
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for, beside the run."""

    here: bool = False
    """With the code as it is today, in its own folder."""
    repository: Path | None = None
    """Where the commit is to be had."""
    arguments: Sequence[str] = ()
    """More of the command line, or other values for flags of it."""
    links: Sequence[str] = ()
    """Files and folders the script reads, relative to the folder it was started in, beside those the command names."""
    steps: int | None = None
    """Up to this step; None: to the end."""
    fresh_venv: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    start: Start
    origin: Origin
    tree: Path
    """Where the root of the code is laid; with `here` the root itself."""
    folder: Path
    """Where the command is started."""
    interpreter: Path
    """The recorded one, else that which runs now."""
    venv: Path | None
    """A fresh virtual environment to be made by it there first."""
    command: list[str]
    variables: dict[str, str]
    """What is set for the command beside today's environment."""
    unset: list[str]
    diff: bytes = b""
    """The uncommitted changes, as `git apply` takes them."""
    files: list[SourceFile] = field(default_factory=list)
    """Kept files that are laid: those that git does not have."""
    links: dict[Path, Path] = field(default_factory=dict)
    """Where a link is laid, and what of today it leads to."""
    flags: list[Difference] = field(default_factory=list)
    """What the given arguments change."""
    remarks: list[str] = field(default_factory=list)
    """What else is to be known before it begins."""

    @property
    def run(self) -> RecordedRun:
        return self.start.run

    def environment(self, today: Mapping[str, str]) -> dict[str, str]:
        """The environment of the command."""
        return {name: value for name, value in today.items() if name not in self.unset} | self.variables

    def as_recorded(self, text: str) -> str:
        """A text with the paths of the original in the place of those of the fresh folder."""
        return text.replace(os.fspath(self.tree), os.fspath(self.start.root))


def plan(run: RecordedRun, wish: Wish, *, holder: Path, store: Path) -> Plan:
    """Args:
        holder: An empty folder, not yet there perhaps, in which everything is laid.
        store: Where the repeated run goes.
    Raises:
        ConfigError: The run cannot be repeated, or not without what is said to be given.
        NotFound: Its code, or what was to be linked, is not to be had.
        DamagedFile: What was kept of it is not what it was.
    """
    start = start_of(run)
    _check_fork(run, store)
    found = code_source.find(start, wish.repository, store, here=wish.here)
    tree = start.root if wish.here else holder / start.root.name
    change = patch.of(start, found.repository) if found.kind in ("worktree", "clone") else patch.NONE
    files = [] if wish.here else _to_lay(start, found)
    laid = found.paths | {file.path for file in files} | change.added
    folder = _folder(start, tree)
    linked = {} if wish.here else data_links.find(start, tree, laid, change.binary, wish.arguments, wish.links, store)
    missing = [] if wish.here else list(_missing(start, found, change, linked.keys(), tree))
    venv = holder / "venv" if wish.fresh_venv else None
    interpreter, about_python = _interpreter(start, store)
    python = interpreter if venv is None else venv / "bin" / "python"
    words, flags = command_line.merged(start.command[1:], wish.arguments)
    _refuse_secrets(start, words)
    recorded, unset = _variables(start, tree)
    repeated = Reproduction(run.id, run.name, store)
    stop = {} if wish.steps is None else {reproduction.STOP_AFTER: str(wish.steps)}
    return Plan(
        start=start,
        origin=found,
        tree=tree,
        folder=folder,
        interpreter=interpreter,
        venv=venv,
        command=_command(start, python, words, tree, laid, is_fresh=venv is not None),
        variables={**recorded, **repeated.environment(), "RUNFOLIO_STORE": os.fspath(store), **stop},
        unset=unset,
        diff=change.text,
        files=files,
        links=linked,
        flags=flags,
        remarks=[*about_python, *_remarks(start, found), *missing],
    )


def _check_fork(run: RecordedRun, store: Path) -> None:
    """See that what a fork began from is still there, and still the same.

    Raises:
        NotFound: It is not.
    """
    lineage = run.document.lineage or {}
    if lineage.get("kind") != FORK:
        return
    name, step = str(lineage.get("checkpoint")), lineage.get("step")
    try:
        found = manifests.read(open_folio(store).run(str(lineage.get("run"))).folder, name)
    except (NotFound, DamagedFile) as error:
        raise NotFound(
            f"run {run.name} ({run.id}) is a fork, and what it began from is not to be had: {error}"
        ) from None
    if found.step != step:
        raise NotFound(
            f"run {run.name} ({run.id}) is a fork of checkpoint {name} at step {step}, which is of step {found.step} by"
            f" now; `runfolio reproduce {lineage.get('run')}` repeats the run it came of"
        )


def _to_lay(start: Start, found: Origin) -> list[SourceFile]:
    """The kept files that the commit does not hold, below the root."""
    kept = start.captured.files if start.captured else []
    return [file for file in kept if file.path not in found.paths and is_below(file.path) and file.why != "notebook"]


def is_below(path: str) -> bool:
    """Whether a path of a record names a file below the root, whatever the record may say."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and not path.startswith("/")
        and not {"..", ".git"} & {part.lower() for part in parts}
        and "\0" not in path
    )


def _moved(path: Path, root: Path, tree: Path) -> Path:
    """The same place in the fresh folder, where it lies below the root."""
    return tree / path.relative_to(root) if path.is_relative_to(root) else path


def _folder(start: Start, tree: Path) -> Path:
    """Raises:
    NotFound: It was begun outside of its code, in a folder that is gone.
    """
    folder = _moved(start.folder, start.root, tree)
    if not (folder.is_relative_to(tree) or folder.is_dir()):
        raise NotFound(f"{folder}, where {start.label} was begun, is gone; make it anew, with what it read there")
    return folder


def _interpreter(start: Start, store: Path) -> tuple[Path, list[str]]:
    """The interpreter, and what is to be said of it.

    It is asked what is installed before anybody agreed to anything: none that came with the record is taken.
    """
    recorded = start.run.document.environment.get("executable")
    if not recorded:
        return Path(sys.executable), []
    place = Path(str(recorded))
    if not (place.is_absolute() and place.name.startswith(("python", "pypy"))) or came_with(start.run, place, store):
        return Path(sys.executable), [f"{recorded} is no interpreter to be trusted; {sys.executable} is taken"]
    if not os.access(place, os.X_OK):
        return Path(sys.executable), [f"the interpreter {recorded} of then is gone; {sys.executable} is taken"]
    return place, []


def _command(
    start: Start, python: Path, words: list[str], tree: Path, laid: frozenset[str], *, is_fresh: bool
) -> list[str]:
    """Raises:
    NotFound: The script lies outside of the root and is gone, or there is no such program.
    """
    words = [_moved_word(word, start.root, tree, laid) for word in words]
    if start.module is not None:
        return [os.fspath(python), "-m", start.module.removesuffix(".__main__"), *words]
    if start.script is not None:
        name = start.script_name
        script = start.script if name is None else tree / name
        if name is None and not script.is_file():
            raise NotFound(f"the script {script} of {start.label} lies outside of {start.root}, and is gone")
        return [os.fspath(python), os.fspath(script), *words]
    program = python.with_name(Path(start.command[0]).name)
    if program.name == "runfolio":
        words = command_line.without(words, "--store")  # it prints from there what is not there
        return [os.fspath(python), "-m", "runfolio", *words]
    if not (is_fresh or program.is_file()):
        raise NotFound(
            f"the program {program.name} that {start.label} was begun with is not installed in {program.parent}"
        )
    return [os.fspath(python), os.fspath(program), *words]


def _moved_word(word: str, root: Path, tree: Path, laid: frozenset[str]) -> str:
    """An argument that names a file of the code by its whole path names the fresh one."""
    prefix = os.path.join(os.fspath(root), "")  # noqa: PTH118 - compared as text
    before, found, path = word.partition(prefix)
    is_laid = path in laid or any(name.startswith(f"{path}/") for name in laid)
    return f"{before}{tree}/{path}" if found and before in ("", f"{before[:-1]}=") and is_laid else word


def _refuse_secrets(start: Start, words: Sequence[str]) -> None:
    for number, word in enumerate(words):
        if REDACTED in word:
            flag = word.partition("=")[0] if "=" in word else words[number - 1] if number else "the first argument"
            raise ConfigError(
                f"the record of {start.label} does not hold the value of {flag}, a secret; give it behind --:"
                f" `runfolio reproduce {start.run.id} -- {flag} VALUE`"
            )


def _variables(start: Start, tree: Path) -> tuple[dict[str, str], list[str]]:
    """The recorded variables that are to be set for the command, and those of today that were not set then."""
    recorded = of_the_program(start.run.document.environment.get("variables") or {})
    recorded = {name: value for name, value in recorded.items() if REDACTED not in value}
    threads = (start.run.document.environment.get("torch") or {}).get("threads")
    if threads:
        recorded.setdefault(_THREADS, str(threads))
    said = [entry for entry in recorded.pop("PYTHONPATH", "").split(os.pathsep) if entry]
    paths = [*_editable(start, tree), *(os.fspath(_moved(Path(entry), start.root, tree)) for entry in said)]
    if paths:
        recorded["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    unset = [name for name in of_the_program(variables()) if name not in recorded]
    return recorded, [*unset, *(name for name in _NOT_FOR_IT if name in os.environ)]


def of_the_program(values: Mapping[str, str]) -> dict[str, str]:
    """The recorded variables that say how a program ran, and not where."""
    return {
        name: value
        for name, value in values.items()
        if not any(fnmatchcase(name, pattern) for pattern in _OF_THE_MACHINE)
    }


def _editable(start: Start, tree: Path) -> list[str]:
    """Folders of packages that were installed from the repository itself, to go before today's on Python's path."""
    if tree == start.root:
        return []
    found = []
    for said in (start.run.document.environment.get("installed_from") or {}).values():
        place = Path(str(said).removeprefix("file://").removesuffix(" (editable)"))
        if str(said).endswith(" (editable)") and place.is_relative_to(start.root):
            moved = _moved(place, start.root, tree)
            found += [os.fspath(moved / "src"), os.fspath(moved)]
    return found


def _remarks(start: Start, found: Origin) -> Iterator[str]:
    """What is to be known of the run and of where its code comes from."""
    if (attempts := len(own_attempts(start.run))) > 1:
        yield f"it was resumed ({attempts} attempts); it is repeated whole, from its first start"
    for name, given in start.run.data.items():
        if given.earlier:
            yield f"its {name} data changed while it was worked on; the whole of it is repeated on that of today"
    if start.run.document.series:
        yield f"it is a run of the series {start.run.document.series.get('name')}; of that, it alone is repeated"
    if found.kind == "kept" and start.commit:
        yield f"commit {start.commit[:12]} is not to be had; the files kept with the run are used alone"
    if ".gitmodules" in found.paths:
        yield "the repository has submodules, which are not laid"


def _missing(start: Start, found: Origin, change: patch.Patch, there: AbstractSet[Path], tree: Path) -> Iterator[str]:
    """What of the code is not as it was, since it was not kept.

    Raises:
        ConfigError: That is the whole of the uncommitted changes.
    """
    captured = start.captured
    if start.dirty and (captured is None or any(it.path == UNCOMMITTED_LEFT_OUT for it in captured.left_out)):
        raise ConfigError(
            f"{start.label} was begun with uncommitted changes that were not kept; --here repeats it with the code as"
            " it is today"
        )
    yield from _missing_binary(found, change, there, tree)
    if REDACTED.encode() in change.text:
        yield "secrets were taken out of the uncommitted changes when they were kept"
    for left in captured.left_out if captured else ():
        if left.path and is_below(left.path) and left.path not in found.paths and tree / left.path not in there:
            yield f"{left.path} was not kept ({left.why}), and is not there today"
    for file in captured.files if captured else ():
        if not is_below(file.path):
            yield f"{file.path} lies outside of the code's folder; it is used as it is today"
        elif file.path not in found.paths and REDACTED in code.read_text(start.run.folder, file.sha256):
            yield f"{file.path}: secrets were taken out of it when it was kept"


def _missing_binary(found: Origin, change: patch.Patch, there: AbstractSet[Path], tree: Path) -> Iterator[str]:
    for path in change.binary:
        if path in found.paths:
            yield f"{path} differed from the commit, and is no text: it is taken as it was committed"
        elif tree / path not in there:
            yield f"{path} was not kept (no text), and is not there today"

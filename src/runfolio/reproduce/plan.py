"""Plan for repeating a run: the code and its folder, the command, its start folder and its variables.

Making a plan only reads files and queries git, so the plan can be shown before anything is changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.query.run import RecordedRun
from runfolio.query.store import open_folio
from runfolio.record.base.redaction import REDACTED
from runfolio.record.base.run_document import FORK, TEST
from runfolio.record.checkpoints import manifests
from runfolio.record.content import code
from runfolio.record.content.code import SourceFile
from runfolio.reproduce import code_source, command_line, data_links, patch
from runfolio.reproduce.code_source import CodeSource, is_inside_records
from runfolio.reproduce.deviation import Deviation
from runfolio.reproduce.recorded_start import UNCOMMITTED_LEFT_OUT, RecordedStart, own_attempts, read_start
from runfolio.reproduce.recorded_variables import TakenVariables, take_variables
from runfolio.tracking.process import reproduction
from runfolio.tracking.process.reproduction import Reproduction


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """Choices of the user who repeats a run."""

    here: bool = False
    """Use the current code in its own folder."""
    repository: Path | None = None
    """Repository that contains the recorded commit. Default: the recorded repository."""
    arguments: Sequence[str] = ()
    """Additional arguments, or new values for recorded flags."""
    links: Sequence[str] = ()
    """Additional files and folders that the script reads, relative to its start folder."""
    steps: int | None = None
    """Last step to repeat, or None to repeat all steps."""
    fresh_venv: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    start: RecordedStart
    source: CodeSource
    tree: Path
    """Folder to write the code to. If today's code is used, it is the folder that already contains this code."""
    folder: Path
    """Folder in which the command is started."""
    interpreter: Path
    """Interpreter of the command. If the recorded interpreter is missing or not trusted, it is the current
    interpreter."""
    venv: Path | None
    """Virtual environment to create before the command is run, if any."""
    command: list[str]
    variables: dict[str, str]
    """Variables set for the command in addition to the current environment."""
    unset: list[str]
    diff: bytes = b""
    """Uncommitted changes for `git apply`."""
    captured_files: list[SourceFile] = field(default_factory=list)
    """Captured files to write because the commit does not contain them."""
    links: dict[Path, Path] = field(default_factory=dict)
    """Links to create: the target of each link, keyed by the path of the link."""
    flags: list[Deviation] = field(default_factory=list)
    """Deviations that the given arguments cause."""
    missing_data: list[str] = field(default_factory=list)
    """Missing files and folders that the script reads, according to its arguments and data."""
    remarks: list[str] = field(default_factory=list)
    """Other remarks for the user."""

    @property
    def run(self) -> RecordedRun:
        return self.start.run

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the command."""
        return {name: value for name, value in variables.items() if name not in self.unset} | self.variables

    def as_recorded(self, text: str) -> str:
        """Return the text with the original paths instead of the paths in the fresh folder."""
        return text.replace(os.fspath(self.tree), os.fspath(self.start.root))


def make_plan(run: RecordedRun, options: ReproduceOptions, *, fresh_folder: Path, store: Path) -> Plan:
    """Make the plan for repeating a run.

    Args:
        fresh_folder: Empty folder for all files to write. The folder need not exist yet.
        store: Store of the repeated run.
    Raises:
        ConfigError: The run cannot be repeated, or needs additional options.
        NotFound: The code of the run, or a path to link, is not available.
        DamagedFile: The captured code is damaged.
    """
    start = read_start(run)
    _check_fork(run, store)
    source = code_source.find_code_source(start, options.repository, store, here=options.here)
    tree = start.root if options.here else fresh_folder / start.root.name
    is_checked_out = source.kind in ("worktree", "clone")
    uncommitted = patch.read_patch(start, source.repository, source.paths) if is_checked_out else patch.EMPTY
    files = [] if options.here else _files_to_write(start, source)
    tree_files = source.paths | {file.path for file in files} | uncommitted.added
    folder = _start_folder(start, tree)
    links = (
        {}
        if options.here
        else data_links.find_links(start, tree, tree_files, uncommitted.binary, options.arguments, options.links, store)
    )
    missing = [] if options.here else list(_missing_files(start, source, uncommitted, links.keys(), tree))
    arguments, flags = command_line.merge_arguments(start.command[1:], options.arguments)
    missing_data = data_links.missing_files(start, tree, tree_files, links.keys(), arguments)
    venv = fresh_folder / "venv" if options.fresh_venv else None
    interpreter, interpreter_remarks = _interpreter(start, store)
    python = interpreter if venv is None else venv / "bin" / "python"
    _refuse_secrets(start, arguments)
    taken = take_variables(start, tree)
    # Changed settings matter only for the results of a complete run. An output folder is not a setting.
    changed = [flag.name for flag in flags if options.steps is None and not data_links.is_output_flag(flag.name)]
    reproduction_of = Reproduction(run.id, run.name, store, tuple(changed))
    step_limit = {} if options.steps is None else {reproduction.STOP_AFTER: str(options.steps)}
    return Plan(
        start=start,
        source=source,
        tree=tree,
        folder=folder,
        interpreter=interpreter,
        venv=venv,
        command=_command(start, python, arguments, tree, tree_files, is_fresh=venv is not None),
        variables={
            **taken.values,
            **reproduction_of.environment(),
            "RUNFOLIO_STORE": os.fspath(store),
            **step_limit,
        },
        unset=taken.unset,
        diff=uncommitted.text,
        captured_files=files,
        links=links,
        flags=flags,
        missing_data=missing_data,
        remarks=[*interpreter_remarks, *_variable_remarks(taken), *_remarks(start, source), *missing],
    )


def _check_fork(run: RecordedRun, store: Path) -> None:
    """Check that the starting checkpoint of a fork still exists at the same step.

    Raises:
        NotFound: The checkpoint is missing or has a different step.
    """
    lineage = run.document.lineage or {}
    if lineage.get("kind") != FORK:
        return
    name, step = str(lineage.get("checkpoint")), lineage.get("step")
    try:
        checkpoint = manifests.read(open_folio(store).run(str(lineage.get("run"))).folder, name)
    except (NotFound, DamagedFile) as error:
        raise NotFound(f"run {run.name} ({run.id}) is a fork, and its checkpoint is not available: {error}") from None
    if checkpoint.step != step:
        raise NotFound(
            f"run {run.name} ({run.id}) was forked from checkpoint {name} at step {step}, but this checkpoint is now at"
            f" step {checkpoint.step}; `runfolio reproduce {lineage.get('run')}` repeats the original run"
        )


def _files_to_write(start: RecordedStart, source: CodeSource) -> list[SourceFile]:
    """Return the captured files below the root that are not in the commit."""
    captured_files = start.captured.files if start.captured else []
    return [
        file
        for file in captured_files
        if file.path not in source.paths and is_inside_root(file.path) and file.why != "notebook"
    ]


def is_inside_root(path: str) -> bool:
    """Return whether a recorded path is a safe path below the root."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and not path.startswith("/")
        and not {"..", ".git"} & {part.lower() for part in parts}
        and "\0" not in path
        and PurePosixPath(path).as_posix() == path
    )


def _fresh_path(path: Path, root: Path, tree: Path) -> Path:
    """Return the path in the fresh folder that corresponds to `path`. A path outside of the root is not changed."""
    return tree / path.relative_to(root) if path.is_relative_to(root) else path


def _start_folder(start: RecordedStart, tree: Path) -> Path:
    """Return the folder in which the command is started.

    Raises:
        NotFound: The folder is outside of the code's root, and does not exist.
    """
    folder = _fresh_path(start.folder, start.root, tree)
    if not (folder.is_relative_to(tree) or folder.is_dir()):
        raise NotFound(
            f"{folder}, where {start.label} was started, is missing; create this folder with the files that the script"
            " reads from it"
        )
    return folder


def _interpreter(start: RecordedStart, store: Path) -> tuple[Path, list[str]]:
    """Return the interpreter, and remarks about it for the user.

    The interpreter is queried before the user has agreed to anything, so an interpreter inside the records is not used.
    """
    recorded = start.run.document.environment.get("executable")
    if not recorded:
        return Path(sys.executable), []
    path = Path(str(recorded))
    if not (path.is_absolute() and path.name.startswith(("python", "pypy"))) or is_inside_records(
        start.run, path, store
    ):
        return Path(sys.executable), [
            f"the recorded interpreter {recorded} is not trusted; {sys.executable} is used instead"
        ]
    if not os.access(path, os.X_OK):
        return Path(sys.executable), [
            f"the recorded interpreter {recorded} is missing; {sys.executable} is used instead"
        ]
    return path, []


def _command(
    start: RecordedStart, python: Path, arguments: list[str], tree: Path, tree_files: frozenset[str], *, is_fresh: bool
) -> list[str]:
    """Return the command to run.

    Raises:
        NotFound: The script is outside of the root and does not exist, or the program is not installed.
    """
    arguments = [_with_fresh_path(word, start.root, tree, tree_files) for word in arguments]
    if start.module is not None:
        return [os.fspath(python), "-m", start.module.removesuffix(".__main__"), *arguments]
    if start.script is not None:
        name = start.script_name
        script = start.script if name is None else tree / name
        if name is None and not script.is_file():
            raise NotFound(f"the script {script} of {start.label} is outside of {start.root}, and does not exist")
        return [os.fspath(python), os.fspath(script), *arguments]
    program = python.with_name(Path(start.command[0]).name)
    if program.name == "runfolio":
        arguments = command_line.without_flag(arguments, "--store")  # the variable RUNFOLIO_STORE selects the store
        return [os.fspath(python), "-m", "runfolio", *arguments]
    if not (is_fresh or program.is_file()):
        raise NotFound(f"the program {program.name} that started {start.label} is not installed in {program.parent}")
    return [os.fspath(python), os.fspath(program), *arguments]


def _with_fresh_path(word: str, root: Path, tree: Path, tree_files: frozenset[str]) -> str:
    """Replace the absolute path of a code file with its path in the fresh folder."""
    prefix = os.path.join(os.fspath(root), "")  # noqa: PTH118 - compared as a string
    before, separator, path = word.partition(prefix)
    is_in_tree = path in tree_files or any(name.startswith(f"{path}/") for name in tree_files)
    return f"{before}{tree}/{path}" if separator and before in ("", f"{before[:-1]}=") and is_in_tree else word


def _refuse_secrets(start: RecordedStart, words: Sequence[str]) -> None:
    for number, word in enumerate(words):
        if REDACTED in word:
            flag = word.partition("=")[0] if "=" in word else words[number - 1] if number else "the first argument"
            raise ConfigError(
                f"the value of {flag} is a secret, which the record of {start.label} does not contain; pass it again:"
                f" `runfolio reproduce {start.run.id} -- {flag} VALUE`"
            )


def _variable_remarks(taken: TakenVariables) -> Iterator[str]:
    if taken.left_out:
        yield (
            f"these recorded variables are not set, for safety: {', '.join(taken.left_out)};"
            " set them yourself if the run needs them"
        )


def _remarks(start: RecordedStart, source: CodeSource) -> Iterator[str]:
    """Yield remarks on the run and on the source of its code."""
    if (attempts := sum(attempt.purpose != TEST for attempt in own_attempts(start.run))) > 1:
        yield f"the run was resumed ({attempts} attempts); the whole run is repeated, from its first start"
    for name, data in start.run.data.items():
        if data.earlier:
            yield f"the {name} data changed between attempts of the run; today's data is used from the start"
    if start.run.document.series:
        yield f"the run belongs to the series {start.run.document.series.get('name')}; only this run is repeated"
    if source.kind == "kept" and start.commit:
        yield f"commit {start.commit[:12]} is not available; only the files captured with the run are used"
    if ".gitmodules" in source.paths:
        yield "the repository has submodules, which are not checked out"


def _missing_files(
    start: RecordedStart, source: CodeSource, uncommitted: patch.Patch, linked: AbstractSet[Path], tree: Path
) -> Iterator[str]:
    """Yield remarks on code that was not captured. Such code may differ from the original.

    Raises:
        ConfigError: The uncommitted changes were not captured at all.
    """
    captured = start.captured
    if start.dirty and (captured is None or any(entry.path == UNCOMMITTED_LEFT_OUT for entry in captured.left_out)):
        raise ConfigError(
            f"{start.label} was started with uncommitted changes that were not captured; --here repeats it with today's"
            " code"
        )
    yield from _missing_binary(source, uncommitted, linked, tree)
    if REDACTED.encode() in uncommitted.text:
        yield "secrets were removed from the captured uncommitted changes"
    for entry in captured.left_out if captured else ():
        if (
            entry.path
            and is_inside_root(entry.path)
            and entry.path not in source.paths
            and tree / entry.path not in linked
        ):
            yield f"{entry.path} was not captured ({entry.why}), and does not exist today"
    for file in captured.files if captured else ():
        if not is_inside_root(file.path):
            yield f"{file.path} is outside of the code's folder; its current version is used"
        elif file.path not in source.paths and REDACTED in code.read_text(start.run.folder, file.sha256):
            yield f"{file.path}: secrets were removed from the captured file"


def _missing_binary(
    source: CodeSource, uncommitted: patch.Patch, linked: AbstractSet[Path], tree: Path
) -> Iterator[str]:
    for path in uncommitted.binary:
        if path in source.paths:
            yield f"the changes to {path} were not captured, because it is a binary file; its committed version is used"
        elif tree / path not in linked:
            yield f"{path} was not captured (binary file), and does not exist today"

"""What repeating a run takes: which code is laid where, the command, its folder and its variables.

Nothing is run for it but questions to git, so that all of it can be shown before anything is done.
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
from runfolio.record.base.run_document import FORK
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
    start: RecordedStart
    source: CodeSource
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
    captured_files: list[SourceFile] = field(default_factory=list)
    """Kept files that are laid: those that git does not have."""
    links: dict[Path, Path] = field(default_factory=dict)
    """Where a link is laid, and what of today it leads to."""
    flags: list[Deviation] = field(default_factory=list)
    """What the given arguments change."""
    missing_data: list[str] = field(default_factory=list)
    """Files that the script reads, by its own words, and that are not here."""
    remarks: list[str] = field(default_factory=list)
    """What else is to be known before it begins."""

    @property
    def run(self) -> RecordedRun:
        return self.start.run

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The environment of the command."""
        return {name: value for name, value in variables.items() if name not in self.unset} | self.variables

    def as_recorded(self, text: str) -> str:
        """A text with the paths of the original in the place of those of the fresh folder."""
        return text.replace(os.fspath(self.tree), os.fspath(self.start.root))


def make_plan(run: RecordedRun, options: ReproduceOptions, *, fresh_folder: Path, store: Path) -> Plan:
    """Args:
        fresh_folder: An empty folder, not yet there perhaps, in which everything is laid.
        store: Where the repeated run goes.
    Raises:
        ConfigError: The run cannot be repeated, or not without what is said to be given.
        NotFound: Its code, or what was to be linked, is not to be had.
        DamagedFile: What was kept of it is not what it was.
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
    missing_data = data_links.missing_files(start, tree, tree_files, links.keys(), options.arguments)
    venv = fresh_folder / "venv" if options.fresh_venv else None
    interpreter, interpreter_remarks = _interpreter(start, store)
    python = interpreter if venv is None else venv / "bin" / "python"
    arguments, flags = command_line.merge_arguments(start.command[1:], options.arguments)
    _refuse_secrets(start, arguments)
    taken = take_variables(start, tree)
    reproduction_of = Reproduction(run.id, run.name, store)
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
    """See that what a fork began from is still there, and still the same.

    Raises:
        NotFound: It is not.
    """
    lineage = run.document.lineage or {}
    if lineage.get("kind") != FORK:
        return
    name, step = str(lineage.get("checkpoint")), lineage.get("step")
    try:
        checkpoint = manifests.read(open_folio(store).run(str(lineage.get("run"))).folder, name)
    except (NotFound, DamagedFile) as error:
        raise NotFound(
            f"run {run.name} ({run.id}) is a fork, and what it began from is not to be had: {error}"
        ) from None
    if checkpoint.step != step:
        raise NotFound(
            f"run {run.name} ({run.id}) is a fork of checkpoint {name} at step {step}, which is of step"
            f" {checkpoint.step} by now; `runfolio reproduce {lineage.get('run')}` repeats the run it came of"
        )


def _files_to_write(start: RecordedStart, source: CodeSource) -> list[SourceFile]:
    """The kept files that the commit does not hold, below the root."""
    captured_files = start.captured.files if start.captured else []
    return [
        file
        for file in captured_files
        if file.path not in source.paths and is_inside_root(file.path) and file.why != "notebook"
    ]


def is_inside_root(path: str) -> bool:
    """Whether a path of a record names a file below the root, whatever the record may say."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and not path.startswith("/")
        and not {"..", ".git"} & {part.lower() for part in parts}
        and "\0" not in path
        and PurePosixPath(path).as_posix() == path
    )


def _moved_path(path: Path, root: Path, tree: Path) -> Path:
    """The same place in the fresh folder, where it lies below the root."""
    return tree / path.relative_to(root) if path.is_relative_to(root) else path


def _start_folder(start: RecordedStart, tree: Path) -> Path:
    """Raises:
    NotFound: It was begun outside of its code, in a folder that is gone.
    """
    folder = _moved_path(start.folder, start.root, tree)
    if not (folder.is_relative_to(tree) or folder.is_dir()):
        raise NotFound(f"{folder}, where {start.label} was begun, is gone; make it anew, with what it read there")
    return folder


def _interpreter(start: RecordedStart, store: Path) -> tuple[Path, list[str]]:
    """The interpreter, and what is to be said of it.

    It is asked what is installed before anybody agreed to anything: none that came with the record is taken.
    """
    recorded = start.run.document.environment.get("executable")
    if not recorded:
        return Path(sys.executable), []
    path = Path(str(recorded))
    if not (path.is_absolute() and path.name.startswith(("python", "pypy"))) or is_inside_records(
        start.run, path, store
    ):
        return Path(sys.executable), [f"{recorded} is no interpreter to be trusted; {sys.executable} is taken"]
    if not os.access(path, os.X_OK):
        return Path(sys.executable), [f"the interpreter {recorded} of then is gone; {sys.executable} is taken"]
    return path, []


def _command(
    start: RecordedStart, python: Path, arguments: list[str], tree: Path, tree_files: frozenset[str], *, is_fresh: bool
) -> list[str]:
    """Raises:
    NotFound: The script lies outside of the root and is gone, or there is no such program.
    """
    arguments = [_moved_word(word, start.root, tree, tree_files) for word in arguments]
    if start.module is not None:
        return [os.fspath(python), "-m", start.module.removesuffix(".__main__"), *arguments]
    if start.script is not None:
        name = start.script_name
        script = start.script if name is None else tree / name
        if name is None and not script.is_file():
            raise NotFound(f"the script {script} of {start.label} lies outside of {start.root}, and is gone")
        return [os.fspath(python), os.fspath(script), *arguments]
    program = python.with_name(Path(start.command[0]).name)
    if program.name == "runfolio":
        arguments = command_line.without_flag(arguments, "--store")  # it prints from there what is not there
        return [os.fspath(python), "-m", "runfolio", *arguments]
    if not (is_fresh or program.is_file()):
        raise NotFound(
            f"the program {program.name} that {start.label} was begun with is not installed in {program.parent}"
        )
    return [os.fspath(python), os.fspath(program), *arguments]


def _moved_word(word: str, root: Path, tree: Path, tree_files: frozenset[str]) -> str:
    """An argument that names a file of the code by its whole path names the fresh one."""
    prefix = os.path.join(os.fspath(root), "")  # noqa: PTH118 - compared as text
    before, separator, path = word.partition(prefix)
    is_in_tree = path in tree_files or any(name.startswith(f"{path}/") for name in tree_files)
    return f"{before}{tree}/{path}" if separator and before in ("", f"{before[:-1]}=") and is_in_tree else word


def _refuse_secrets(start: RecordedStart, words: Sequence[str]) -> None:
    for number, word in enumerate(words):
        if REDACTED in word:
            flag = word.partition("=")[0] if "=" in word else words[number - 1] if number else "the first argument"
            raise ConfigError(
                f"the record of {start.label} does not hold the value of {flag}, a secret; give it behind --:"
                f" `runfolio reproduce {start.run.id} -- {flag} VALUE`"
            )


def _variable_remarks(taken: TakenVariables) -> Iterator[str]:
    if taken.left_out:
        yield (
            f"recorded variables that are not taken from a record: {', '.join(taken.left_out)};"
            " set them yourself if the run needs them"
        )


def _remarks(start: RecordedStart, source: CodeSource) -> Iterator[str]:
    """What is to be known of the run and of where its code comes from."""
    if (attempts := len(own_attempts(start.run))) > 1:
        yield f"it was resumed ({attempts} attempts); it is repeated whole, from its first start"
    for name, data in start.run.data.items():
        if data.earlier:
            yield f"its {name} data changed while it was worked on; the whole of it is repeated on that of today"
    if start.run.document.series:
        yield f"it is a run of the series {start.run.document.series.get('name')}; of that, it alone is repeated"
    if source.kind == "kept" and start.commit:
        yield f"commit {start.commit[:12]} is not to be had; the files kept with the run are used alone"
    if ".gitmodules" in source.paths:
        yield "the repository has submodules, which are not laid"


def _missing_files(
    start: RecordedStart, source: CodeSource, uncommitted: patch.Patch, linked: AbstractSet[Path], tree: Path
) -> Iterator[str]:
    """What of the code is not as it was, since it was not kept.

    Raises:
        ConfigError: That is the whole of the uncommitted changes.
    """
    captured = start.captured
    if start.dirty and (captured is None or any(entry.path == UNCOMMITTED_LEFT_OUT for entry in captured.left_out)):
        raise ConfigError(
            f"{start.label} was begun with uncommitted changes that were not kept; --here repeats it with the code as"
            " it is today"
        )
    yield from _missing_binary(source, uncommitted, linked, tree)
    if REDACTED.encode() in uncommitted.text:
        yield "secrets were taken out of the uncommitted changes when they were kept"
    for entry in captured.left_out if captured else ():
        if (
            entry.path
            and is_inside_root(entry.path)
            and entry.path not in source.paths
            and tree / entry.path not in linked
        ):
            yield f"{entry.path} was not kept ({entry.why}), and is not there today"
    for file in captured.files if captured else ():
        if not is_inside_root(file.path):
            yield f"{file.path} lies outside of the code's folder; it is used as it is today"
        elif file.path not in source.paths and REDACTED in code.read_text(start.run.folder, file.sha256):
            yield f"{file.path}: secrets were taken out of it when it was kept"


def _missing_binary(
    source: CodeSource, uncommitted: patch.Patch, linked: AbstractSet[Path], tree: Path
) -> Iterator[str]:
    for path in uncommitted.binary:
        if path in source.paths:
            yield f"{path} differed from the commit, and is no text: it is taken as it was committed"
        elif tree / path not in linked:
            yield f"{path} was not kept (no text), and is not there today"

"""Where the code of a recorded run is to be had: a repository with its commit, the files kept, or as it is now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runfolio.errors import NotFound
from runfolio.query.run import RecordedRun
from runfolio.reproduce.recorded_start import RecordedStart
from runfolio.tracking.environment import git

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class CodeSource:
    kind: Literal["worktree", "clone", "kept", "here"]
    """A worktree or a clone of `repository`; the kept files alone; the folder as it is today."""
    repository: Path | None = None
    paths: frozenset[str] = frozenset()
    """The files of the commit, relative to the root, with `/`."""


def is_inside_records(run: RecordedRun, path: Path, store: Path) -> bool:
    """Whether something lies among the records: a run may have been sent by somebody, and such a thing along with it.

    git and Python do what is said in there (`filter` of a repository's configuration, any file called python).
    """
    folders = [folder.resolve() for folder in (store, run.folder)]
    paths = {Path(os.path.abspath(path)), path.resolve()}  # noqa: PTH100 - a link in there counts as well
    return any(candidate.is_relative_to(folder) for candidate in paths for folder in folders)


def find_code_source(start: RecordedStart, repository: Path | None, store: Path, *, here: bool) -> CodeSource:
    """Args:
        repository: Asked for by the user, who trusts it.
        store: No repository that lies in it is used otherwise.
    Raises:
        NotFound: Neither the commit nor enough kept files are there.
    """
    if here:
        if not start.root.is_dir():
            raise NotFound(f"{start.root}, where {start.label} was begun, is gone; without --here its record is used")
        return CodeSource("here")
    for kind, path in _candidates(start, repository):
        if repository is None and is_inside_records(start.run, path, store):
            continue
        if start.commit and _COMMIT.fullmatch(start.commit) and (paths := _paths(path, start.commit)) is not None:
            return CodeSource(kind, path, paths)
    if repository is not None:
        raise NotFound(f"{repository} does not have commit {start.commit} of {start.label}; name another --repository")
    captured_paths = {file.path for file in start.captured.files} if start.captured else set[str]()
    if start.script is None or start.script_name in captured_paths:  # without a script it is an installed program
        return CodeSource("kept")
    if start.commit is None:
        raise NotFound(
            f"{start.label} was not begun in a git repository, and its code was not kept;"
            " --here repeats it with the code as it is today"
        )
    raise NotFound(
        f"commit {start.commit} of {start.label} is not in {start.root}, and its script was not kept;"
        " name a repository that has it by --repository PATH, or repeat it with today's code by --here"
    )


def _candidates(start: RecordedStart, repository: Path | None) -> Iterator[tuple[Literal["worktree", "clone"], Path]]:
    if repository is not None:
        yield "worktree", repository
        return
    if start.commit is not None:
        yield "worktree", start.root
        remote = (start.remote or "").removeprefix("file://")
        if os.path.isabs(remote):  # noqa: PTH117 - a text that may be a URL
            yield "clone", Path(remote)


def _paths(repository: Path, commit: str) -> frozenset[str] | None:
    """The files of a commit; None where the folder is no repository, or lacks it."""
    if not repository.is_dir():
        return None
    listed = git.run_git(repository, ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit], _LISTING_BYTES)
    return None if listed is None else frozenset(os.fsdecode(name) for name in listed.split(b"\0")[:-1])


_LISTING_BYTES = 200_000_000

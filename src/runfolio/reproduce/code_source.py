"""Source of a recorded run's code: a repository with its commit, the captured files, or the current folder."""

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
    """Kind of source: a worktree or clone of `repository`, only the captured files, or the folder with its current
    code."""
    repository: Path | None = None
    paths: frozenset[str] = frozenset()
    """Paths of the commit's files, relative to the root, with `/` as separator."""


def is_inside_records(run: RecordedRun, path: Path, store: Path) -> bool:
    """Return whether a path is inside the store or the run's folder. These folders may contain files from other people.

    There, a repository's settings, such as `filter`, could make git execute programs. A file named `python` could also
    be started instead of the real interpreter.
    """
    folders = [folder.resolve() for folder in (store, run.folder)]
    paths = {Path(os.path.abspath(path)), path.resolve()}  # noqa: PTH100 - a link in such a folder counts as well
    return any(candidate.is_relative_to(folder) for candidate in paths for folder in folders)


def find_code_source(start: RecordedStart, repository: Path | None, store: Path, *, here: bool) -> CodeSource:
    """Find the source of the code.

    Args:
        repository: Repository that the user chose and trusts.
        store: Store of the run. A repository inside the store is used only if the user chose it.
    Raises:
        NotFound: Neither the commit nor a captured script is available.
    """
    if here:
        if not start.root.is_dir():
            raise NotFound(f"the folder {start.root} of {start.label} is missing; omit --here to use its recorded code")
        return CodeSource("here")
    for kind, path in _candidates(start, repository):
        if repository is None and is_inside_records(start.run, path, store):
            continue
        if start.commit and _COMMIT.fullmatch(start.commit) and (paths := _paths(path, start.commit)) is not None:
            return CodeSource(kind, path, paths)
    if repository is not None:
        raise NotFound(
            f"{repository} does not contain commit {start.commit} of {start.label}; pass a different --repository"
        )
    captured_paths = {file.path for file in start.captured.files} if start.captured else set[str]()
    if start.script is None or start.script_name in captured_paths:  # an installed program has no script
        return CodeSource("kept")
    if start.commit is None:
        raise NotFound(
            f"{start.label} was not started in a git repository, and its code was not captured;"
            " --here repeats it with today's code"
        )
    raise NotFound(
        f"commit {start.commit} of {start.label} is not in {start.root}, and its script was not captured;"
        " pass a repository with this commit as --repository PATH, or use --here to run today's code"
    )


def _candidates(start: RecordedStart, repository: Path | None) -> Iterator[tuple[Literal["worktree", "clone"], Path]]:
    if repository is not None:
        yield "worktree", repository
        return
    if start.commit is not None:
        yield "worktree", start.root
        remote = (start.remote or "").removeprefix("file://")
        if os.path.isabs(remote):  # noqa: PTH117 - the string may be a URL
            yield "clone", Path(remote)


def _paths(repository: Path, commit: str) -> frozenset[str] | None:
    """Return the files of a commit, or None if the folder is not a repository or does not contain the commit."""
    if not repository.is_dir():
        return None
    listing = git.run_git(repository, ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit], _LISTING_BYTES)
    return None if listing is None else frozenset(os.fsdecode(name) for name in listing.split(b"\0")[:-1])


_LISTING_BYTES = 200_000_000

"""Facts about the user's git repository. The repository is only read. Git commands take no locks, show no prompts and
do not use the network. Each command has a time limit and an output limit."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runfolio.tracking.process import subprocesses

_TIMEOUT_S = 10.0
_ANSWER_BYTES = 4_000_000
DIFF_BYTES = 10_000_000
"""Maximum size of a diff. A larger diff is left out, because a truncated diff could not be applied."""
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",  # this prevents git from refreshing the index
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_NO_LAZY_FETCH": "1",  # this prevents a partial clone from fetching missing objects for a diff
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}
_TRACKED_FILES = ("--untracked-files=no", "--ignore-submodules=untracked")
_ANY_OWNER = ("-c", "safe.directory=*")
"""Options for reading a repository that a different user owns. Only commands that run no filters or hooks of the
repository use these options."""


@dataclass(frozen=True)
class Repository:
    """Work tree of a git repository, and its commit. Attributes that are unknown are None."""

    root: Path
    commit: str | None
    branch: str | None
    dirty: bool | None
    """True if tracked files differ from the commit, including files of submodules."""
    remote: str | None
    problem: str | None = None
    """Reason why git did not read the uncommitted changes, and what the user can do."""


def repository(folder: str) -> Repository | None:
    """Return the repository that contains a folder. Return None if there is no repository, or if git is not
    installed."""
    root = _text(folder, "rev-parse", "--show-toplevel")
    if not root:
        return _foreign_repository(folder)
    status = _text(folder, "status", "--porcelain=v2", "--branch", *_TRACKED_FILES)
    headers = dict(line[2:].split(" ", 1) for line in (status or "").splitlines() if line.startswith("# branch."))
    commit = headers.get("branch.oid") or _text(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    branch = headers.get("branch.head")
    return Repository(
        root=Path(root),
        commit=None if commit in ("(initial)", "") else commit,
        branch=None if branch == "(detached)" else branch,
        dirty=any(not line.startswith("#") for line in status.splitlines()) if status is not None else None,
        remote=_remote(folder),
    )


def _foreign_repository(folder: str) -> Repository | None:
    """Read a repository that belongs to a different user, without running programs that its settings specify."""
    root = _text(folder, *_ANY_OWNER, "rev-parse", "--show-toplevel")
    if not root:
        return None
    return Repository(
        root=Path(root),
        commit=_text(folder, *_ANY_OWNER, "rev-parse", "--verify", "--quiet", "HEAD"),
        branch=_text(folder, *_ANY_OWNER, "symbolic-ref", "--quiet", "--short", "HEAD"),
        dirty=None,  # a comparison of files would run the repository's filters
        remote=_remote(folder, *_ANY_OWNER),
        problem="the repository belongs to another user, so uncommitted changes were not read;"
        f" `git config --global --add safe.directory {shlex.quote(root)}` makes git trust it",
    )


def _remote(folder: str, *options: str) -> str | None:
    """Return the URL of `origin`. If there is no such remote, return the URL of the first remote."""
    output = _text(folder, *options, "config", "--get-regexp", r"^remote\..*\.url$") or ""
    urls = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    return urls.get("remote.origin.url") or next(iter(urls.values()), None)


def diff(root: Path, commit: str = "HEAD") -> bytes | None:
    """Return the staged and unstaged changes since a commit. The changes in each submodule since the submodule's own
    commit are appended.

    Return None if git fails, or if the diff exceeds `DIFF_BYTES`.
    """
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--full-index", "--ignore-submodules=dirty")
    parts = []
    for path, base in (("", commit), *((f"{path}/", "HEAD") for path in _changed_submodules(root))):
        prefixes = (f"--src-prefix=a/{path}", f"--dst-prefix=b/{path}")
        parts.append(
            run_git(root / path, ["-c", "core.quotePath=false", "diff", base, *options, *prefixes], DIFF_BYTES)
        )
    whole = b"".join(part for part in parts if part)
    return None if None in parts or len(whole) > DIFF_BYTES else whole


def _changed_submodules(root: Path, above: str = "") -> list[str]:
    """Return the paths of submodules with uncommitted changes, including nested submodules."""
    status = run_git(root / above, ["status", "--porcelain=v2", "-z", *_TRACKED_FILES], _ANSWER_BYTES) or b""
    lines = [line.split(" ", 8) for line in os.fsdecode(status).split("\0") if line.startswith("1 ")]
    paths = [f"{above}{line[8]}" for line in lines if line[2].startswith("S") and line[2][2] == "M"]
    return [path for changed in paths for path in (changed, *_changed_submodules(root, f"{changed}/"))]


def untracked_files(root: Path, *, staged: bool) -> list[str]:
    """Return the files that git neither tracks nor ignores, relative to the root. The list is incomplete if git takes
    too long.

    Args:
        staged: If True, include staged files.
    """
    options = ["--cached"] if staged else []
    command = ["ls-files", "--others", *options, "--exclude-standard", "-z"]
    output = run_git(root, command, _ANSWER_BYTES, cut=True) or b""
    return [os.fsdecode(name) for name in output.split(b"\0")[:-1]]


def _text(folder: str, *arguments: str) -> str | None:
    output = run_git(folder, arguments, _ANSWER_BYTES)
    return None if output is None else os.fsdecode(output).strip()


def run_git(folder: str | Path, arguments: Sequence[str], limit: int, *, cut: bool = False) -> bytes | None:
    """Return the output of git. Return None if git fails, takes too long, or prints more than `limit` bytes.

    Args:
        cut: If True, return the incomplete output instead of None.
    """
    # Without `diff.autoRefreshIndex=false`, `git diff` would write the index if only modification times have changed.
    settings = ("-c", "core.fsmonitor=false", "-c", "diff.autoRefreshIndex=false")
    command = ["git", "--no-optional-locks", *settings, "-C", os.fspath(folder), *arguments]
    try:
        # A process in a separate session does not receive Ctrl-C, and can be killed together with its children.
        process = subprocesses.start_brief(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_QUIET},
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
    with process:
        output, is_complete = _read(process, limit)
        if not is_complete:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
    return output if cut or (is_complete and process.returncode == 0) else None


def _read(process: subprocess.Popen, limit: int) -> tuple[bytes, bool]:
    """Return the output of a process, and whether the output is complete."""
    output = bytearray()
    deadline = time.monotonic() + _TIMEOUT_S
    pipe = process.stdout.fileno() if process.stdout else -1
    ready = select.poll()
    ready.register(pipe, select.POLLIN | select.POLLHUP)
    while (remaining_s := deadline - time.monotonic()) > 0 and ready.poll(remaining_s * 1000):
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return bytes(output), True
        output += piece
        if len(output) > limit:
            break
    return bytes(output), False

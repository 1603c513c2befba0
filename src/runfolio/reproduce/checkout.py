"""Laying the code of a run into a fresh folder, and taking it away again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import ConfigError, StoreError
from runfolio.record.content import code
from runfolio.reproduce.plan import Plan

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "core.fsmonitor=false")
"""No hook of the repository runs for it."""


@contextlib.contextmanager
def holder(keep: bool) -> Iterator[Path]:
    """A folder of its own, in which everything is laid; removed at the end, unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="runfolio-reproduce-")).resolve()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def laid(plan: Plan, *, keep: bool) -> Iterator[None]:
    """The code of the plan, in its place for as long as this lasts.

    Raises:
        ConfigError: git does not lay it; the message has git's own words.
        StoreError: The folder cannot be written.
    """
    if plan.origin.kind == "here":
        yield
        return
    try:
        _lay(plan)
        yield
    finally:
        if plan.origin.kind == "worktree" and not keep:
            # Also the note of it in the repository; of one that was not laid there is none.
            subprocess.run(
                ["git", "-C", str(plan.origin.repository), "worktree", "remove", "--force", str(plan.tree)],
                capture_output=True,
                check=False,
            )


def _lay(plan: Plan) -> None:
    repository, commit, tree = str(plan.origin.repository), str(plan.start.commit), str(plan.tree)
    try:
        if plan.origin.kind == "worktree":
            _git("-C", repository, "worktree", "add", "--quiet", "--detach", "--force", tree, commit)
        elif plan.origin.kind == "clone":
            _git("clone", "--quiet", "--no-checkout", "--shared", repository, tree)
            _git("-C", tree, "checkout", "--quiet", "--detach", commit)
        else:
            plan.tree.mkdir(parents=True)
        if plan.diff:
            _git("-C", tree, "apply", "--whitespace=nowarn", "-", given=plan.diff)
        for file in plan.files:
            place = _place(plan, file.path)
            content = code.read_bytes(plan.run.folder, file.sha256)
            place.write_bytes(content)
            if content.startswith(b"#!"):  # the record has no modes
                place.chmod(place.stat().st_mode | 0o111)
        for place, target in plan.links.items():
            _place(plan, place.relative_to(plan.tree).as_posix()).symlink_to(target)
        if plan.folder.is_relative_to(plan.tree):
            _make_folder(plan)
    except OSError as error:
        raise StoreError(
            f"cannot lay the code of {plan.start.label} into {tree} ({error.strerror or error});"
            " TMPDIR names another place for it"
        ) from None


def _place(plan: Plan, path: str) -> Path:
    """Where a file goes, its folder made.

    Raises:
        ConfigError: A link of the repository would lead it elsewhere.
    """
    place = plan.tree / path
    if place.is_symlink() or not place.parent.resolve().is_relative_to(plan.tree):
        raise _outside(plan, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _make_folder(plan: Plan) -> None:
    """Raises:
    ConfigError: A link of the repository would lead it elsewhere.
    """
    if not plan.folder.resolve().is_relative_to(plan.tree):
        raise _outside(plan, plan.folder.relative_to(plan.tree).as_posix())
    plan.folder.mkdir(parents=True, exist_ok=True)


def _outside(plan: Plan, path: str) -> ConfigError:
    return ConfigError(f"{path} of {plan.start.label} would be laid outside of the fresh folder; it is not repeated")


def _git(*words: str, given: bytes | None = None) -> None:
    done = subprocess.run(
        ["git", *_QUIET, *words],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(
            f"`git {' '.join(words[:4])} ...` failed: {said[-1] if said else done.returncode};"
            " --here repeats the run with the code as it is today"
        )

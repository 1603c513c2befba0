"""Check out a run's code into a fresh folder, and remove the checkout afterwards."""

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
from runfolio.reproduce.agreement import agreed_fields
from runfolio.reproduce.plan import Plan

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "core.fsmonitor=false")
"""Settings that disable the repository's hooks, its file monitor, and git's advice messages."""


@contextlib.contextmanager
def fresh_folder(keep: bool) -> Iterator[Path]:
    """Create a fresh folder for the repeated run, and remove it at the end unless `keep` is set."""
    folder = Path(tempfile.mkdtemp(prefix="runfolio-reproduce-")).resolve()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def checked_out(plan: Plan, *, keep: bool) -> Iterator[None]:
    """Check out the code of the plan, and remove the worktree at the end unless `keep` is set.

    Raises:
        ConfigError: git fails (the message quotes git), or a field of the plan contains hidden characters.
        StoreError: A file cannot be written.
    """
    agreed_fields(plan)
    if plan.source.kind == "here":
        yield
        return
    try:
        _check_out(plan)
        yield
    finally:
        if plan.source.kind == "worktree" and not keep:
            # This also removes the worktree's entry in the repository.
            subprocess.run(
                ["git", "-C", str(plan.source.repository), "worktree", "remove", "--force", str(plan.tree)],
                capture_output=True,
                check=False,
            )


def _check_out(plan: Plan) -> None:
    repository, commit, tree = str(plan.source.repository), str(plan.start.commit), str(plan.tree)
    try:
        if plan.source.kind == "worktree":
            _git("-C", repository, "worktree", "add", "--quiet", "--detach", "--force", tree, commit)
        elif plan.source.kind == "clone":
            _git("clone", "--quiet", "--no-checkout", "--shared", repository, tree)
            _git("-C", tree, "checkout", "--quiet", "--detach", commit)
        else:
            plan.tree.mkdir(parents=True)
        if plan.diff:
            _git("-C", tree, "apply", "--whitespace=nowarn", "-", stdin=plan.diff)
        for file in plan.captured_files:
            path = _target_path(plan, file.path)
            content = code.read_bytes(plan.run.folder, file.sha256)
            path.write_bytes(content)
            if content.startswith(b"#!"):  # file modes are not recorded
                path.chmod(path.stat().st_mode | 0o111)
        for path, target in plan.links.items():
            _target_path(plan, path.relative_to(plan.tree).as_posix()).symlink_to(target)
        if plan.folder.is_relative_to(plan.tree):
            _make_folder(plan)
    except OSError as error:
        raise StoreError(
            f"cannot write the code of {plan.start.label} to {tree} ({error.strerror or error});"
            " set TMPDIR to a different folder"
        ) from None


def _target_path(plan: Plan, path: str) -> Path:
    """Return the path that a file is written to, and create its folder.

    Raises:
        ConfigError: A link in the repository leads out of the fresh folder.
    """
    target = plan.tree / path
    if target.is_symlink() or not target.parent.resolve().is_relative_to(plan.tree):
        raise _outside_error(plan, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _make_folder(plan: Plan) -> None:
    """Create the folder in which the command is started.

    Raises:
        ConfigError: A link in the repository leads out of the fresh folder.
    """
    if not plan.folder.resolve().is_relative_to(plan.tree):
        raise _outside_error(plan, plan.folder.relative_to(plan.tree).as_posix())
    plan.folder.mkdir(parents=True, exist_ok=True)


def _outside_error(plan: Plan, path: str) -> ConfigError:
    return ConfigError(
        f"{plan.start.label} is not repeated: a link in its repository leads out of the fresh folder, so {path} would"
        " be written elsewhere"
    )


def _git(*arguments: str, stdin: bytes | None = None) -> None:
    process = subprocess.run(
        ["git", *_QUIET, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        check=False,
    )
    if process.returncode:
        messages = process.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(
            f"`git {' '.join(arguments[:4])} ...` failed: {messages[-1] if messages else process.returncode};"
            " --here repeats the run with today's code"
        )

"""A fresh virtual environment with the packages of a run, in their versions."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.base.redaction import REDACTED
from runfolio.reproduce.code_source import is_inside_records
from runfolio.reproduce.plan import Plan
from runfolio.tracking.environment.packages import packages

_EDITABLE = " (editable)"
_MAX_ERROR_LINES = 3
_PLAIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
"""A name or a version. Anything else could be an option of pip's, on a line of its own."""
_ORIGIN = re.compile(r"([!#%-~]+( \(editable\))?)?")
"""Where a package came from. pip would take what follows a space for options, and set variables for `${NAME}`."""
_TRUSTED_URL = re.compile(r"(https|git\+https|git\+ssh)://([A-Za-z0-9_.~%-]+@)?[A-Za-z0-9].*")
"""Addresses of a server that proves who it is. A host that begins with `-` would be an option of ssh's."""


def requirements_of(plan: Plan) -> list[str]:
    """What pip is to install: each recorded package from where it came.

    What lies on the recorded PYTHONPATH is there anyway. A package that came from the code itself is installed from the
    fresh folder.

    Raises:
        ConfigError: Some came from where they are not to be had any more; the message names them.
        DamagedFile: One is no package.
    """
    recorded = plan.run.document.environment
    origins = recorded.get("installed_from") or {}
    on_python_path, _ = packages(plan.variables.get("PYTHONPATH", "").split(os.pathsep))
    requirements, missing = [], []
    for name, version in (recorded.get("packages") or {}).items():
        origin = str(origins.get(name, ""))
        if not (_PLAIN_WORD.fullmatch(name) and _PLAIN_WORD.fullmatch(str(version)) and _ORIGIN.fullmatch(origin)):
            raise DamagedFile(f"the record of {plan.start.label} names a package {f'{name} {version} {origin}'!r}")
        if name == "pip" or on_python_path.get(name) == version:
            continue
        requirement = _requirement_from_origin(plan, name, origins[name]) if name in origins else f"{name}=={version}"
        requirements += [requirement] if requirement else []
        missing += [] if requirement else [f"{name} {version} from {origins[name]}"]
    if not recorded.get("packages"):
        raise ConfigError(f"the record of {plan.start.label} does not say which packages were installed")
    if missing:
        raise ConfigError(
            f"not to be had any more: {'; '.join(missing)}; put them back there, or leave out --fresh-venv"
        )
    return requirements


def _requirement_from_origin(plan: Plan, name: str, origin: str) -> str | None:
    """The requirement of a package that is of no index; None if it is gone, or came with the record."""
    url, editable = origin.removesuffix(_EDITABLE), origin.endswith(_EDITABLE)
    if REDACTED in url:
        return None
    if url.startswith("file://"):
        path = Path(unquote(urlsplit(url).path))
        if path.is_relative_to(plan.start.root):
            path = plan.tree / path.relative_to(plan.start.root)
        is_gone = not path.exists() or is_inside_records(plan.run, path, Path(plan.variables["RUNFOLIO_STORE"]))
        return None if is_gone else f"{'-e ' if editable else f'{name} @ '}{path.as_uri()}"
    is_commit = len(url.rpartition("@")[2]) >= 40
    url = f"{'git+' * (is_commit and not url.startswith('git+'))}{url}"
    return f"{name} @ {url}" if _TRUSTED_URL.fullmatch(url) else None


def make_venv(plan: Plan) -> None:
    """Make the environment of the plan; where pip looks for packages, its own configuration says.

    Raises:
        ConfigError: It cannot be made; the message has the words of who failed.
    """
    if plan.venv is None:
        return
    requirements_file = plan.venv.with_suffix(".txt")
    requirements_file.write_text("\n".join([*requirements_of(plan), ""]))
    python = str(plan.venv / "bin" / "python")
    _run_command([str(plan.interpreter), "-m", "venv", str(plan.venv)])
    options = ("--no-deps", "--disable-pip-version-check", "--no-input", "--quiet")
    _run_command([python, "-m", "pip", "install", *options, "-r", str(requirements_file)])


def _run_command(command: list[str]) -> None:
    try:
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"cannot start {command[0]}: {error.strerror}") from None
    if process.returncode:
        lines = [text.strip() for text in process.stderr.splitlines() if text.strip()]
        messages = [text for text in lines if text.lower().startswith("error:")][:_MAX_ERROR_LINES] or lines[
            -_MAX_ERROR_LINES:
        ]
        raise ConfigError(
            f"the fresh environment cannot be made ({' '.join(command[1:4])}):"
            f" {' / '.join(messages) or process.returncode};"
            " PIP_INDEX_URL and the like say where packages are, and without --fresh-venv those of today are used"
        )

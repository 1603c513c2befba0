"""Fresh virtual environment with the recorded versions of a run's packages."""

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
"""Pattern of the name or version of a package. Any other string could be an option of pip."""
_ORIGIN = re.compile(r"([!#%-~]+( \(editable\))?)?")
"""Pattern of the origin of a package. Spaces and `$` are excluded, because pip would read words after a space as
options, and would expand `${NAME}`."""
_TRUSTED_URL = re.compile(r"(https|git\+https|git\+ssh)://([A-Za-z0-9_.~%-]+@)?[A-Za-z0-9].*")
"""Pattern of URLs with an authenticated server. A host must not begin with `-`, because ssh would read it as an
option."""


def requirements_of(plan: Plan) -> list[str]:
    """Return the requirements for pip, one per recorded package, including the origin of the package.

    Packages that are on the command's PYTHONPATH are omitted. A package that belongs to the run's own code is installed
    from the fresh folder.

    Raises:
        ConfigError: The origin of a package is missing or not trusted; the message names the package.
        DamagedFile: An entry of the record is not a valid package.
    """
    recorded = plan.run.document.environment
    origins = recorded.get("installed_from") or {}
    on_python_path, _ = packages(plan.variables.get("PYTHONPATH", "").split(os.pathsep))
    requirements, missing = [], []
    for name, version in (recorded.get("packages") or {}).items():
        origin = str(origins.get(name, ""))
        if not (_PLAIN_WORD.fullmatch(name) and _PLAIN_WORD.fullmatch(str(version)) and _ORIGIN.fullmatch(origin)):
            package = f"{name} {version} {origin}"
            raise DamagedFile(f"the record of {plan.start.label} has an invalid package {package!r}")
        if name == "pip" or on_python_path.get(name) == version:
            continue
        requirement = _requirement_from_origin(plan, name, origins[name]) if name in origins else f"{name}=={version}"
        requirements += [requirement] if requirement else []
        missing += [] if requirement else [f"{name} {version} from {origins[name]}"]
    if not recorded.get("packages"):
        raise ConfigError(f"the record of {plan.start.label} does not list the installed packages")
    if missing:
        raise ConfigError(
            f"cannot install {'; '.join(missing)}; only https, ssh and existing folders outside the store are used:"
            " restore the folders, or omit --fresh-venv"
        )
    return requirements


def _requirement_from_origin(plan: Plan, name: str, origin: str) -> str | None:
    """Return the requirement for a package that is not from an index.

    The result is None if the origin is missing, not trusted or inside the records.
    """
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
    """Create the virtual environment of the plan. pip's own configuration selects the package index.

    Raises:
        ConfigError: The environment cannot be created; the message quotes the program that failed.
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
            f"cannot create the fresh virtual environment ({' '.join(command[1:4])}):"
            f" {' / '.join(messages) or process.returncode};"
            " set PIP_INDEX_URL or other settings of pip, or omit --fresh-venv to use the current packages"
        )

"""A fresh virtual environment with the packages of a run, in their versions."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.base.redaction import REDACTED
from runfolio.reproduce.plan import Plan
from runfolio.tracking.environment.packages import packages

_EDITABLE = " (editable)"
_WORDS = 3
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
"""A name or a version. Anything else could be an option of pip's, on a line of its own."""


def requirements(plan: Plan) -> list[str]:
    """What pip is to install: each recorded package from where it came.

    What lies on the recorded PYTHONPATH is there anyway. A package that came from the code itself is installed from the
    fresh folder.

    Raises:
        ConfigError: Some came from where they are not to be had any more; the message names them.
        DamagedFile: One is no package.
    """
    recorded = plan.run.document.environment
    origins = recorded.get("installed_from") or {}
    there, _ = packages(plan.variables.get("PYTHONPATH", "").split(os.pathsep))
    found, gone = [], []
    for name, version in (recorded.get("packages") or {}).items():
        origin = str(origins.get(name, ""))
        if not (_PLAIN.fullmatch(name) and _PLAIN.fullmatch(str(version)) and origin.isprintable()):
            raise DamagedFile(f"the record of {plan.start.label} names a package {f'{name} {version} {origin}'!r}")
        if name == "pip" or there.get(name) == version:
            continue
        wanted = _from(plan, name, origins[name]) if name in origins else f"{name}=={version}"
        found += [wanted] if wanted else []
        gone += [] if wanted else [f"{name} {version} from {origins[name]}"]
    if not recorded.get("packages"):
        raise ConfigError(f"the record of {plan.start.label} does not say which packages were installed")
    if gone:
        raise ConfigError(f"not to be had any more: {'; '.join(gone)}; put them back there, or leave out --fresh-venv")
    return found


def _from(plan: Plan, name: str, origin: str) -> str | None:
    """The requirement of a package that is of no index; None where it is gone."""
    url, editable = origin.removesuffix(_EDITABLE), origin.endswith(_EDITABLE)
    if REDACTED in url:
        return None
    if url.startswith("file://"):
        path = Path(unquote(urlsplit(url).path))
        if path.is_relative_to(plan.start.root):
            path = plan.tree / path.relative_to(plan.start.root)
        return f"{'-e ' if editable else f'{name} @ '}{path.as_uri()}" if path.exists() else None
    is_commit = len(url.rpartition("@")[2]) >= 40
    return f"{name} @ {'git+' * (is_commit and not url.startswith('git+'))}{url}"


def make(plan: Plan) -> None:
    """Make the environment of the plan; where pip looks for packages, its own configuration says.

    Raises:
        ConfigError: It cannot be made; the message has the words of who failed.
    """
    if plan.venv is None:
        return
    listed = plan.venv.with_suffix(".txt")
    listed.write_text("\n".join([*requirements(plan), ""]))
    python = str(plan.venv / "bin" / "python")
    _do([str(plan.interpreter), "-m", "venv", str(plan.venv)])
    options = ("--no-deps", "--disable-pip-version-check", "--no-input", "--quiet")
    _do([python, "-m", "pip", "install", *options, "-r", str(listed)])


def _do(command: list[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"cannot start {command[0]}: {error.strerror}") from None
    if done.returncode:
        lines = [text.strip() for text in done.stderr.splitlines() if text.strip()]
        said = [text for text in lines if text.lower().startswith("error:")][:_WORDS] or lines[-_WORDS:]
        raise ConfigError(
            f"the fresh environment cannot be made ({' '.join(command[1:4])}): {' / '.join(said) or done.returncode};"
            " PIP_INDEX_URL and the like say where packages are, and without --fresh-venv those of today are used"
        )

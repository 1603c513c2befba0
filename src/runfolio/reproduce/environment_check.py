"""Deviations from the record that can be found before the command is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.base.redaction import redact_text
from runfolio.record.base.run_parts import Environment
from runfolio.record.content import code, hashing
from runfolio.record.content.data_listings import Listing
from runfolio.reproduce import patch
from runfolio.reproduce.causes import code_deviation, environment_deviations
from runfolio.reproduce.deviation import Deviation, sort_deviations
from runfolio.reproduce.interpreter_info import interpreter_info
from runfolio.reproduce.plan import Plan, is_inside_root
from runfolio.tracking.environment import git

_QUERY_TIMEOUT_S = 60
_MAX_LISTED = 20
_SCHEME = re.compile(r"[a-z_0-9]{2,}:(?!//)")


def find_deviations(plan: Plan) -> list[Deviation]:
    """Return deviations in flags, data, packages and machine, likeliest causes first. Code is compared only if the plan
    uses today's code.

    Raises:
        ConfigError: The interpreter of the plan cannot run this version of runfolio.
    """
    recorded = plan.run.document.environment
    current = cast("Environment", _interpreter_info(plan))
    if plan.venv is not None:  # the fresh environment will contain the recorded packages
        current["packages"] = recorded.get("packages", {})
        current["installed_from"] = recorded.get("installed_from", {})
    deviations = [
        *plan.flags,
        *_data(plan),
        *environment_deviations(recorded, current, plan.start),
    ]
    if plan.source.kind == "here":
        deviations += _code(plan)
    return sort_deviations(deviations)


def _interpreter_info(plan: Plan) -> dict[str, Any]:
    """Query the interpreter without executing the run's code, because the user has not agreed to execute it yet."""
    path = plan.variables.get("PYTHONPATH", "")
    if os.fspath(plan.interpreter) == sys.executable:
        return interpreter_info(path)
    try:
        process = subprocess.run(
            [plan.interpreter, "-P", "-m", "runfolio.reproduce.interpreter_info", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_TIMEOUT_S,
            check=False,
        )
        return json.loads(process.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise ConfigError(
            f"{plan.interpreter}, the interpreter of {plan.start.label}, cannot run this version of runfolio; install"
            " runfolio for that interpreter, or move the interpreter away to use the current one"
        ) from None


def _data(plan: Plan) -> Iterator[Deviation]:
    """Yield data files that are missing, or whose content differs from the recorded content."""
    for name in plan.missing_data:
        is_absolute = Path(name).is_absolute()
        remedy = "pass a different path after --" if is_absolute else f"pass it with --link {name}=PATH"
        yield Deviation("data", name, "present", None, f"missing; {remedy}")
    for name, data in plan.run.data.items():
        source = data.source or ""
        name_on_disk = source[match.end() :] if (match := _SCHEME.match(source)) else source
        path = plan.start.folder / name_on_disk if name_on_disk else None
        if path is None or data.fingerprint is None or not os.path.lexists(path):
            continue
        try:
            yield from _changed_files(name, data.listing(), path)
        except (RunfolioError, OSError):
            continue  # the listing was too long or is missing; fingerprints are compared after the repeated run


def _changed_files(name: str, listing: Listing, path: Path) -> Iterator[Deviation]:
    root = path if path.is_dir() else path.parent
    items = {item.name: item.digest for item in listing}
    present = [item for item in items if is_inside_root(item) and (root / item).is_file()]
    if not present:
        return
    missing = [item for item in items if item not in present]
    now = dict(zip(present, (file.digest for file in hashing.digests(root, present)), strict=True))
    changed = [item for item in present if now[item] != items[item]]
    for item in changed[:_MAX_LISTED]:
        yield Deviation("data", f"{name}/{item}", items[item], now[item], "changed")
    for item in missing[:_MAX_LISTED]:
        yield Deviation("data", f"{name}/{item}", items[item], None, "missing")
    if (more := len(changed) + len(missing) - 2 * _MAX_LISTED) > 0:
        yield Deviation("data", name, len(items), None, f"and {more:,} more", rank=2)


def _code(plan: Plan) -> Iterator[Deviation]:
    """Yield differences between the current code and the record. Captured files are compared by line. Other tracked
    files with differences are only named."""
    start = plan.start
    captured = start.captured
    captured_files = [file for file in captured.files if is_inside_root(file.path)] if captured else []
    for file in captured_files:
        before = code.read_text(start.run.folder, file.sha256)
        try:
            after = redact_text((start.root / file.path).read_bytes().decode(errors="replace"))
        except OSError:
            yield Deviation("code", file.path, "present", None, "is missing")
            continue
        if before != after:
            yield code_deviation(file.path, before, after)
    if start.commit is None or (current_diff := git.diff(start.root, start.commit)) is None:
        return
    now = patch.sections_by_path(
        redact_text(current_diff.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    )
    then = patch.sections_by_path(_captured_diff(plan))
    for path in sorted(now.keys() | then.keys()):
        if path not in {file.path for file in captured_files} and now.get(path) != then.get(path):
            yield Deviation("code", path, None, None, "differs", rank=2)


def _captured_diff(plan: Plan) -> bytes:
    captured = plan.start.captured
    return b"" if captured is None or captured.diff is None else code.read_bytes(plan.run.folder, captured.diff)

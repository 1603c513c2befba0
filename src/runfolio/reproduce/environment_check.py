"""What is different from when a run was recorded, before anything of it is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.base.redaction import redact_text
from runfolio.record.content import code, hashing
from runfolio.record.content.datasets import Listing
from runfolio.reproduce import patch
from runfolio.reproduce.causes import code_difference, environments
from runfolio.reproduce.difference import Difference, sort
from runfolio.reproduce.interpreter_info import facts
from runfolio.reproduce.plan import Plan, is_below
from runfolio.tracking.environment import git

_ASK_S = 60
_NAMED = 20
_SCHEME = re.compile(r"[a-z_0-9]{2,}:(?!//)")


def differences(plan: Plan) -> list[Difference]:
    """Code (with `here`), flags, data, packages, machine; the likeliest cause of another result first.

    Raises:
        ConfigError: The interpreter has no runfolio that can repeat runs.
    """
    recorded = plan.run.document.environment
    today = _facts(plan)
    if plan.venv is not None:  # what will be installed there is what was recorded
        today |= {name: recorded.get(name) for name in ("packages", "installed_from")}
    found = [*plan.flags, *_data(plan), *environments(recorded, today, plan.start)]
    if plan.origin.kind == "here":
        found += _code(plan)
    return sort(found)


def _facts(plan: Plan) -> dict[str, Any]:
    """What the interpreter says. Nothing of the run's own is executed for it: that is yet to be agreed to."""
    path = plan.variables.get("PYTHONPATH", "")
    if os.fspath(plan.interpreter) == sys.executable:
        return facts(path)
    try:
        done = subprocess.run(
            [plan.interpreter, "-P", "-m", "runfolio.reproduce.interpreter_info", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_S,
            check=False,
        )
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise ConfigError(
            f"{plan.interpreter}, the interpreter of {plan.start.label}, does not run this runfolio; install it there,"
            " or move that interpreter away to use this one"
        ) from None


def _data(plan: Plan) -> Iterator[Difference]:
    """Files of the data that are not what they were, where they still are where the record says."""
    for name, given in plan.run.data.items():
        source = given.source or ""
        path = source[found.end() :] if (found := _SCHEME.match(source)) else source
        place = plan.start.folder / path if path else None
        if place is None or given.fingerprint is None or not os.path.lexists(place):
            continue
        try:
            yield from _changed_files(name, given.listing(), place)
        except (RunfolioError, OSError):
            continue  # the listing is too long, or gone: what the repeated run records is compared


def _changed_files(name: str, listing: Listing, place: Path) -> Iterator[Difference]:
    root = place if place.is_dir() else place.parent
    items = {item.name: item.digest for item in listing}
    there = [item for item in items if is_below(item) and (root / item).is_file()]
    if not there:
        return
    gone = [item for item in items if item not in there]
    now = dict(zip(there, (found.digest for found in hashing.digests(root, there)), strict=True))
    changed = [item for item in there if now[item] != items[item]]
    for item in changed[:_NAMED]:
        yield Difference("data", f"{name}/{item}", items[item], now[item], "changed")
    for item in gone[:_NAMED]:
        yield Difference("data", f"{name}/{item}", items[item], None, "gone")
    if (more := len(changed) + len(gone) - 2 * _NAMED) > 0:
        yield Difference("data", name, len(items), None, f"and {more:,} more", rank=2)


def _code(plan: Plan) -> Iterator[Difference]:
    """Where the code of today differs: in kept files line by line, in others that git knows by name."""
    start = plan.start
    captured = start.captured
    kept = [file for file in captured.files if is_below(file.path)] if captured else []
    for file in kept:
        before = code.read_text(start.run.folder, file.sha256)
        try:
            after = redact_text((start.root / file.path).read_bytes().decode(errors="replace"))
        except OSError:
            yield Difference("code", file.path, "there", None, "is gone")
            continue
        if before != after:
            yield code_difference(file.path, before, after)
    if start.commit is None or (today := git.diff(start.root, start.commit)) is None:
        return
    now = patch.sections(redact_text(today.decode(errors="surrogateescape")).encode(errors="surrogateescape"))
    then = patch.sections(_kept_diff(plan))
    for path in sorted(now.keys() | then.keys()):
        if path not in {file.path for file in kept} and now.get(path) != then.get(path):
            yield Difference("code", path, None, None, "differs", rank=2)


def _kept_diff(plan: Plan) -> bytes:
    captured = plan.start.captured
    return b"" if captured is None or captured.diff is None else code.read_bytes(plan.run.folder, captured.diff)

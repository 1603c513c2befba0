"""What `runfolio show` tells of a profiled training (`runfolio train --profile`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.record.content import artifacts

_PROFILE = "profile"
_MAX_OPERATORS = 10


def read_profile(folder: Path) -> dict[str, Any] | None:
    """What the run's profile was summed up to (`docs/format.md`, Artifacts); None where there is none to be read."""
    try:
        profile = json.loads((_profile_folder(folder) / "operators.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return profile if isinstance(profile, dict) and isinstance(profile.get("operators"), list) else None


def print_profile(folder: Path, profile: dict[str, Any]) -> None:
    """The operators that took most time, what share waiting for images was, and where the trace lies."""
    rows = profile["operators"][:_MAX_OPERATORS]
    on_gpu = profile.get("device") == "cuda"
    times = {"self_cpu_ms": "CPU ms", **({"self_gpu_ms": "GPU ms"} if on_gpu else {})}
    columns = [
        Column(key="name", title="operator", formatter=formatting.elementwise(str)),
        Column(key="calls", title="calls", formatter=formatting.elementwise(formatting.count), number=True),
        *(
            Column(key=key, title=title, formatter=formatting.elementwise("{:.2f}".format), number=True)
            for key, title in times.items()
        ),
        Column(key="share", title="share", formatter=formatting.elementwise("{:.1%}".format), number=True),
    ]
    print_table(DisplayTable(columns=columns, rows=rows))
    loading = profile.get("loading")
    waited = "" if loading is None else f", {loading:.0%} of that waiting for the next batch"
    print_line(
        f"{profile.get('steps')} steps took {formatting.significant_digits(profile.get('seconds') or 0.0)} s{waited}"
    )
    print_line(f"trace for ui.perfetto.dev or chrome://tracing: {_profile_folder(folder) / 'trace.json.gz'}")


def _profile_folder(folder: Path) -> Path:
    """Return the folder of the profile's files; the run's own folder if there is no profile."""
    return artifacts.find(folder, _PROFILE) or folder

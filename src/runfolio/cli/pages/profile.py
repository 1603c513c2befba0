"""What `runfolio show` tells of a profiled training (`runfolio train --profile`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runfolio.cli.output import formatting
from runfolio.cli.output.output import Column, Table, line, show_table
from runfolio.cli.pages.code import harmless
from runfolio.record.base.layout import ARTIFACTS

_PLACE = Path(ARTIFACTS, "profile")
_SHOWN = 10


def read_profile(folder: Path) -> dict[str, Any] | None:
    """What the run's profile was summed up to (`docs/format.md`, Artifacts); None where there is none to be read."""
    try:
        found = json.loads((folder / _PLACE / "operators.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("operators"), list) else None


def print_profile(folder: Path, found: dict[str, Any]) -> None:
    """The operators that took most time, what share waiting for images was, and where the trace lies."""
    rows = found["operators"][:_SHOWN]
    on_gpu = found.get("device") == "cuda"
    times = {"self_cpu_ms": "CPU ms", **({"self_gpu_ms": "GPU ms"} if on_gpu else {})}
    columns = [
        Column(key="name", title="operator", show=formatting.each(harmless)),
        Column(key="calls", title="calls", show=formatting.each(formatting.count), number=True),
        *(
            Column(key=key, title=title, show=formatting.each("{:.2f}".format), number=True)
            for key, title in times.items()
        ),
        Column(key="share", title="share", show=formatting.each("{:.1%}".format), number=True),
    ]
    show_table(Table(columns=columns, rows=rows), "table")
    loading = found.get("loading")
    waited = "" if loading is None else f", {loading:.0%} of that waiting for the next batch"
    line(f"{found.get('steps')} steps took {formatting.significant(found.get('seconds') or 0.0)} s{waited}")
    line(f"trace for ui.perfetto.dev or chrome://tracing: {folder / _PLACE / 'trace.json.gz'}")

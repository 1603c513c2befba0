"""Print the profile of a training run (`runfolio train --profile`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Required, TypedDict

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.errors import RunfolioError
from runfolio.record.base import file_bounds, schema
from runfolio.record.base.files import decode_json
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.schema import Count, Line, Number, Seconds
from runfolio.record.content import artifacts

_PROFILE = "profile"
_MAX_OPERATORS = 10


class Operator(TypedDict, total=False):
    """Operator in a profile, with the number of its calls and the time spent in it."""

    name: Required[Line]
    calls: Count | None
    self_cpu_ms: Number | None
    self_gpu_ms: Number | None
    share: Number | None


class Profile(TypedDict, total=False):
    """Content of `operators.json` in the artifact `profile`."""

    operators: Required[list[Operator]]
    steps: Count
    seconds: Seconds
    loading: Number | None
    device: Line


def read_profile(folder: Path) -> Profile | None:
    """Return the summary of the run's profile (`docs/format.md`, Artifacts), or None if it is missing or unreadable."""
    try:
        content = (_profile_folder(folder) / "operators.json").read_bytes(file_bounds.JSON_DOCUMENT)
        return schema.decode(Profile, decode_json(content))[0]
    except (RunfolioError, OSError, ValueError):
        return None


def print_profile(folder: Path, profile: Profile) -> None:
    """Print the operators that took the most time, the share of time spent waiting, and the path of the trace."""
    rows: list[dict[str, Any]] = [{**operator} for operator in profile["operators"][:_MAX_OPERATORS]]
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


def _profile_folder(folder: Path) -> RecordPath:
    """Return the folder of the profile's files, or the run's folder if it has no profile."""
    return artifacts.find(folder, _PROFILE) or RecordPath(folder)

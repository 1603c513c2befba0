"""Fixtures that write real runs with `runfolio.init`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import runfolio


@pytest.fixture
def write(store: Path) -> Callable[..., Path]:
    """Write and end one run, and return its folder. `points` has the values of each metric at steps 0, 1, 2 ..."""

    def write(
        name: str = "net",
        *,
        experiment: str = "digits",
        config: Mapping[str, Any] | None = None,
        points: Mapping[str, Sequence[float]] | None = None,
        summary: Mapping[str, Any] | None = None,
        state: str = "finished",
        reason: str | None = None,
    ) -> Path:
        run = runfolio.init(name, experiment=experiment, config=dict(config or {}), store=store)
        for metric, values in (points or {}).items():
            for step, value in enumerate(values):
                run.log({metric: value}, step=step)
        for key, value in (summary or {}).items():
            run.summary[key] = value
        run.finish(state, reason)
        return Path(run.folder)

    return write


@pytest.fixture
def edit() -> Callable[..., None]:
    """Change keys of `run.json` by replacing the file, like an editor."""

    def edit(folder: Path, **changes: Any) -> None:
        path = folder / "run.json"
        document = json.loads(path.read_text(encoding="utf-8")) | changes
        path.with_name(".new").write_text(json.dumps(document), encoding="utf-8")
        path.with_name(".new").replace(path)

    return edit


@pytest.fixture
def copy() -> Callable[[Path, Path], Path]:
    """Copy a run folder with its time stamps."""

    def copy(folder: Path, to: Path) -> Path:
        return Path(shutil.copytree(folder, to))

    return copy

"""Names that would be paths elsewhere: each is refused, or stored as the text that it is, below the store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.base.layout import run_folder
from runfolio.record.content import media
from runfolio.record.points.reader import PointFiles

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)
HOSTILE = [
    "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd", "....//....//etc/passwd", "/etc/passwd", "//etc/passwd", "file:///etc/passwd",
    "file://./etc/passwd", "C:\\Windows\\win.ini", "x;/../../etc/passwd", "http:///#/../../etc/", "x%00.png", "x\0.png",
    "..%c0%af..%c0%afetc/passwd", ".", "..", "", "a/", "CON", "-rf", "~", "$HOME", "a" * 5000,
]  # fmt: skip


def files_around(store: Path) -> set[str]:
    """Return the files next to the store, at any depth, except runfolio's own cache."""
    own = (store, store.parent / "cache")
    return {
        str(path) for path in store.parent.rglob("*") if not any(path == at or path.is_relative_to(at) for at in own)
    }


def test_hostile_names_write_nothing_outside_of_the_store(store: Path, tmp_path: Path):
    (tmp_path / "report").write_text("fine")
    before = files_around(store)
    for name in HOSTILE:
        folder = run_folder(store, name, name, "aaaaaaaa")
        assert folder.parent.parent == store
        assert folder.name.endswith("-aaaaaaaa")
    name = HOSTILE[0]
    with runfolio.init(name, experiment=name, tags=[name], notes=name, config={name: name}, store=store) as run:
        assert run.folder.parent.parent == store
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        for name in HOSTILE:
            run.log({name: 1.0})
            run.log_text(name, name)
            run.log_image(name, [[0, 255]])
            run.artifact(tmp_path / "report", name)
            run.summary[name] = 1
            with suppress(ConfigError):
                run.log_data(name, runfolio.Listing([(name or "x", "1")]))
            state: dict[str, Any] = {name: 1}
            with suppress(ConfigError):
                run.checkpoint(step=0, **state)
        assert run.flush()

    assert files_around(store) == before
    assert {"/etc/passwd", "..", "a/"} <= set(PointFiles(run.folder).names())
    assert {"/etc/passwd", "..", "a/"} <= {entry.name for entry in media.read(run.folder)[0]}
    assert not (run.folder / "artifacts").exists()


def test_names_that_differ_by_case_or_encoding_are_never_confused(store: Path):
    ids = {}
    for name in ("net", "Net", "a/b", "a%2Fb", "a_b", "a-b"):
        with runfolio.init(name, experiment="Demo", store=store, recording=RECORDING) as run:
            run.log({"a/b": 1.0, "a%2Fb": 2.0, "A/B": 3.0})
        ids[name] = run.id
    folio = runfolio.open(store)
    assert {name: folio.run(name).id for name in ids} == ids
    assert len({run.folder.name.casefold() for run in folio.runs()}) == len(ids)
    assert [folio.run("net").metric(name).values.tolist() for name in ("a/b", "a%2Fb", "A/B")] == [[1.0], [2.0], [3.0]]

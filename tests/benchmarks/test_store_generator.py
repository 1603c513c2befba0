"""The generated store that reading is measured on."""

from __future__ import annotations

from pathlib import Path

from benchmarks.store_generator import Shape, generate

from runfolio.query.store import open_folio

SHAPE = Shape(settings=12, metrics=6, points=20)


def test_generated_runs_are_whole_and_varied(tmp_path: Path):
    generate(tmp_path / "runs", 3, SHAPE)
    folio = open_folio(tmp_path / "runs")
    runs = folio.runs()
    assert not folio.problems
    assert [len(run.metrics) for run in runs] == [6, 6, 6]
    assert len({run.flat_config["lr"] for run in runs}) == 3
    assert len(runs[0].metric("val/acc").values) == 20


def test_same_arguments_generate_the_same_store(tmp_path: Path):
    stores = [tmp_path / "a", tmp_path / "b"]
    for store in stores:
        generate(store, 2, SHAPE)
    files = [sorted(path.relative_to(store) for path in store.rglob("*")) for store in stores]
    assert files[0] == files[1]
    documents = [[(store / path).read_bytes() for path in files[0] if path.suffix == ".json"] for store in stores]
    assert documents[0] == documents[1]

"""Event files of real writers: the import results in the same values as TensorBoard's own reader, or in more."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runfolio.query.run import RecordedRun
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import artifacts
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.reader import PointFiles
from runfolio.repair.doctor import Doctor
from runfolio.tensorboard.logdir_import import import_logdir

from .event_files import runs_of, same


def _corpus() -> Path | None:
    if own := os.environ.get("RUNFOLIO_EVENTFILES"):
        return Path(own)
    folders = (parent / "shared" / "eventfiles" for parent in Path(__file__).parents)
    return next((folder for folder in folders if folder.is_dir()), None)


CORPUS = _corpus()
pytestmark = pytest.mark.skipif(CORPUS is None, reason="the event files of other writers are not on this machine")
CASES = sorted(path.parent.name for path in CORPUS.glob("*/expected.json")) if CORPUS is not None else []

RESTART = "23-torch-purge-step-restart"
"""Case in which TensorBoard's Python reader keeps points that the writer declared void."""
RECOVERED = {
    "42-length-crc-bit-flip-record-5": {".": {"loss": [0, 1, 2, 3, 5, 6, 7, 8, 9]}},
    "49-not-a-proto-good-crc": {".": {"loss": [0, 1]}},
}
"""Steps of cases in which TensorBoard stops at damaged bytes, although later records are whole."""
FOLDED = {
    "05-keras-callback": {"train": (".", "train/{}"), "validation": (".", "validation/{}")},
    "20-torch-summarywriter": {"Loss_train": (".", "{}/train"), "Loss_val": (".", "{}/val")},
    "21-torch-hparams-subruns": {
        "trial0/1795994095.2477338": ("trial0", "{}"),
        "trial1/hp": ("trial1", "{}"),
        "trial2/hp": ("trial2", "{}"),
    },
}
"""Run and name of the metrics of folders that are parts of another run."""
MEDIA = {"histograms": "histogram", "images": "image", "audio": "audio", "text": "text", "pr_curves": "pr_curve"}


@functools.cache
def expected(case: str) -> dict[str, Any]:
    assert CORPUS is not None
    return json.loads((CORPUS / case / "expected.json").read_text("utf-8"))


class ImportedCase:
    """Result of the import of one case."""

    def __init__(self, case: str, store: Path) -> None:
        assert CORPUS is not None
        self.case = case
        self.logdir = CORPUS / case
        self.store = store
        self.report = import_logdir(self.logdir, store)
        self._ids = {run.name: run.run_id for run in self.report.runs}
        self._runs = {run.id: run for run in runs_of(store).values()}

    def run(self, name: str) -> RecordedRun:
        return self._runs[self._ids[name]]

    def tags(self) -> Iterator[tuple[RecordedRun, str, str, dict[str, Any]]]:
        """Yield the run, the tag, the name in the record, and the result of TensorBoard's Python reader."""
        for name, content in expected(self.case)["python"].items():
            if name.startswith("link") and not (self.logdir / "link").is_dir():
                continue  # git and archives drop links
            own_name, pattern = FOLDED.get(self.case, {}).get(name, (name, "{}"))
            for tag, values in content["tags"].items():
                yield self.run(own_name), tag, pattern.format(tag), values


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> ImportedCase:
    return ImportedCase(request.param, tmp_path / "runs")


def expected_points(case: ImportedCase, tag: str, values: dict[str, Any]) -> list[list[Any]]:
    if case.case == RESTART:
        return expected(case.case)["server"]["scalars"]["."][tag]
    if case.case in RECOVERED:
        return [[step, 1_700_000_000.0 + step, float(step)] for step in RECOVERED[case.case]["."][tag]]
    return values["points"]


def test_scalars_are_those_of_tensorboard(case: ImportedCase):
    for run, tag, metric, values in case.tags():
        if values["plugin"] != "scalars":
            continue
        points = PointFiles(run.folder).read(metric)
        wanted = expected_points(case, tag, values)
        assert points.steps.tolist() == [step for step, _, _ in wanted], metric
        numbers = [float(number) for _, _, number in wanted]
        assert all(map(same, points.values.tolist(), numbers)), metric
        times = [wall_time for _, wall_time, _ in wanted]
        assert points.times_us.tolist() == [round(wall_time * 1e6) for wall_time in times], metric
        assert [math.copysign(1, number) for number in points.values] == [math.copysign(1, n) for n in numbers]


def test_no_scalar_is_added(case: ImportedCase):
    wanted = {(run.id, metric) for run, _, metric, values in case.tags() if values["plugin"] == "scalars"}
    runs = runs_of(case.store).values()
    assert {(run.id, metric) for run in runs for metric in run.metrics} == wanted


def test_media_are_those_of_tensorboard(case: ImportedCase):
    for run, tag, name, values in case.tags():
        kind = MEDIA.get(values["plugin"])
        if kind is None:
            continue
        name = name.removesuffix("/text_summary") if kind == "text" else name
        entries = [entry for entry in run.media(kind) if entry.name == name or entry.name.startswith(f"{name}/")]
        steps = sorted({entry.step for entry in entries})
        assert steps == sorted({step for step, *_ in values["points"]}), tag
        for step, wall_time, content in values["points"]:
            at_step = [entry for entry in entries if entry.step == step and entry.time_us == round(wall_time * 1e6)]
            check_content(kind, at_step, content)


def check_content(kind: str, entries: list[MediaEntry], content: Any) -> None:
    assert entries
    if kind in ("image", "audio"):
        digests = [hashlib.sha256(entry.read_bytes()).hexdigest()[:16] for entry in entries]
        assert digests == content["sha"]
    elif kind == "histogram":
        assert sum(entries[0].content["counts"]) == content["count"]
        edges = entries[0].content["edges"]
        assert edges == sorted(set(edges))
    elif kind == "text" and len(content) == 1:
        assert entries[0].content["text"] == content[0]
    elif kind == "text":
        assert all(part in entries[0].content["text"] for part in content)


def test_second_import_adds_nothing(case: ImportedCase):
    before = {path: path.read_bytes() for path in sorted(case.store.rglob("*")) if path.is_file()}
    again = import_logdir(case.logdir, case.store)
    assert {run.outcome for run in again.runs} <= {"unchanged", "skipped"}
    assert {path: path.read_bytes() for path in sorted(case.store.rglob("*")) if path.is_file()} == before


def test_imported_record_is_whole(case: ImportedCase):
    doctor = Doctor(case.store)
    for run in runs_of(case.store).values():
        assert doctor.examine(run.folder, repair=False).checkup.findings == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (RESTART, "a restart at step 3 made 3 earlier points void"),
        ("04-tf1-restart-purge", "a restart at step 3 made 3 earlier points void"),
        ("24-torch-two-files-no-purge", "1 falling step in loss"),
        ("28-unordered-and-duplicate-steps", "1 equal step and 2 falling steps in loss"),
        ("20-torch-summarywriter", "Loss_train, Loss_val: 2 lines of the chart Loss"),
    ],
)
def test_decisions_are_reported(name: str, part: str, tmp_path: Path):
    decisions = ImportedCase(name, tmp_path / "runs").report.runs[0].decisions
    assert any(part in sentence for sentence in decisions)


@pytest.mark.parametrize("name", [*RECOVERED, "45-garbage-under-an-event-file-name", "51-gzip"])
def test_damage_is_reported(name: str, tmp_path: Path):
    assert ImportedCase(name, tmp_path / "runs").report.runs[0].problems


def test_abandoned_points_can_still_be_read(tmp_path: Path):
    run = ImportedCase(RESTART, tmp_path / "runs").run(".")
    assert PointFiles(run.folder).read("loss", "all").values.tolist() == [0, 1, 2, 3, 4, 5, 103, 104, 105, 106, 107]


def test_settings_are_found_in_plugin_data_yaml_and_texts(tmp_path: Path):
    trial = ImportedCase("21-torch-hparams-subruns", tmp_path / "21").run("trial1")
    assert trial.config == {"lr": 0.1, "bsize": 2, "opt": "adam", "amp": 1}
    assert trial.summary == {"hparam/acc": pytest.approx(0.6), "hparam/loss": 0.5}
    assert ImportedCase("32-lightning", tmp_path / "32").run("exp/version_0").config == {"lr": 0.1, "width": 8}
    trainer = ImportedCase("33-hf-trainer", tmp_path / "33").run(".").config
    assert trainer["learning_rate"] == 5e-05
    assert trainer["num_train_epochs"] == 2
    assert "model_config" in trainer


def test_files_of_profiler_and_projector_are_artifacts(tmp_path: Path):
    profiler = ImportedCase("25-torch-profiler", tmp_path / "25").run(".")
    projector = ImportedCase("22-torch-embedding-projector", tmp_path / "22").run(".")
    assert artifact_files(profiler) == ["vm_8007.1795994098608906349.pt.trace.json.gz"]
    assert artifact_files(projector) == [
        "00005/emb/metadata.tsv",
        "00005/emb/sprite.png",
        "00005/emb/tensors.tsv",
        "00006/emb2/metadata.tsv",
        "00006/emb2/tensors.tsv",
        "projector_config.pbtxt",
    ]


def artifact_files(run: RecordedRun) -> list[str]:
    manifests = (path for path in RecordPath(run.folder, "artifacts").files() if path.suffix == ".json")
    return [entry.file for manifest in manifests for entry in artifacts.read(manifest).files]

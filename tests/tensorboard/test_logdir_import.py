"""Import of a log directory: restarts, growth, names, damage, and repeated imports."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runfolio
from runfolio.errors import NotFound
from runfolio.events import messages as m
from runfolio.query.run import RecordedRun
from runfolio.record.content.media import is_on_newest_branch
from runfolio.record.points.reader import PointFiles
from runfolio.repair.doctor import Doctor
from runfolio.tensorboard import logdir as logdirs
from runfolio.tensorboard.logdir_import import import_logdir

from .event_files import BEGIN, event_file, only_run, points, runs_of, scalar, scalars, start, text, write_events


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def findings(store: Path) -> list[object]:
    doctor = Doctor(store)
    return [
        finding
        for run in runs_of(store).values()
        for finding in doctor.examine(run.folder, repair=False).checkup.findings
    ]


# Growth


def test_growing_file_is_followed(logdir: Path, store: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0, 1))
    import_logdir(logdir, store)
    write_events(file, *scalars("loss", 2, 3))
    report = import_logdir(logdir, store)
    assert [(run.outcome, run.points) for run in report.runs] == [("updated", 2)]
    assert points(only_run(store), "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]
    assert findings(store) == []


def test_incomplete_record_is_read_when_it_is_complete(logdir: Path, store: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0, 1, 2))
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    assert import_logdir(logdir, store).runs[0].problems == []
    assert len(points(only_run(store), "loss")) == 2
    file.write_bytes(content)
    import_logdir(logdir, store)
    assert len(points(only_run(store), "loss")) == 3


def test_later_scalar_tensors_need_no_metadata(logdir: Path, store: Path):
    def tensor(value: float, step: int, metadata: m.Metadata | None) -> m.Event:
        content = m.Tensor(m.DT_FLOAT, m.TensorShape(), float_val=[value])
        return m.Event(BEGIN, step, summary=m.Summary([m.Value("loss", metadata, tensor=content)]))

    file = write_events(event_file(logdir), tensor(0.5, 0, m.Metadata(m.PluginData("scalars"))), tensor(0.25, 1, None))
    import_logdir(logdir, store)
    write_events(file, tensor(0.125, 2, None))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(0, 0.5), (1, 0.25), (2, 0.125)]


def test_new_file_continues_the_run(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0, 1, 2))
    import_logdir(logdir, store)
    write_events(event_file(logdir, 1), *scalars("loss", 2, 3, add=10))
    import_logdir(logdir, store)
    run = only_run(store)
    assert points(run, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (2, 12.0), (3, 13.0)]
    assert len(run.document.attempts) == 2
    assert findings(store) == []


def test_earlier_file_may_grow_after_a_later_one(logdir: Path, store: Path):
    first = write_events(event_file(logdir), *scalars("loss", 0))
    write_events(event_file(logdir, 1), *scalars("acc", 0))
    import_logdir(logdir, store)
    write_events(first, *scalars("loss", 1))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(0, 0.0), (1, 1.0)]


def test_new_training_in_the_same_folder_is_a_new_run(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0, 1))
    import_logdir(logdir, store)
    event_file(logdir).unlink()
    write_events(event_file(logdir, 60), *scalars("loss", 0))
    import_logdir(logdir, store)
    assert sorted(len(run.metric("loss")) for run in runfolio.open(store).runs()) == [1, 2]


def test_file_that_became_shorter_is_reported(logdir: Path, store: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0, 1, 2))
    import_logdir(logdir, store)
    file.write_bytes(file.read_bytes()[:100])
    (problem,) = import_logdir(logdir, store).runs[0].problems
    assert "shorter than at the last import" in problem
    assert len(points(only_run(store), "loss")) == 3


def test_deleted_run_does_not_come_back(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0))
    import_logdir(logdir, store)
    runfolio.open(store).trash.put(only_run(store))
    report = import_logdir(logdir, store)
    assert [run.outcome for run in report.runs] == ["skipped"]
    assert "undelete" in report.runs[0].decisions[0]


@settings(max_examples=15)
@given(st.data())
def test_import_in_pieces_equals_import_at_once(data: st.DataObject):
    steps = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=12))
    events = [scalar(data.draw(st.sampled_from("ab")), float(number), step) for number, step in enumerate(steps)]
    events.insert(data.draw(st.integers(0, len(events))), text("note", "x"))
    if data.draw(st.booleans()):
        events.insert(data.draw(st.integers(0, len(events))), start(data.draw(st.integers(0, 5))))
    with tempfile.TemporaryDirectory() as folder:
        logdir, pieces, whole = Path(folder, "logs"), Path(folder, "pieces"), Path(folder, "whole")
        file = write_events(event_file(logdir), *events)
        content = file.read_bytes()
        import_logdir(logdir, whole)
        for cut in sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=3))):
            file.write_bytes(content[:cut])
            import_logdir(logdir, pieces)
        file.write_bytes(content)
        import_logdir(logdir, pieces)
        assert everything(pieces) == everything(whole)
        assert findings(pieces) == findings(whole) == []


def current_texts(run: RecordedRun) -> list[str]:
    """Return the texts that no restart made void."""
    return [entry.content["text"] for entry in run.media("text") if is_on_newest_branch(entry, run.document)]


def everything(store: Path) -> dict[str, list[tuple[int, float]]]:
    run = only_run(store)
    media = [(0, float(len(content))) for content in current_texts(run)]
    return {metric: points(run, metric) for metric in run.metrics} | {"(media)": media}


# Restarts


def test_restart_makes_later_steps_void(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0, 1, 2, 3), text("note", "old", step=3))
    write_events(event_file(logdir, 1), start(2), *scalars("loss", 2, 3, add=10), text("note", "new", step=3))
    report = import_logdir(logdir, store)
    run = only_run(store)
    assert points(run, "loss") == [(0, 0.0), (1, 1.0), (2, 12.0), (3, 13.0)]
    assert current_texts(run) == ["new"]
    assert "2 earlier points void" in report.runs[0].decisions[0]
    assert len(PointFiles(run.folder).read("loss", 1)) == 4
    assert findings(store) == []


def test_first_start_is_no_restart(logdir: Path, store: Path):
    write_events(event_file(logdir), start(0), *scalars("loss", 0, 1))
    import_logdir(logdir, store)
    assert len(points(only_run(store), "loss")) == 2
    assert len(only_run(store).document.attempts) == 1


def test_restart_in_the_middle_of_a_file(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0, 1, 2), start(1), *scalars("loss", 1, 2, add=10))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(0, 0.0), (1, 11.0), (2, 12.0)]


def test_restart_that_is_imported_later_applies_to_imported_points(logdir: Path, store: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0, 1, 2))
    import_logdir(logdir, store)
    write_events(file, start(1), *scalars("loss", 1, add=10))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(0, 0.0), (1, 11.0)]
    assert findings(store) == []


def test_restart_keeps_earlier_steps_in_any_order(logdir: Path, store: Path):
    old = [*scalars("loss", 5, 0, 6, 1), text("note", "void", step=6), text("note", "kept", step=1)]
    write_events(event_file(logdir), *old)
    write_events(event_file(logdir, 1), start(3), *scalars("loss", 3))
    import_logdir(logdir, store)
    run = only_run(store)
    assert points(run, "loss") == [(0, 0.0), (1, 1.0), (3, 3.0)]
    assert current_texts(run) == ["kept"]
    calls = PointFiles(run.folder).calls("all")
    assert sorted(step for rows in calls.values() for step in rows["step"].tolist()) == [0, 1, 3, 5, 6]
    assert findings(store) == []


def test_several_restarts(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", *range(10)))
    write_events(event_file(logdir, 1), start(5), *scalars("loss", 5, 6, 7, add=10))
    write_events(event_file(logdir, 2), start(6), *scalars("loss", 6, add=20))
    import_logdir(logdir, store)
    steps = [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 15.0), (6, 26.0)]
    assert points(only_run(store), "loss") == steps


# Names


def test_tags_that_are_not_utf8_are_readable_and_unique(logdir: Path, store: Path):
    tags = [b"l\xffss", b"l\xfess", b"l\\xffss", "löss".encode(), b""]
    file = write_events(event_file(logdir))
    with file.open("ab") as opened:
        for number, tag in enumerate(tags):
            event = scalar("~" * len(tag), float(number), 0).encode().replace(b"~" * len(tag), tag) if tag else None
            opened.write(frame_of(event or scalar("", float(number), 0).encode()))
    import_logdir(logdir, store)
    run = only_run(store)
    assert sorted(value for metric in run.metrics for _, value in points(run, metric)) == [0, 1, 2, 3, 4]
    assert {"l\\xffss", "l\\xfess", "l\\xffss (2)", "löss", "(no tag)"} == set(run.metrics)


def frame_of(event: bytes) -> bytes:
    from runfolio.events.framing import frame

    return frame(event)


HOSTILE = ["../../escape", "/etc/passwd", "a/../../b", "..", "con", "x" * 2000, "new\nline", "\x1b[31mred", "a\0b", " "]


@pytest.mark.parametrize("tag", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_tags_stay_inside_the_run(tag: str, tmp_path: Path, logdir: Path, store: Path):
    from runfolio.events.messages import DT_FLOAT, Image, Summary, Tensor, TensorShape, Value

    png = tiny_png()
    write_events(
        event_file(logdir),
        scalar(tag, 1.0, 0),
        m.Event(BEGIN, 1, summary=Summary([Value(tag, image=Image(1, 1, 4, png))])),
        m.Event(BEGIN, 2, summary=Summary([Value(tag, tensor=Tensor(DT_FLOAT, TensorShape.of(1), float_val=[1.0]))])),
        text(tag, "words"),
    )
    before = outside(tmp_path, store)
    report = import_logdir(logdir, store)
    assert outside(tmp_path, store) == before
    assert (report.runs[0].points, report.runs[0].media, report.runs[0].artifacts) == (1, 2, 1)
    assert len(only_run(store).metrics) == 1
    assert findings(store) == []


def outside(folder: Path, store: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(store) and "cache" not in path.parts}


def tiny_png() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "folder",
    ["ex\nperiment", "run.", "  ", "-rf", "\x1b[31m", "$(touch x)", b"\xff".decode("utf-8", "surrogateescape")],
)
def test_hostile_folder_names_are_imported(folder: str, logdir: Path, store: Path):
    write_events(event_file(logdir / folder / "run"), *scalars("loss", 0))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(0, 0.0)]
    assert import_logdir(logdir, store).runs[0].outcome == "unchanged"


def test_projector_files_outside_of_the_folder_are_left_out(logdir: Path, store: Path, tmp_path: Path):
    write_events(event_file(logdir), *scalars("loss", 0))
    (tmp_path / "secret.tsv").write_text("secret")
    (logdir / "link.tsv").symlink_to(tmp_path / "secret.tsv")
    (logdir / "own.tsv").write_text("1\t2\n")
    paths = ("../secret.tsv", str(tmp_path / "secret.tsv"), "link.tsv", "own.tsv")
    (logdir / "projector_config.pbtxt").write_text(
        "".join(f'embeddings {{ tensor_path: "{path}" }}\n' for path in paths)
    )
    import_logdir(logdir, store)
    stored = sorted(path.name for path in (only_run(store).folder / "artifacts").rglob("*") if path.is_file())
    assert stored == ["own.tsv", "projector.json", "projector_config.pbtxt"]


# Values


def test_several_values_of_a_tag_in_one_event_are_kept(logdir: Path, store: Path):
    values = [m.Value("loss", simple_value=float(number)) for number in range(3)]
    write_events(event_file(logdir), m.Event(BEGIN, 4, summary=m.Summary(values)), *scalars("loss", 5))
    import_logdir(logdir, store)
    assert points(only_run(store), "loss") == [(4, 0.0), (4, 1.0), (4, 2.0), (5, 5.0)]


def test_times_that_are_not_plausible_do_not_change_the_duration(logdir: Path, store: Path):
    times = [BEGIN, BEGIN + 10, float("nan"), float("inf"), -1e300, 0.0, -1.0, 4e9]
    values = [m.Event(moment, 0, summary=m.Summary([m.Value("loss", simple_value=1.0)])) for moment in times]
    write_events(event_file(logdir), *values)
    import_logdir(logdir, store)
    run = only_run(store)
    assert run.created.timestamp() == BEGIN
    assert run.duration_s == 10
    assert len(run.metric("loss")) == len(times)


def test_failed_session_is_a_failed_run(logdir: Path, store: Path):
    from .event_files import hparams, session

    end = m.HparamsData(session_end_info=m.SessionEnd(m.STATUS_FAILURE, BEGIN))
    write_events(event_file(logdir), session(lr=0.1), *scalars("loss", 0), hparams("_hparams_/session_end_info", end))
    import_logdir(logdir, store)
    assert only_run(store).state == "failed"


def test_yaml_file_cannot_create_objects(logdir: Path, store: Path, tmp_path: Path):
    write_events(event_file(logdir), *scalars("loss", 0))
    (logdir / "hparams.yaml").write_text(
        f"lr: 0.1\nsizes: !!python/tuple [1, 2]\nbad: !!python/object/apply:os.system ['touch {tmp_path}/hacked']\n"
        "kind: !!python/name:torch.nn.ReLU\n"
    )
    import_logdir(logdir, store)
    config = only_run(store).config
    assert config["lr"] == 0.1
    assert config["sizes"] == [1, 2]
    assert not (tmp_path / "hacked").exists()


def test_yaml_file_with_many_aliases_is_left_out(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0))
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    (logdir / "hparams.yaml").write_text("\n".join(lines))
    report = import_logdir(logdir, store)
    assert "aliases" in report.runs[0].problems[0]
    assert points(only_run(store), "loss") == [(0, 0.0)]


def test_markdown_table_of_hyperparameters_is_read(logdir: Path, store: Path):
    table = "|param|value|\n|-|-|\n|learning_rate|0.0003|\n|env_id|CartPole-v1|\n|cuda|True|\n|seed|1|"
    write_events(event_file(logdir), text("hyperparameters/text_summary", table), *scalars("loss", 0))
    import_logdir(logdir, store)
    run = only_run(store)
    assert run.config == {"learning_rate": 0.0003, "env_id": "CartPole-v1", "cuda": True, "seed": 1}
    assert [entry.name for entry in run.media("text")] == ["hyperparameters"]


def test_secrets_in_settings_are_redacted(logdir: Path, store: Path):
    write_events(event_file(logdir), text("args", '{"hub_token": "hf_abcdefghijklmnopqrstuvwxyzabcdefgh", "lr": 1}'))
    import_logdir(logdir, store)
    assert only_run(store).config == {"hub_token": "[redacted]", "lr": 1}


# Reading without an import


def test_read_logdir_returns_the_points(logdir: Path):
    write_events(event_file(logdir / "a"), *scalars("loss", 0, 1))
    write_events(event_file(logdir / "b"), *scalars("acc", 0))
    frame = runfolio.read_logdir(logdir).to_pandas()
    assert frame.columns.tolist() == ["run", "metric", "step", "time", "value"]
    assert sorted(zip(frame["run"], frame["metric"], frame["step"], frame["value"], strict=True)) == [
        ("a", "loss", 0, 0.0),
        ("a", "loss", 1, 1.0),
        ("b", "acc", 0, 0.0),
    ]


def test_read_logdir_again_reads_only_what_is_new(logdir: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0, 1))
    assert runfolio.read_logdir(logdir).report.runs[0].points == 2
    write_events(file, *scalars("loss", 2))
    again = runfolio.read_logdir(logdir)
    assert again.report.runs[0].points == 1
    assert again.to_pandas("loss")["value"].tolist() == [0.0, 1.0, 2.0]
    assert [run.name for run in again.runs()] == ["logs"]


def test_missing_log_directory_is_an_error(tmp_path: Path):
    with pytest.raises(NotFound, match="there is no folder"):
        runfolio.read_logdir(tmp_path / "missing")


def test_followed_directory_shows_growing_runs(logdir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logdirs, "_POLL_S", 0.01)
    file = write_events(event_file(logdir), *scalars("loss", 0))
    opened = runfolio.read_logdir(logdir)
    with logdirs.followed(opened):
        wait_until(lambda: only_run(opened.store).state == "running")
        write_events(file, *scalars("loss", 1))
        wait_until(lambda: len(only_run(opened.store).metric("loss")) == 2)
    assert only_run(opened.store).state == "finished"


def test_run_that_no_longer_grows_is_finished(logdir: Path, store: Path):
    file = write_events(event_file(logdir), *scalars("loss", 0))
    import_logdir(logdir, store, live=True)
    assert only_run(store).state == "running"
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    import_logdir(logdir, store, live=True)
    assert only_run(store).state == "finished"


def wait_until(condition) -> None:
    for _ in itertools.count():
        if condition():
            return
        time.sleep(0.02)


def test_killed_import_continues(logdir: Path, store: Path):
    write_events(event_file(logdir), *scalars("loss", 0, 1), text("note", "words"))
    import_logdir(logdir, store)
    folder = only_run(store).folder
    for name in ("logdir.json", "run.json"):
        (folder / name).unlink()
    import_logdir(logdir, store)
    run = only_run(store)
    assert points(run, "loss") == [(0, 0.0), (1, 1.0)]
    assert len(run.media()) == 1
    assert findings(store) == []

"""Grouping of the folders of a log directory into runs."""

from __future__ import annotations

from pathlib import Path

from runfolio.events import messages as m
from runfolio.tensorboard.logdir_import import import_logdir
from runfolio.tensorboard.logdir_runs import scan_logdir

from .event_files import event_file, experiment, only_run, points, runs_of, scalar, scalars, session, write_events


def names(logdir: Path) -> list[str]:
    return [run.name for run in scan_logdir(logdir).runs]


def test_each_folder_with_event_files_is_a_run(tmp_path: Path):
    for folder in ("", "a", "a/b", ".hidden"):
        write_events(event_file(tmp_path / folder), scalar("s", 1.0, 0))
    (tmp_path / "empty").mkdir()
    assert names(tmp_path) == [".", ".hidden", "a", "a/b"]


def test_experiment_is_the_folder_above_the_run(tmp_path: Path):
    for folder in ("", "a", "exp/version_0"):
        write_events(event_file(tmp_path / "logs" / folder), scalar("s", 1.0, 0))
    import_logdir(tmp_path / "logs", tmp_path / "runs")
    assert sorted(runs_of(tmp_path / "runs")) == ["exp/version_0", "logs/a", "logs/logs"]


def test_lines_of_add_scalars_are_metrics_of_one_chart(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs"), *scalars("acc", 0, 1))
    write_events(event_file(tmp_path / "logs/Loss_sub_train", 1), *scalars("Loss/sub", 0, 1))
    write_events(event_file(tmp_path / "logs/Loss_sub_val", 2), *scalars("Loss/sub", 0, 1, add=5))
    import_logdir(tmp_path / "logs", store)
    run = only_run(store)
    assert sorted(run.metrics) == ["Loss/sub/train", "Loss/sub/val", "acc"]
    assert points(run, "Loss/sub/val") == [(0, 5.0), (1, 6.0)]
    assert run.document.charts == ["Loss/sub"]
    assert len(run.document.attempts) == 1


def test_folder_named_like_a_line_with_other_tags_is_a_run(tmp_path: Path):
    write_events(event_file(tmp_path), *scalars("acc", 0))
    write_events(event_file(tmp_path / "Loss_train", 1), *scalars("Loss", 0), *scalars("acc", 0))
    assert names(tmp_path) == [".", "Loss_train"]


def test_only_trial_belongs_to_the_run(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs"), *scalars("loss", 0, 1))
    trial = experiment("hparam/acc"), session(lr=0.1, batch=32, opt="sgd", amp=True), scalar("hparam/acc", 0.5, 0)
    write_events(event_file(tmp_path / "logs/1700000000.5", 1), *trial)
    import_logdir(tmp_path / "logs", store)
    run = only_run(store)
    assert run.config == {"lr": 0.1, "batch": 32, "opt": "sgd", "amp": True}
    assert isinstance(run.config["batch"], int)
    assert run.summary == {"hparam/acc": 0.5}
    assert points(run, "hparam/acc") == [(0, 0.5)]
    assert points(run, "loss") == [(0, 0.0), (1, 1.0)]


def write_trials(logdir: Path, *numbers: int) -> None:
    for number in numbers:
        trial = experiment("acc"), session(lr=float(number)), scalar("acc", float(number), 0)
        write_events(event_file(logdir / f"trial{number}", number), *trial)


def test_several_trials_are_separate_runs(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs"))
    write_trials(tmp_path / "logs", 1, 2, 3)
    report = import_logdir(tmp_path / "logs", store)
    assert {name: run.config["lr"] for name, run in runs_of(store).items()} == {
        "logs/trial1": 1,
        "logs/trial2": 2,
        "logs/trial3": 3,
    }
    assert [run.name for run in report.runs if run.outcome == "skipped"] == ["."]


def test_trial_that_was_the_only_one_stays_in_its_run(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs"), *scalars("loss", 0))
    write_trials(tmp_path / "logs", 1)
    import_logdir(tmp_path / "logs", store)
    write_trials(tmp_path / "logs", 2)
    import_logdir(tmp_path / "logs", store)
    runs = runs_of(store)
    assert sorted(runs) == ["logs/logs", "logs/trial2"]
    assert runs["logs/logs"].config == {"lr": 1}


def test_train_and_validation_are_splits_of_one_run(tmp_path: Path, store: Path):
    for number, split in enumerate(("train", "validation")):
        write_events(event_file(tmp_path / "logs/fit" / split, number), *scalars("epoch_loss", 0, 1, add=number))
    write_events(event_file(tmp_path / "logs/eval"), *scalars("epoch_loss", 0))
    import_logdir(tmp_path / "logs", store)
    runs = runs_of(store)
    assert sorted(runs) == ["logs/eval", "logs/fit"]
    assert points(runs["logs/fit"], "validation/epoch_loss") == [(0, 1.0), (1, 2.0)]
    assert sorted(runs["logs/fit"].metrics) == ["train/epoch_loss", "validation/epoch_loss"]


def test_eval_folder_below_event_files_is_a_split(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs/model"), *scalars("loss", 0))
    write_events(event_file(tmp_path / "logs/model/eval", 1), *scalars("loss", 0))
    import_logdir(tmp_path / "logs", store)
    assert sorted(only_run(store).metrics) == ["eval/loss", "loss"]


def test_run_that_is_named_test_stays_a_run(tmp_path: Path):
    for folder in ("test", "baseline"):
        write_events(event_file(tmp_path / folder), scalar("s", 1.0, 0))
    assert names(tmp_path) == ["baseline", "test"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    write_events(event_file(tmp_path / "logs/a"), scalar("s", 1.0, 0))
    (tmp_path / "logs/link").symlink_to("a")
    (tmp_path / "logs/a/up").symlink_to("..")
    scan = scan_logdir(tmp_path / "logs")
    assert [run.name for run in scan.runs] == ["a", "link"]
    assert "a link to a folder that contains it" in scan.skipped[0]


def test_runfolio_runs_are_not_imported(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs/a"), scalar("s", 1.0, 0))
    import_logdir(tmp_path / "logs", tmp_path / "logs/store")
    write_events(event_file(only_run(tmp_path / "logs/store").folder), scalar("s", 2.0, 0))
    report = import_logdir(tmp_path / "logs", store)
    assert [run.name for run in report.runs] == ["a"]
    assert "is a runfolio run" in report.skipped[0]


def test_file_with_unknown_content_is_no_reason_to_stop(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs/a"), scalar("s", 1.0, 0))
    (tmp_path / "logs/b").mkdir()
    event_file(tmp_path / "logs/b").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "logs/c").mkdir()
    event_file(tmp_path / "logs/c").mkdir()
    report = import_logdir(tmp_path / "logs", store)
    assert [(run.name, run.outcome) for run in report.runs] == [("a", "new"), ("b", "skipped")]
    assert report.runs[1].problems


def test_empty_session_is_recorded(tmp_path: Path, store: Path):
    write_events(event_file(tmp_path / "logs"), session(lr=0.5), m.Event(summary=m.Summary()))
    import_logdir(tmp_path / "logs", store)
    assert only_run(store).config == {"lr": 0.5}

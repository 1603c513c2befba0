"""`evaluate`: how good a run's model is, as a page, a table of rivals, JSON and pictures."""

import json

import pytest
from PIL import Image

import runfolio as rf


def test_evaluation_of_the_best_run_is_one_page(runfolio, trained):
    done = runfolio("evaluate", "best", "--store", trained, "--out-dir", "evaluation")

    assert done.exit_code == 0, done.output
    run = rf.open(trained).best("val/acc")
    heading, _, accuracy, top, loss, error, *rest = done.stdout.splitlines()
    assert heading == f"{run.name} ({run.id}) on the 359 test images of digits"
    assert accuracy.split()[:2] == ["accuracy", f"{run.flat_summary['test/acc']:.3f}"]
    assert "95 % interval" in accuracy
    assert top.split()[0] == "top-2"
    assert loss.split()[:2] == ["loss", f"{run.flat_summary['test/loss']:.3f}"]
    assert error.startswith("calibration error")
    assert "class  images  precision  recall     f1" in rest
    assert ["true", "\\", "said", *"0123456789"] in [line.split() for line in rest]
    assert rest[-1] == "drawn in evaluation/confusion.png, evaluation/reliability.png, evaluation/mistakes.png"


def test_pictures_are_written_to_the_given_folder(runfolio, trained, tmp_path):
    runfolio("evaluate", "small", "digits", "--split", "train", "--out-dir", tmp_path / "a" / "b", "--store", trained)

    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "confusion.png",
        "mistakes.png",
        "reliability.png",
    ]
    with Image.open(tmp_path / "a" / "b" / "mistakes.png") as picture:
        assert picture.width > 800


def test_answers_of_training_and_evaluation_are_recorded(runfolio, trained):
    run = rf.open(trained).run("large")
    folder = run.folder / "answers"
    tested = run.answers("test")
    assert tested.accuracy == run.flat_summary["test/acc"]
    assert tested.digests is not None
    assert set(zip(tested.names, tested.digests, strict=True)) == {item[:2] for item in run.data["test"].listing()}
    before = set(folder.iterdir())
    assert folder / "test-1.parquet" in before

    for arguments in ([], ["--split", "train"]):
        assert runfolio("evaluate", "large", "--store", trained, *arguments).exit_code == 0
    added = {path.name for path in set(folder.iterdir()) - before}
    assert sorted(name.partition(".")[0] for name in added) == ["test-1", "train-1"]
    again = run.answers("test")
    assert (again.source, again.accuracy) == ("digits", tested.accuracy)
    assert again.predictions.tolist() == tested.predictions.tolist()
    assert len(run.answers("train")) == 1_438


def test_evaluation_of_a_run_that_cannot_be_written_is_printed(runfolio, trained, monkeypatch):
    from runfolio.record.base.record_path import RecordPath

    def refuse(path: RecordPath, *arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(RecordPath, "write_bytes", refuse)
    done = runfolio("evaluate", "small", "--store", trained)
    assert done.exit_code == 0
    assert "accuracy" in done.stdout
    assert "the answers are not recorded with run" in done.stderr
    assert "Read-only file system" in done.stderr


def test_json_holds_every_figure(runfolio, trained):
    printed = json.loads(runfolio("evaluate", "large", "--store", trained, "--json").stdout)

    run = rf.open(trained).run("large")
    assert (printed["run"], printed["data"], printed["split"], printed["images"]) == (run.id, "digits", "test", 359)
    assert printed["accuracy"] == run.flat_summary["test/acc"]
    assert printed["confusion"] == run.flat_summary["confusion"]
    assert [row["name"] for row in printed["per_class"]] == list("0123456789")
    assert len(printed["calibration"]["bins"]) == 15


def test_several_runs_are_a_table_with_their_costs(runfolio, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    shown = runfolio("evaluate", "small", "--against", "large", "--store", trained).stdout

    _, heading, _, best, other, *caption = shown.splitlines()
    assert heading.split() == ["run", "accuracy", "interval", "loss", "error", "params", "MB", "image"]
    assert (best.split()[0], other.split()[0]) == ("large", "small")
    assert f"{rf.open(trained).run('large').flat_summary['parameters']:,}" in best
    assert "Best first by accuracy on the 359 test images of digits." in " ".join(caption)
    assert not (tmp_path / "evaluation").exists()


def test_rivals_that_the_images_cannot_tell_apart_are_marked(runfolio, trained):
    shown = runfolio("evaluate", "large", "--against", "large", "--store", trained).stdout

    assert " =" in shown.splitlines()[4]
    assert "1 of the other runs (marked =) does not differ significantly from the best" in shown


def test_narrow_terminal_shows_most_frequent_confusions(runfolio, trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")

    lines = runfolio("evaluate", "small", "--store", trained).stdout.splitlines()

    start = next(number for number, line in enumerate(lines) if line.startswith("most often: true"))
    counts = [int(line.split()[-1]) for line in lines[start + 2 : start + 12]]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("large digit", "no data 'digit'; did you mean digits?"),
        ("lagre", "did you mean large?"),
        ("large --against smal", "did you mean small?"),
        ("large --split val", "'val' is not one of 'test', 'train'"),
        ("best --metric val/ac", "did you mean val/acc"),
    ],
)
def test_a_wrong_word_is_one_line(runfolio, trained, words, message):
    done = runfolio("evaluate", *words.split(), "--store", trained)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize("words", [["evaluate", "best"], ["predict", "best", "--sample", "1"]])
def test_data_that_a_checkpoint_names_is_shown_before_it_is_read(runfolio, trained, words):
    assert runfolio(*words, "--store", trained).stderr.split()[:2] == ["data", "digits"]

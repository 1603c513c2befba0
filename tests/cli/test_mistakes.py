"""Mistakes on the command line: each prints one line to stderr with the mistake and the remedy, and exits with 2."""

import json
import shutil

import pytest

import runfolio as rf


@pytest.fixture
def refused(runfolio):
    """Type a command that must be refused; the one line it is refused with."""

    def type_wrongly(*words) -> str:
        done = runfolio(*words)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return type_wrongly


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the trained runs that a test may damage, at ./runs."""
    return shutil.copytree(trained, tmp_path / "runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --model tinyvg", "no model 'tinyvg'; did you mean tinyvgg?"),
        ("train --data digit", "no data 'digit'; did you mean digits?"),
        ("train --lr -1", "lr is '-1'; it must be a number above 0"),
        ("train --lr nan", "lr is 'nan'; it must be a number above 0"),
        ("train --epochs 0", "epochs is '0'; it must be a whole number at least 1"),
        ("train --optimizer adm", "optimizer is 'adm'; it must be one of sgd, adam, adamw; did you mean adam"),
        ("train --epoch 5", "no option --epoch; did you mean --epochs"),
        ("series --epoch 5 10", "no option --epoch; did you mean --epochs"),
        ("series --lr 1e-3 -5", "lr is '-5'; it must be a number above 0"),
        ("series --model tinyvgg mpl", "no model 'mpl'; did you mean mlp?"),
        ("series --lr", "--lr needs a value"),
        (
            "series --epochs 5 10 digits.yaml",
            "digits.yaml is read as a value of --epochs; put the file before the flags",
        ),
        ("train --config no.yaml", "cannot read no.yaml: No such file or directory"),
        ("series no.yaml", "cannot read no.yaml: No such file or directory"),
        ("rnus", "no command 'rnus'; did you mean runs"),
        ("predict best", "nothing to predict: name image files or folders, or give --sample N"),
        ("diff k3f9", "missing argument 'RUN'; see `runfolio diff --help`"),
        ("train --model mlp --lr 1e-3 1e-2", "lr has several values: `runfolio series --lr 1e-3 1e-2`"),
        ("train --lr 1e-3,1e-2", "for several values use `runfolio series --lr 1e-3 1e-2`"),
        ("series --lr 1e-3,1e-2", "for several values use `runfolio series --lr 1e-3 1e-2`"),
        ("runs --store nowhere", "there is no store at nowhere; "),
    ],
)
def test_a_wrong_word_is_named(refused, tmp_path, words, message):
    assert message in refused(*words.split())
    assert not (tmp_path / "runs").exists()


def test_a_wrong_yaml_key_is_named_with_its_line(refused, tmp_path):
    (tmp_path / "my.yaml").write_text("model: mlp\nepohcs: 3\n")

    assert "my.yaml:2: unknown setting 'epohcs'; did you mean epochs" in refused("train", "--config", "my.yaml")


def test_a_wrong_value_in_a_series_is_named_with_its_line(refused, tmp_path):
    (tmp_path / "my.yaml").write_text("grid:\n  model: [mlp]\n  epochs: [1, -2]\n")

    assert "my.yaml:3: epochs is -2; it must be a whole number at least 1" in refused("series", "my.yaml")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("show lagre", "did you mean large?"),
        ("best val/ac", "did you mean val/acc"),
        ("plot val/accuracy", "did you mean val/acc"),
        ("runs --columns nam", "no column 'nam'; did you mean name"),
        ("runs --experiment digit", "did you mean digits?"),
        ("compare large", "name two or more runs"),
        ("compare", "name the runs, or select them with --experiment, --state, --tag or --where"),
        ("compare large --experiment digits", "--tag or --where; not both"),
        ("compare --experiment digits --group-by -sede", "no column 'sede'; did you mean"),
        ("train --seeds 0", "'--seeds': 0 is not in the range x>=1"),
        ("series --model mlp --seed 1 2 --seeds 3", "the series already has several seeds"),
        ("plot val/acc --out curves.doc", "its name must end in .png, .svg or .pdf"),
        ("resume large", "is finished, so it cannot be resumed; `runfolio fork "),
    ],
)
def test_a_name_that_is_not_in_the_store_is_named_with_the_nearest(refused, trained, words, message):
    assert message in refused(*words.split(), "--store", trained)


def test_ambiguous_id_prefix_is_refused(runfolio, tmp_path):
    begun: dict[str, str] = {}
    while True:
        with rf.init("walk", store=tmp_path / "runs") as run:
            pass
        if run.id[0] in begun:
            break
        begun[run.id[0]] = run.id

    answer = runfolio("show", run.id[0])

    assert answer.exit_code == 2
    first, newer, older = answer.stderr.splitlines()
    assert "matches 2 runs" in first
    assert newer.startswith(f"  {run.id}")
    assert older.startswith(f"  {begun[run.id[0]]}")


def test_a_damaged_checkpoint_is_named(refused, copied):
    for tensors in copied.rglob("*model.safetensors"):
        tensors.write_bytes(tensors.read_bytes()[:-100])

    assert "safetensors" in refused("predict", "large", "--sample", "1")


def test_a_run_of_a_newer_format_is_named_and_the_others_are_listed(runfolio, copied):
    run = rf.open(copied).run("large")
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "runfolio": 999}))

    listed = runfolio("runs")

    assert listed.exit_code == 0
    assert "small" in listed.stdout
    (warning,) = listed.stderr.splitlines()
    assert warning.startswith("warning: ")
    assert "999" in warning
    assert "newer" in warning


def test_debug_before_or_after_the_command_shows_the_traceback(runfolio):
    for words in (["--debug", "runs"], ["runs", "--debug"]):
        done = runfolio(*words)
        assert done.exit_code == 2
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: there is no store at runs")


def test_bug_is_one_line_that_mentions_debug(runfolio, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("limit = 1 / 0\n")
    (tmp_path / "my.yaml").write_text("target: mine:target\n")
    monkeypatch.syspath_prepend(tmp_path)

    done, debugged = runfolio("series", "my.yaml"), runfolio("series", "my.yaml", "--debug")

    assert (done.exit_code, debugged.exit_code) == (1, 1)
    assert done.stderr == "error: ZeroDivisionError: division by zero; run again with --debug for the traceback\n"
    assert "limit = 1 / 0" in debugged.stderr


def test_no_command_at_all_is_answered_with_the_help(runfolio):
    assert "Usage: runfolio" in runfolio().stderr

"""One thing is changed at a time: the verdict must change, and the change be named as the likely cause."""

from __future__ import annotations

import json
import random

import pytest

from .conftest import IMAGES, Project, reproduced

LINES = {
    "train.py": [
        ("weights = random.randn(4)", "weights = random.randn(4) * 1.5"),
        ("velocity = np.zeros(4)", "velocity = np.ones(4)"),
        ("weights = weights - flags.lr * velocity", "weights = weights - 2 * flags.lr * velocity"),
    ],
    "model.py": [("return loss, 2 * error", "return loss, 3 * error"), ("np.square(error)", "np.abs(error)")],
}
FLAGS = [("--lr", "0.2"), ("--momentum", "0.9"), ("--seed", "8")]


@pytest.fixture
def chance() -> random.Random:
    """Random generator that selects the same changes in each run of the tests."""
    return random.Random(20261122)


def test_nothing_was_changed(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    again = reproduced(project, run)
    assert (again.word, again.status) == ("bit-equal", 0)
    assert again.said["points"] == 12
    assert [kind for kind, _ in again.causes if kind != "seeds"] == []


@pytest.mark.parametrize("draw", range(3))
def test_one_line(project: Project, draw: int):
    chance = random.Random(draw)
    project.commit()
    run = project.start("train.py", "--seed", "7")
    path = chance.choice(sorted(LINES))
    before, after = chance.choice(LINES[path])
    file = project.folder / path
    line = 1 + file.read_text()[: file.read_text().index(before)].count("\n")
    file.write_text(file.read_text().replace(before, after))

    assert reproduced(project, run).word == "bit-equal"  # the recorded code is used, whatever was changed
    again = reproduced(project, run, "--here")
    assert (again.word, again.status) == ("parts", 1)
    kind, text = again.causes[0]
    assert kind == "code"
    assert text.startswith(f"{path}: line {line}: ")
    assert before in text
    assert after in text


def test_one_package(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    project.version("1.1", scale=1.25)
    again = reproduced(project, run)
    assert (again.word, again.status) == ("parts", 1)
    assert again.causes[0] == ("package", "stepping: 1.0 -> 1.1")
    assert again.said["step"] == 1  # the first loss is computed before any step changes the weights
    assert "stepping: 1.0 -> 1.1" in again.stderr.partition("Different today")[2]  # known before it ran


def test_one_image(project: Project, chance: random.Random):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    image = project.folder / "photos" / f"{chance.randrange(IMAGES)}.raw"
    content = bytearray(image.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    image.write_bytes(content)
    again = reproduced(project, run)
    assert (again.word, again.status) == ("parts", 1)
    kind, text = again.causes[0]
    assert kind == "data"
    assert text.startswith(f"train/{image.name}: ")
    assert f"train/{image.name}" in again.stderr.partition("Different today")[2]


@pytest.mark.parametrize(("flag", "value"), FLAGS)
def test_one_flag(project: Project, flag: str, value: str):
    project.commit()
    run = project.start("train.py", "--seed", "7", "--lr", "0.1")
    again = reproduced(project, run, "--", flag, value)
    assert (again.word, again.status) == ("parts", 1)
    before = {"--lr": "0.1", "--momentum": "(none)", "--seed": "7"}[flag]
    assert again.causes[0] == ("flag", f"{flag}: {before} -> {value}")
    assert ("setting", flag.removeprefix("--")) in [(kind, text.partition(":")[0]) for kind, text in again.causes]


def test_no_seed(project: Project):
    project.commit()
    run = project.start("train.py")
    again = reproduced(project, run)
    assert (again.word, again.said["step"]) == ("parts", 0)
    assert [kind for kind, _ in again.causes if kind != "seeds"] == []
    assert "no seed was set by runfolio.seed_everything" in again.said["chance"]


def test_missing_seed_comes_before_another_machine(project: Project):
    project.commit()
    run = project.start("train.py")
    document = json.loads((run.folder / "run.json").read_text())
    document["environment"]["system"] = "another system"
    (run.folder / "run.json").write_text(json.dumps(document))
    again = reproduced(project, run)
    kinds = [kind for kind, _ in again.causes]
    assert (again.word, kinds[0], "hardware" in kinds) == ("parts", "seeds", True)


def test_the_seed_is_taken_out_of_the_script(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    script = project.folder / "train.py"
    script.write_text(script.read_text().replace("RandomState(flags.seed)", "RandomState()"))
    again = reproduced(project, run, "--here")
    assert (again.word, again.said["step"]) == ("parts", 0)
    assert again.causes[0][1].endswith("random = np.random.RandomState(flags.seed) -> random = np.random.RandomState()")

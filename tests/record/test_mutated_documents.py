"""Documents with arbitrary values in a record of unknown origin: commands read everything else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main

from ..forked import Forked
from .mutations import COMMANDS, Record, mutations

_EXAMPLES = 25
_AT_ONCE = 3
"""Documents that are mutated in one example."""
_COMMANDS = 6


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, forked: Forked) -> Iterator[Record]:
    folder = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNFOLIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RUNFOLIO_QUIET", "1")
        yield Record.make(folder, forked)


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """Folder of a run whose run.json has damaged fields."""
    with runfolio.init("net", store=tmp_path / "runs", config={"lr": 0.1}, tags=["a"]) as run:
        run.log({"loss": 1.0})
        run.summary["acc"] = 0.5
    path = run.folder / "run.json"
    document = orjson.loads(path.read_bytes())
    document["status"]["reason"] = 5
    document["environment"]["cpu"] = "fast"
    document["tags"] = ["a", {"b": 1}]
    path.write_bytes(orjson.dumps(document))
    return run.folder


def typed(sent: Path, *words: str) -> str:
    return CliRunner().invoke(main, [*words, "--store", str(sent.parent.parent)]).output


@pytest.mark.parametrize("seed", range(_EXAMPLES))
def test_no_mutation_is_met_by_an_unforeseen_error(record: Record, seed: int):
    chance = random.Random(seed)
    documents = chance.sample(record.documents(), _AT_ONCE)
    changes = [(document, chance.choice(list(mutations(document.read())))) for document in documents]
    with record.replaced(changes):
        failures = [*record.unforeseen(chance.sample(COMMANDS, _COMMANDS)), *record.unforeseen_in_python()]
    assert not failures, f"{[mutation.words for _, mutation in changes]}\n{failures[0]}"


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_no_mutation_of_any_field_is_met_by_an_unforeseen_error(record: Record):
    failures = []
    for document in record.documents():
        meanings = set()
        for mutation in mutations(document.read()):
            if (meaning := document.meaning(mutation.value)) in meanings:
                continue
            meanings.add(meaning)
            with record.replaced([(document, mutation)]):
                texts = [*record.unforeseen(), *record.unforeseen_in_python()]
            failures += [f"{document.path.name}: {mutation.words}: {text}" for text in texts]
    assert not failures, "\n".join(failures[:20])


def test_show_names_damaged_fields_and_shows_the_rest(sent: Path):
    page = typed(sent, "show", "net")
    assert "lr  0.1" in page
    assert "acc  0.5" in page
    assert "tags: a\n" in page
    (warning,) = (line for line in page.splitlines() if "run.json" in line)
    assert "status/reason must be a string or null" in warning
    assert "tags/1 must be a string" in warning


def test_doctor_reports_damaged_fields_and_repairs_them(sent: Path):
    damaged = (sent / "run.json").read_bytes()
    assert "environment/cpu must be an object" in typed(sent, "doctor")

    assert "wrote run.json without damaged fields" in typed(sent, "doctor", "--repair")

    assert (sent / "damaged" / "run.json").read_bytes() == damaged
    assert runfolio.open(sent.parent.parent).run("net").problems == ()


def test_edits_leave_a_damaged_document_as_it_is(sent: Path):
    damaged = (sent / "run.json").read_bytes()
    runfolio.open(sent.parent.parent).run("net").edits.tag("good")
    assert (sent / "run.json").read_bytes() == damaged
    assert runfolio.open(sent.parent.parent).run("net").tags == ["a", "good"]


def test_resume_keeps_a_copy_of_a_damaged_document(sent: Path):
    damaged = (sent / "run.json").read_bytes()
    with runfolio.resume("net", store=sent.parent.parent, checkpoint=None) as run:
        run.log({"loss": 0.5})
    assert (sent / "damaged" / "run.json").read_bytes() == damaged
    assert [attempt.attempt for attempt in runfolio.open(sent.parent.parent).run("net").document.attempts] == [1, 2]


def test_list_of_code_that_cannot_be_read_is_a_warning(sent: Path):
    (sent / "code").mkdir(exist_ok=True)
    writer = orjson.loads((sent / "run.json").read_bytes())["attempts"][0]["writer"]
    (sent / "code" / f"{writer}.json").write_text('{"runfolio": 0, "root": 5}')
    assert "root must be a path" in typed(sent, "show", "net")

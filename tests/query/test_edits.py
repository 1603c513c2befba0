"""Edits of runs: visible to each reader at once, also while the run is written."""

from __future__ import annotations

import runfolio
from runfolio.query.store import open_folio


def test_a_renamed_run_keeps_its_id_and_folder(store, write):
    folder = write("net")
    run = open_folio(store).run("net")
    run.edits.rename("the good one")

    for seen in (run, open_folio(store).run("the good one"), open_folio(store).run(run.id)):
        assert (seen.name, seen.id, seen.folder) == ("the good one", run.id, folder)


def test_tags_are_added_and_removed(store, write):
    write("net")
    run = open_folio(store).run("net")
    run.edits.tag("good", "untested")
    run.edits.tag("good", "paper", remove=["untested", "never there"])

    assert run.tags == ["good", "paper"]
    assert open_folio(store).run("net").tags == ["good", "paper"]


def test_an_open_folio_sees_an_edit_at_once(store, write):
    write("net", points={"loss": [1.0]})
    folio, other = open_folio(store), open_folio(store)
    folio.runs()
    other.run("net").edits.note("diverges")

    assert folio.run("net").notes == "diverges"
    assert folio.run("net").metrics["loss"].last == 1.0


def test_archived_runs_are_left_out_but_found_by_name(store, write):
    for name in ("old", "new"):
        write(name, points={"val/acc": [0.9 if name == "old" else 0.5]})
    folio = open_folio(store)
    folio.run("old").edits.archive()

    assert [run.name for run in folio.runs()] == ["new"]
    assert [run.name for run in folio.runs(archived=True)] == ["new", "old"]
    assert folio.best("val/acc").name == "new"
    assert folio.run("old").edits.archived

    folio.run("old").edits.archive(archived=False)
    assert folio.best("val/acc").name == "old"


def test_runs_with_all_of_some_tags(store, write):
    for name, tags in (("a", ["x"]), ("b", ["x", "y"]), ("c", [])):
        write(name)
        open_folio(store).run(name).edits.tag(*tags)
    folio = open_folio(store)

    assert [run.name for run in folio.runs(tags=["x"])] == ["b", "a"]
    assert [run.name for run in folio.runs(tags=["y", "x"])] == ["b"]


def test_later_edit_wins_over_the_live_run(store):
    with runfolio.init("live", tags=["begun"], store=store) as run:
        theirs = open_folio(store)
        theirs.run("live").edits.tag("theirs")
        assert theirs.run("live").tags == ["begun", "theirs"]

        run.tags = ["its own"]
        run.flush()
        assert theirs.run("live").tags == ["its own"]

        theirs.run("live").edits.tag("theirs again")
        run.summary["rewrites"] = "run.json"
        run.flush()
        assert theirs.run("live").tags == ["its own", "theirs again"]
    assert theirs.run("live").tags == ["its own", "theirs again"]


def test_damaged_edit_is_a_problem_of_its_run(store, write):
    folder = write("net")
    open_folio(store).run("net").edits.tag("good")
    (folder / "notes" / "9999999999999999-abcdefgh.json").write_text("{")
    run = open_folio(store).run("net")

    assert run.tags == ["good"]
    assert len(run.problems) == 1
    assert "9999999999999999-abcdefgh.json is damaged" in run.problems[0]

"""Runs without reproductions and copied folders."""

from __future__ import annotations

from runfolio.query.selection.duplicates import copied_runs, distinct_runs
from runfolio.query.store import open_folio


def test_original_folder_takes_precedence_over_copies(store, write, copy):
    original = write("net")
    for place in ("a-backup/net", f"digits/again-{original.name}", f"digits/{original.name}-old"):
        copy(original, store / place)
    runs = open_folio(store).runs()
    distinct = distinct_runs(runs)

    assert [run.folder for run in distinct.runs] == [original]
    assert distinct.sentence == "Left out: 3 copies of runs."
    (folders,) = copied_runs({run.run_path: run.document for run in runs}).values()
    assert (folders[0], len(folders)) == (f"digits/{original.name}", 4)


def test_one_of_two_copies_counts_if_the_original_is_gone(store, write, copy):
    original = write("net")
    for place in ("b", "c"):
        copy(original, store / place)
    open_folio(store).trash.put(next(run for run in open_folio(store).runs() if run.folder == original))

    distinct = distinct_runs(open_folio(store).runs())
    assert ([run.run_path for run in distinct.runs], distinct.copies) == (["b"], 1)


def test_forks_count_and_reproductions_do_not(store, write, edit):
    original, fork, reproduction = write("net"), write("fork"), write("net-reproduced")
    run_id = open_folio(store).run(original).id
    edit(fork, lineage={"kind": "fork", "run": run_id, "name": "net"})
    edit(reproduction, lineage={"kind": "reproduction", "run": run_id, "name": "net"})

    distinct = distinct_runs(open_folio(store).runs())
    assert [run.name for run in distinct.runs] == ["fork", "net"]
    assert distinct.sentence == "Left out: 1 reproduction."
    assert distinct_runs(distinct.runs).sentence == ""

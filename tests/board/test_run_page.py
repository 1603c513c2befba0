"""`/api/runs/KEY`: what the overview of a run shows."""

from __future__ import annotations

import hashlib
import json
import textwrap
from typing import Any

import pytest

import runfolio
from runfolio.board.markdown import ELEMENTS, markdown_tree

from .run_client import RunClient


@pytest.fixture
def client(board_store):
    return RunClient(board_store)


def commands(page: dict) -> dict[str, str]:
    return {command["name"]: command["line"] for command in page["commands"]}


def test_failed_run_says_why_and_shows_its_traceback(client):
    page = client.run("failed")
    assert page["state"] == "failed"
    assert page["reason"].startswith("ValueError: bad shape <b>(3, 4)</b> in ")
    assert page["traceback"].rstrip().endswith("ValueError: bad shape <b>(3, 4)</b>")
    assert page["exit_code"] == 1
    assert page["has_console"]
    assert page["last_lines"][-1].startswith("ValueError")


def test_killed_run_is_crashed_without_a_traceback(client):
    page = client.run("killed")
    assert page["state"] == "crashed"
    assert page["reason"]
    assert page["traceback"] is None


def test_settings_that_differ_from_their_defaults_come_first(client):
    settings = client.run("mlp-10pct-3ep")["settings"]
    changed = [setting["is_changed"] for setting in settings]
    assert changed == sorted(changed, reverse=True)
    by_name = {setting["name"]: setting for setting in settings}
    assert by_name["epochs"]["is_changed"]
    assert by_name["epochs"]["value"] == 3
    assert by_name["epochs"]["default"] != 3
    assert not by_name["momentum"]["is_changed"]


def test_trained_run_lists_results_data_checkpoints_and_environment(client):
    page = client.run("mlp-10pct-3ep")
    assert {"train", "val", "test"} <= {data["name"] for data in page["data"]}
    assert all(data["fingerprint"] and data["items"] for data in page["data"])
    assert {"last", "best"} <= {checkpoint["name"] for checkpoint in page["checkpoints"]}
    assert all(checkpoint["bytes"] > 0 for checkpoint in page["checkpoints"])
    assert "parameters" in {result["name"] for result in page["results"]}
    metric = next(metric for metric in page["metrics"] if metric["name"] == "val/acc")
    assert (metric["mode"], metric["points"]) == ("max", 3)
    assert dict(page["environment"])["python"].startswith("3.")


def test_attempts_say_where_they_continued_and_what_was_abandoned(client):
    first, second = client.run("resumed")["attempts"]
    assert (first["state"], first["checkpoint"]) == ("interrupted", None)
    assert 0 < first["lost_s"] < first["seconds"]
    assert (second["state"], second["lost_s"]) == ("finished", 0)
    assert second["step"] == 59
    assert client.run("forked")["attempts"][2]["checkpoint"] == "last"


def test_attempt_that_only_tests_abandons_nothing(store):
    with runfolio.init("tested", store=store) as run:
        for step in range(20):
            run.log({"loss": 1.0}, step=step)
    with runfolio.resume(run.id, checkpoint=None, force=True, store=store) as again:
        again.log({"test/acc": 1.0}, step=1)
    path = run.folder / "run.json"
    document = json.loads(path.read_text())
    document["attempts"][1]["purpose"] = "test"
    path.write_text(json.dumps(document))
    first, second = RunClient(store).run("tested")["attempts"]
    assert first["lost_s"] == 0
    assert (second["purpose"], second["checkpoint"]) == ("test", None)


def test_fork_names_its_parent_and_the_parent_its_fork(client):
    fork, parent = client.run("forked"), client.run("resumed")
    assert fork["parent"]["key"] == parent["key"]
    assert (fork["parent"]["kind"], fork["parent"]["step"]) == ("fork", 199)
    assert [attempt["inherited"] for attempt in fork["attempts"]] == [parent["id"], parent["id"], None]
    assert [(child["key"], child["kind"], child["step"]) for child in parent["children"]] == [
        (fork["key"], "fork", 199)
    ]


def test_reproduction_has_the_verdict_as_data(changing_store):
    store = runfolio.open(changing_store)
    original = next(run for run in store.runs() if run.name == "resumed")
    with runfolio.init("again", experiment="curves", store=changing_store) as again:
        again.log({"train/loss": 1.0}, step=0)
    path = again.folder / "run.json"
    document = json.loads(path.read_text())
    document["lineage"] = {"kind": "reproduction", "run": original.id, "name": original.name, "changed": ["lr"]}
    path.write_text(json.dumps(document))
    runfolio.open(changing_store).run(again.id).edits.set_verdict({"word": "parts", "sentence": "parts at step 7"})
    client = RunClient(changing_store)
    assert client.run("again")["parent"]["verdict"]["sentence"] == "parts at step 7"
    children = {child["kind"]: child for child in client.run("resumed")["children"]}
    assert children["reproduction"]["verdict"] == {"word": "parts", "sentence": "parts at step 7"}


def test_only_commands_that_apply_are_offered(client):
    run_id = client.run("resumed")["id"]
    trained, logged = client.run("mlp-10pct-3ep"), commands(client.run("resumed"))
    assert list(commands(trained)) == ["fork", "reproduce", "load", "predict", "model"]
    assert commands(trained)["predict"].startswith(f"runfolio predict {trained['id']} --sample 24 --store ")
    assert commands(trained)["fork"].startswith(f"runfolio fork {trained['id']} --epochs 6 --store ")
    assert logged["fork"].startswith(f"runfolio.fork({run_id!r}, store=")
    assert "resume" not in logged
    assert list(commands(client.run("killed"))) == ["reproduce", "load"]


def test_lines_of_python_load_the_run_and_its_model(client):
    page = client.run("mlp-10pct-3ep")
    names: dict[str, Any] = {"runfolio": runfolio}
    exec(commands(page)["load"], names)
    exec(commands(page)["model"], names)
    assert names["run"].id == page["id"]
    assert not names["model"].training


def test_stopped_run_with_a_checkpoint_can_be_resumed(store, python_torch):
    script = """
        import runfolio, sys, torch
        with runfolio.init("stopped", store=sys.argv[1]) as run:
            run.log({"loss": 1.0}, step=7)
            run.checkpoint(step=7, weights=torch.zeros(1))
            run.finish("interrupted")
    """
    python_torch(textwrap.dedent(script), store).check_returncode()
    (resume, *_) = RunClient(store).run("stopped")["commands"]
    assert resume["name"] == "resume"
    assert resume["line"].startswith("runfolio.init(resume=")
    assert resume["does"] == "Continue this run after step 7, in its script"


def test_tensor_files_of_a_checkpoint_are_downloads(client, board_store):
    run = next(run for run in runfolio.open(board_store).runs() if run.name == "mlp-10pct-3ep")
    best = run.checkpoint()
    listed = {checkpoint["name"]: checkpoint["files"] for checkpoint in client.run(run.name)["checkpoints"]}
    response = client.get(f"/api/blobs/{run.row.key:016x}/{listed[best.name]['model']}")
    assert hashlib.sha256(response.content).hexdigest() == listed[best.name]["model"]
    name = f"{run.name}-{best.name}-model.safetensors"
    assert response.headers["content-disposition"].startswith(f'attachment; filename="{name}"')


def test_numbers_that_json_lacks_arrive_as_text(client):
    metrics = {metric["name"]: metric for metric in client.run("not a number")["metrics"]}
    assert metrics["train/loss"]["best"] > 0
    with_nan = runfolio.board.run_page.plain_value({"a": [float("nan"), float("inf"), -float("inf"), 2**60, 0.5, True]})
    assert with_nan == {"a": ["NaN", "Infinity", "-Infinity", str(2**60), 0.5, True]}


def test_reading_a_run_changes_none_of_its_files(client, board_store):
    before = {path: path.stat().st_mtime_ns for path in board_store.rglob("*")}
    for part in ("", "media", "console", "code", "files"):
        client.run("resumed", part)
    assert {path: path.stat().st_mtime_ns for path in board_store.rglob("*")} == before


@pytest.mark.parametrize("key", ["0" * 16, "f" * 16, "..", "0" * 15, "0000000000000G00", "%2e%2e%2fetc", "a" * 5000])
def test_unknown_and_malformed_keys_are_not_found(client, key):
    for path in (
        f"/api/runs/{key}",
        f"/api/runs/{key}/media",
        f"/api/runs/{key}/console",
        f"/api/blobs/{key}/{'0' * 64}",
    ):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["error"]["what"]


PAYLOADS = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[a](javascript:alert(1)) [b](data:text/html,x) [c](//evil.example) [d](vbscript:x) [e](JaVaScRiPt:x)",
    "![image](http://evil.example/x.png)",
    '<a href="http://evil.example">x</a> <svg/onload=alert(1)> <iframe src=//evil.example>',
    "<http://good.example> <javascript:alert(1)> &lt;script&gt; &#x3C;b&#x3E;",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "> " * 500 + "deep",
    "- " * 500 + "deep",
    "*" * 5_000 + "a" + "*" * 5_000,
    "[" * 5_000,
)


@pytest.mark.parametrize("text", PAYLOADS)
def test_markdown_becomes_a_tree_of_allowed_elements(text):
    def check(nodes: list, depth: int) -> None:
        assert depth < 60
        for node in nodes:
            if isinstance(node, str):
                continue
            assert node["tag"] in ELEMENTS
            assert set(node) <= ({"tag", "children", "href"} if node["tag"] == "a" else {"tag", "children"})
            assert node.get("href", "http://").startswith(("http://", "https://"))
            check(node["children"], depth + 1)

    check(markdown_tree(text), 0)


def test_markdown_keeps_its_structure():
    tree: list[Any] = markdown_tree(
        "# Tried\n\nA **larger** `lr`, see [it](https://good.example).\n\n1. one\n\n```\ncode\n```"
    )
    heading, paragraph, numbers, code = tree
    assert (heading["tag"], heading["children"]) == ("h3", ["Tried"])
    assert [child["tag"] for child in paragraph["children"] if isinstance(child, dict)] == ["strong", "code", "a"]
    assert numbers["tag"] == "ol"
    assert code == {"tag": "pre", "children": [{"tag": "code", "children": ["code\n"]}]}


def test_hostile_names_and_notes_arrive_unchanged_as_json(client):
    page = client.run("<script>alert(1)</script>")
    assert page["name"] == page["tags"][0] == "<script>alert(1)</script>"
    assert "javascript:" in page["notes"]
    assert "href" not in json.dumps(page["notes_tree"])

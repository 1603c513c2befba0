"""`/api/edits`, `/api/undo` and `/api/trash`: changes of runs, which are then stored in their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import runfolio

from .http_client import Client


@pytest.fixture
def client(changing_store, board_server):
    board = board_server(changing_store)
    return Client(board.url, board.token).wait_for_scan()


def keys(client: Client, **filters: Any) -> list[str]:
    return client.get("/api/runs", **filters).json["keys"]


def field(client: Client, key: str, name: str):
    page = client.get("/api/runs", archived="1", limit="500").json
    return page["fields"][name][page["keys"].index(key)]


def test_edit_is_in_the_record_and_in_the_next_answer(client, changing_store):
    key, *_ = keys(client, experiment="digits")
    reply = client.post("/api/edits", {"runs": [key], "set": {"name": "renamed", "add_tags": ["good"], "notes": "n"}})
    assert reply.json["changed"] == 1
    assert field(client, key, "name") == "renamed"
    run = runfolio.open(changing_store).run("renamed")
    assert (run.tags[-1], run.notes) == ("good", "n")


def test_undo_restores_every_run(client):
    runs = keys(client, experiment="digits")
    names = [field(client, key, "tags") for key in runs]
    undo = client.post("/api/edits", {"runs": runs, "set": {"add_tags": ["x"], "archived": True}}).json["undo"]
    assert keys(client, experiment="digits") == []
    assert client.post("/api/undo", {"undo": undo}).json == {"changed": len(runs)}
    assert [field(client, key, "tags") for key in runs] == names
    assert client.post("/api/undo", {"undo": undo}).status == 404


def test_edit_of_equal_values_writes_nothing(client, changing_store):
    key, *_ = keys(client, experiment="digits")
    before = files(changing_store)
    name = field(client, key, "name")
    assert client.post("/api/edits", {"runs": [key], "set": {"name": name}}).json["changed"] == 0
    assert files(changing_store) == before


def test_deleted_run_leaves_the_table_and_comes_back(client):
    key, *others = keys(client, experiment="digits")
    undo = client.post("/api/trash", {"action": "put", "runs": [key]}).json["undo"]
    assert sorted(keys(client, experiment="digits")) == sorted(others)
    trashed = client.get("/api/trash").json
    assert [run["id"] for run in trashed["runs"]] == [key]
    assert trashed["total_bytes"] == trashed["runs"][0]["bytes"] > 0
    client.post("/api/undo", {"undo": undo})
    assert key in keys(client, experiment="digits")


def test_purge_asks_for_the_name(client, changing_store):
    key, *_ = keys(client, experiment="digits")
    name = field(client, key, "name")
    client.post("/api/trash", {"action": "put", "runs": [key]})
    refused = client.post("/api/trash", {"action": "purge", "runs": [key], "confirm": "yes"})
    assert refused.status == 400
    assert name in refused.error["what"]
    reply = client.post("/api/trash", {"action": "purge", "runs": [key], "confirm": name})
    assert reply.json["freed"] > 0
    assert client.get("/api/trash").json["runs"] == []


def test_running_run_is_not_deleted(client, changing_store, live_run):
    run = live_run(changing_store)
    key = f"{run.row.key:016x}"
    reply = client.post("/api/trash", {"action": "put", "runs": [key]})
    while reply.status == 404:  # until the server has seen the run
        reply = client.post("/api/trash", {"action": "put", "runs": [key]})
    assert reply.status == 409
    assert run.folder.is_dir()


def test_mistakes_change_nothing(client, changing_store):
    before = files(changing_store)
    runs = keys(client, experiment="digits")
    changes = [
        {"runs": runs[:1], "set": {"name": ""}},
        {"runs": runs[:1], "set": {"name": 5}},
        {"runs": runs[:1], "set": {"add_tags": ["a,b"]}},
        {"runs": runs[:1], "set": {"color": "red"}},
        {"runs": runs[:1], "set": {"name": "x"}, "source": "/etc/passwd"},
        {"runs": runs, "set": {"name": "one name for all"}},
        {"runs": [], "set": {"notes": "x"}},
        {"runs": ["../../etc"], "set": {"notes": "x"}},
        {"runs": ["0" * 16], "set": {"notes": "x"}},
        [],
    ]
    replies = [client.post("/api/edits", change) for change in changes]
    assert {reply.status for reply in replies} <= {400, 404}
    assert all(reply.error["what"] for reply in replies)
    assert files(changing_store) == before


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}

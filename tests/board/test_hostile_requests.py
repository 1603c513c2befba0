"""Hostile requests with the correct token. They must not read or change files outside the store, or break the
server."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from .http_client import Client

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "....//....//etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "file://./etc/passwd",
    r"C:\Windows\win.ini",
    "x;/../../etc/passwd",
    "http:///#/../../etc/",
    "x%00.png",
    "..%c0%af..%c0%afetc/passwd",
    ".",
    "",
    "a/",
    "CON",
    "a" * 5_000,
)
"""Paths that have led other trackers to files outside of their store."""
ROUTES = (
    "/web/{digest}/{path}",
    "/web/{path}",
    "/api/runs/{path}",
    "/api/blobs/{key}/{path}",
    "/api/{path}",
    "/r/{path}",
)
MALFORMED = (
    b"[" * 10_000,
    b'{"a":' * 10_000,
    b"9" * 1_000_000,
    b'{"runs": [1e400]}',
    b'{"runs": NaN}',
    b'{"runs": "\xff"}',
    b'\xef\xbb\xbf{"runs": []}',
    b"{",
    b"",
    b"null",
    b"[]",
    b'"text"',
    b'{"runs": null, "set": null}',
    b'{"runs": {"a": 1}, "set": []}',
    b'{"runs": ["0000000000000001"], "set": {"name": "\\ud800"}}',
    b"{" + b",".join(b'"k%d": 1' % number for number in range(50_000)) + b"}",
)
QUERIES = (
    "offset=-1",
    "offset=NaN",
    "offset=1e3",
    "limit=501",
    "limit=99999999999999999999999",
    "limit=inf",
    "limit=%00",
    "mode=up",
    "archived=perhaps",
    "where=%FF",
    "sort=id);--",
    "where='%3B DROP TABLE runs;--",
    "where=__import__('os').system('touch x')",
    "where=1 OR 1=1",
    "where=" + "(" * 2_000,
    "columns=" + ",".join(["lr"] * 300),
    "group=-seed,lr",
    "experiment=digits&experiment=curves",
    "url=http://127.0.0.1:1/",
    "source=/etc/passwd",
)


@pytest.mark.parametrize("route", ROUTES)
def test_no_path_leads_out_of_the_store(reader, route):
    key = reader.get("/api/runs").json["keys"][0]
    digest = reader.get("/").body.decode().partition("web/")[2].partition("/")[0]
    for path in PATHS:
        reply = reader.request(route.format(digest=digest, key=key, path=path).replace(" ", "%20"))
        is_page = route.startswith("/r/") and reply.status == 200
        assert is_page or reply.status in (400, 404, 414), path
        assert b"root:" not in reply.body
        assert b"Traceback" not in reply.body


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("path", ["/api/edits", "/api/undo", "/api/trash"])
def test_malformed_json_is_refused(reader, path, body):
    reply = reader.send("POST", path, {"Content-Type": "application/json", "X-Runfolio": "1"}, body)
    assert reply.status == 400
    assert reply.error["what"]


@pytest.mark.parametrize("query", QUERIES)
def test_mistakes_in_a_query_are_explained(reader, query):
    reply = reader.request(f"/api/runs?{query.replace(' ', '%20')}")
    assert reply.status in (400, 404)
    assert reply.error["what"]
    assert reader.get("/api/runs").json["total"] > 0


def test_error_in_a_filter_has_its_position(reader):
    reply = reader.get("/api/runs", where="lr < 0.1 AND wrong > 2")
    assert (reply.status, reply.error["position"]) == (400, 13)
    assert "wrong" in reply.error["what"]


def test_names_that_differ_by_encoding_are_different_names(reader):
    assert reader.request("/api/runs?experiment=d%69gits").json["total"] == 8
    for spelling in ("d%2569gits", "digits%2F", "digits/", "Digits", "%20digits"):
        assert reader.request(f"/api/runs?experiment={spelling}").status == 404


def test_hostile_names_become_texts_and_no_files(changing_store, board_server):
    client = Client(*board_server(changing_store).access).wait_for_scan()
    key, *_ = client.get("/api/runs", experiment="digits").json["keys"]
    before = names(changing_store.parent)
    for name in filter(None, PATHS):
        change = {"name": name, "notes": name, "add_tags": [name]}
        reply = client.post("/api/edits", {"runs": [key], "set": change})
        assert reply.status in (200, 400)
        if reply.status == 200:
            page = client.get("/api/runs", where=f"id = '{page_id(client, key)}'").json
            assert page["fields"]["name"] == page["fields"]["notes"] == [name]
    new = {path for path in names(changing_store.parent) - before if "/notes" not in path}
    assert new == set()


def page_id(client: Client, key: str) -> str:
    page = client.get("/api/runs", limit="500").json
    return page["fields"]["id"][page["keys"].index(key)]


def test_hostile_ids_delete_nothing(changing_store, board_server):
    client = Client(*board_server(changing_store).access).wait_for_scan()
    canary = changing_store.parent / "canary"
    canary.write_text("alive")
    before = names(changing_store.parent)
    for action in ("put", "restore", "purge"):
        for path in PATHS:
            reply = client.post("/api/trash", {"action": action, "runs": [path], "confirm": path})
            assert reply.status in (400, 404)
    assert canary.read_text() == "alive"
    assert names(changing_store.parent) == before


def test_link_in_the_trash_is_not_followed(changing_store, board_server, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    (changing_store / ".trash").mkdir()
    (changing_store / ".trash" / "linked").symlink_to(outside)
    client = Client(*board_server(changing_store).access).wait_for_scan()
    assert client.get("/api/trash").json["runs"] == []
    assert (outside / "run.json").exists()


def test_long_names_and_many_metrics_are_bounded(store, board_server, python):
    script = """
import sys, runfolio
with runfolio.init("a" * 500, store=sys.argv[1], tags=["t" * 100]) as run:
    run.log({f"metric/{number}": number for number in range(12_000)}, step=0)
"""
    assert python(script, store).returncode == 0
    client = Client(*board_server(store).access).wait_for_scan()
    columns = client.get("/api/columns").json
    assert columns["left_out"] > 0
    assert len(columns["columns"]) <= 12_000
    assert client.get("/api/runs").json["fields"]["name"] == ["a" * 500]
    key = client.get("/api/runs").json["keys"][0]
    refused = client.post("/api/edits", {"runs": [key], "set": {"name": "a" * 501}})
    assert (refused.status, "500" in refused.error["what"]) == (400, True)
    refused = client.post("/api/edits", {"runs": [key], "set": {"add_tags": ["t" * 101]}})
    assert (refused.status, "100" in refused.error["what"]) == (400, True)


def test_store_that_vanishes_is_a_problem_and_not_a_failure(changing_store, board_server):
    client = Client(*board_server(changing_store).access).wait_for_scan()
    changing_store.rename(changing_store.with_name("moved"))
    assert client.get("/api/runs").status == 200
    key = client.get("/api/runs").json["keys"][0]
    assert client.post("/api/edits", {"runs": [key], "set": {"notes": "x"}}).status in (404, 409)


def names(folder: Path) -> set[str]:
    """Return all files and folders below a folder, without those of the index."""
    return {str(path) for path in folder.rglob("*") if "cache" not in path.parts}


def test_answers_are_valid_json(reader):
    for path in ("/api/store", "/api/runs?limit=500&archived=1", "/api/columns"):
        assert orjson.loads(reader.get(path).body)

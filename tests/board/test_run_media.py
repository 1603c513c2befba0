"""`/api/runs/KEY/media` and `/api/blobs/KEY/SHA`: media of a run, and its files."""

from __future__ import annotations

import hashlib
import io
import shutil

import numpy as np
import pytest
from PIL import Image

import runfolio

from .http_client import Client
from .run_client import RunClient

TRAVERSALS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5cetc%5cpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "....//....//etc/passwd",
    "%00",
    "a" * 64 + "%00.png",
    "run.json",
    "~root",
)


@pytest.fixture
def client(board_store):
    return RunClient(board_store)


def entries(client: RunClient, name: str, run: str = "media", step: int = 40) -> list[dict]:
    items = client.run(run, "media", step=step)["items"]
    return next(item for item in items if item["name"] == name)["entries"]


def test_names_are_listed_by_kind_with_all_steps(client):
    page = client.run("media", "media")
    assert page["steps"] == [0, 10, 20, 30, 40]
    assert [(name["kind"], name["name"], name["count"]) for name in page["names"]] == [
        ("image", "samples", 5),
        ("figure", "figure", 1),
        ("video", "film", 1),
        ("audio", "sound", 1),
        ("text", "answer", 5),
        ("table", "errors", 1),
    ]
    assert page["hidden"] == {"histogram": 5}


def test_each_name_shows_its_newest_medium_up_to_the_step(client):
    page = client.run("media", "media", step=25)
    assert {item["name"]: item["step"] for item in page["items"]} == {
        "samples": 20, "answer": 20, "figure": 40, "film": 40, "sound": 40, "errors": 40
    }  # fmt: skip
    only = client.run("media", "media", step=40, kind="text", name="answer")
    assert [item["name"] for item in only["items"]] == ["answer"]
    assert only["items"][0]["entries"][0]["text"] == "The answer at step 40.\nA second line."


def test_image_is_served_with_its_boxes_type_and_name(client):
    (image,) = entries(client, "samples")
    response = client.blob("media", image["sha"])
    assert image["boxes"] == [{"box": [4.0, 4.0, 20.0, 20.0], "label": "dog", "score": 0.9}]
    assert Image.open(io.BytesIO(response.content)).size == (48, 32)
    assert response.headers["content-type"] == image["type"] == "image/png"
    assert response.headers["content-disposition"].startswith('inline; filename="samples-40.png"')
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize(("name", "kind"), [("sound", "audio/wav"), ("film", "image/webp"), ("figure", "image/png")])
def test_each_kind_of_file_has_the_type_of_our_table(client, name, kind):
    (medium,) = entries(client, name)
    response = client.blob("media", medium["sha"])
    assert response.status_code == 200
    assert response.headers["content-type"] == medium["type"] == kind
    assert len(response.content) == medium["bytes"]


def test_table_arrives_by_rows_with_its_images(store):
    with runfolio.init("tables", store=store) as run:
        pictures = [np.full((4, 4, 3), shade, np.uint8) for shade in (0, 100, 200)]
        run.log_table(
            "answers", {"picture": pictures, "loss": [0.5, float("nan"), 2], "word": ["a", "=b", None]}, step=1
        )
    client = RunClient(store)
    (table,) = entries(client, "answers", "tables", 1)
    page = client.run("tables", "media", table=table["sha"], **{"from": 1, "limit": 2})
    assert page["rows"] == 3
    assert [(column["name"], column["kind"], column["values"]) for column in page["columns"]] == [
        ("picture", "image", [True, True]),
        ("loss", "number", ["NaN", 2.0]),
        ("word", "text", ["=b", None]),
    ]
    cell = client.blob("tables", table["sha"], row=1, column=0)
    assert cell.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(cell.content)).getpixel((0, 0)) == (100, 100, 100)
    assert client.blob("tables", table["sha"], row=1, column=2).status_code == 404
    assert client.blob("tables", table["sha"], row=9, column=0).status_code == 404


def test_media_of_an_abandoned_branch_are_left_out(store):
    with runfolio.init("branches", store=store) as run:
        run.log_text("answer", "kept", step=1)
        run.log_text("answer", "abandoned", step=2)
        run.finish("interrupted")
    with runfolio.resume(run.id, step=1, store=store) as run:
        run.log_text("answer", "continued", step=3)
    client = RunClient(store)
    assert client.run("branches", "media")["steps"] == [1, 3]


def test_html_artifact_is_a_download_of_unknown_type(store):
    report = store.parent / 'report "ü"\r\n<x>.html'
    report.write_text("<script>alert(1)</script>")
    with runfolio.init("artifacts", store=store) as run:
        run.artifact(report, "report")
    client = RunClient(store)
    (artifact,) = client.run("artifacts", "files")["artifacts"]
    (file,) = artifact["files"]
    response = client.blob("artifacts", file["sha"])
    assert response.content == report.read_bytes()
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"report _____x_.html\"; filename*=UTF-8''report%20%22%C3%BC%22_%3Cx%3E.html"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-3", b"0123"),
        ("bytes=996-", b"6789"),
        ("bytes=-2", b"89"),
        ("bytes=998-5000", b"89"),
        ("bytes=0-0", b"0"),
    ],
)
def test_range_of_bytes_is_sent_alone(store, asked, expected):
    client, address = stored_digits(store)
    response = client.get(address, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, expected)
    start = int(response.headers["content-range"].removeprefix("bytes ").partition("-")[0])
    assert response.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/1000"
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert response.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=1000-"}, 416),
        ({"Range": "bytes=5-2"}, 200),
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"Range": "lines=0-1"}, 200),
        ({"Range": "bytes=0-1", "If-Range": '"another"'}, 200),
    ],
)
def test_other_ranges_are_refused_or_ignored(store, headers, status):
    client, address = stored_digits(store)
    response = client.get(address, headers=headers)
    assert response.status_code == status
    assert response.headers.get("content-range") == ("bytes */1000" if status == 416 else None)
    assert status == 416 or response.content == b"0123456789" * 100


def stored_digits(store) -> tuple[RunClient, str]:
    """Store an artifact of 1,000 bytes, and return its address."""
    path = store.parent / "digits.bin"
    path.write_bytes(b"0123456789" * 100)
    with runfolio.init("artifacts", store=store) as run:
        run.artifact(path, "digits")
    client = RunClient(store)
    (artifact,) = client.run("artifacts", "files")["artifacts"]
    return client, f"/api/blobs/{client.key('artifacts')}/{artifact['files'][0]['sha']}"


def test_links_and_forged_names_lead_nowhere(changing_store, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    client = RunClient(changing_store)
    (image,) = entries(client, "samples")
    folder = next(changing_store.glob("media/media-*"))
    stored = max((folder / "media" / "files").glob("samples-40-*"))
    stored.unlink()
    stored.symlink_to(secret)
    assert client.blob("media", image["sha"]).status_code == 400
    lines = next((folder / "media").glob("*.jsonl"))
    lines.write_text(lines.read_text().replace(stored.name, "../../../../secret.png"))
    forged = hashlib.sha256(b"../../../../secret.png").hexdigest()
    assert client.blob("media", forged).status_code == 404
    assert any("damaged line" in problem for problem in client.run("media", "media")["problems"])


def test_file_of_another_run_is_not_found(client):
    (image,) = entries(client, "samples")
    assert client.blob("resumed", image["sha"]).status_code == 404
    assert client.blob("media", "0" * 64).status_code == 404


def test_deleted_file_is_reported(changing_store):
    client = RunClient(changing_store)
    (image,) = entries(client, "samples")
    shutil.rmtree(next(changing_store.glob("media/media-*")) / "media" / "files")
    response = client.blob("media", image["sha"])
    assert response.status_code == 404
    assert "restore it from a copy of the run" in response.json()["error"]["remedy"]


def test_no_path_in_a_request_reaches_a_file(board_store, board_server):
    server = board_server(board_store)
    client = Client(server.url, server.token).wait_for_scan()
    key = client.get("/api/runs", experiment="media").json["keys"][0]
    for path in TRAVERSALS:
        targets = [f"/api/blobs/{key}/{path}", f"/api/runs/{path}", f"/api/runs/{key}/code?file={path}"]
        targets += [f"/api/runs/{key}/media?table={path}", f"/web/0/{path}"]
        for target in targets:
            reply = client.request(target)
            assert reply.status in (400, 404), target
            assert b"root:" not in reply.body
            assert b'"runfolio"' not in reply.body
    sha = client.get(f"/api/runs/{key}/media", step=40).json["items"][0]["entries"][0]["sha"]
    ranges = client.request(f"/api/blobs/{key}/{sha}", f"Range: bytes={','.join(['0-0'] * 10_000)}")
    assert ranges.status in (200, 400, 416, 431)

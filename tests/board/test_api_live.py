"""`/api/live`: the stream that tells browsers what changed, and the watcher behind it."""

from __future__ import annotations

import signal
from contextlib import closing
from itertools import pairwise

import pytest

import runfolio

from .http_client import Client, wait_for


@pytest.fixture
def client(changing_store, board_server):
    return Client(*board_server(changing_store).access).wait_for_scan()


def test_stream_begins_with_the_generation(reader):
    with closing(reader.events()) as events:
        event = next(events)
    assert event.kind == "changed"
    assert event.data == {"generation": reader.get("/api/store").json["generation"], "runs": "all"}


def test_browser_that_missed_nothing_is_told_so(reader):
    with closing(reader.events()) as events:
        event_id = next(events).id
    with closing(reader.events(f"Last-Event-ID: {event_id}")) as events:
        assert next(events).data["runs"] == []
    with closing(reader.events("Last-Event-ID: other-1")) as events:
        assert next(events).data["runs"] == "all"


def test_edit_is_announced_to_other_browsers(client):
    key, *_ = client.get("/api/runs").json["keys"]
    with closing(client.events()) as events:
        generation = next(events).data["generation"]
        client.post("/api/edits", {"runs": [key], "set": {"notes": "new"}})
        event = next(events)
    assert (event.kind, event.data["runs"]) == ("changed", [key])
    assert event.data["generation"] > generation


def test_new_points_of_a_live_run_are_announced(client, changing_store, live_run):
    key = f"{live_run(changing_store).row.key:016x}"
    with closing(client.events()) as events:
        points = (event for event in events if event.kind == "points")
        assert next(points).data == {key: True}


def test_live_run_has_progress_and_state(client, changing_store, live_run):
    key = f"{live_run(changing_store).row.key:016x}"
    wait_for(lambda: steps(client), "the live run")
    first = steps(client)
    assert first.keys() == {key}
    wait_for(lambda: steps(client)[key] > first[key], "more steps")


def steps(client: Client) -> dict[str, int]:
    """Return the step of each running run."""
    running = client.get("/api/store").json["running"]
    return {run["key"]: run["step"] for run in running if run["step"] is not None}


def test_new_run_is_seen(client, changing_store, live_run):
    total = client.get("/api/runs").json["total"]
    for name in ("first", "second"):
        live_run(changing_store, name=name)
    wait_for(lambda: client.get("/api/runs").json["total"] == total + 2, "the new runs")


def test_edit_by_another_program_is_seen(client, changing_store):
    run = runfolio.open(changing_store).runs(experiment="digits")[0]
    run.edits.rename("renamed elsewhere")
    wait_for(lambda: "renamed elsewhere" in client.get("/api/runs").json["fields"]["name"], "the new name")


def test_answers_are_sent_again_only_if_they_changed(client):
    first = client.get("/api/runs", experiment="digits")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/api/runs", tag, experiment="digits")
    assert (again.status, again.body) == (304, b"")
    key = first.json["keys"][0]
    client.post("/api/edits", {"runs": [key], "set": {"notes": "new"}})
    assert client.get("/api/runs", tag, experiment="digits").status == 200


def test_number_of_streams_is_bounded(board_store, board_server):
    client = Client(*board_server(board_store).access)
    streams = [client.events() for _ in range(64)]
    for stream in streams:
        next(stream)
    assert client.get("/api/live").status == 429
    for stream in streams:
        stream.close()


def test_server_stops_although_streams_are_open(board_store, board_server):
    board = board_server(board_store)
    client = Client(*board.access)
    with closing(client.events()) as events:
        next(events)
        board.process.send_signal(signal.SIGINT)
        assert board.process.wait(10) == 0


def test_browser_that_leaves_frees_its_stream(board_store, board_server):
    client = Client(*board_server(board_store).access)
    for _ in range(80):
        with closing(client.events()) as events:
            next(events)
    with closing(client.events()) as events:
        assert next(events).kind == "changed"


def test_reader_disturbs_no_writer(changing_store, board_server, live_run):
    board = board_server(changing_store)
    client = Client(*board.access).wait_for_scan()
    run = live_run(changing_store, pause_s=0.001)
    paths = ("/api/store", "/api/runs", "/api/columns", "/api/trash", "/api/runs?group=lr")
    for path in paths * 4:
        client.get(path)
    board.process.kill()
    board.process.wait()
    last = latest(changing_store, run.id)
    wait_for(lambda: latest(changing_store, run.id) > last, "points after the end of the board")
    recorded = runfolio.open(changing_store).run(run.id)
    assert recorded.state == "running"
    assert recorded.problems == ()
    steps = recorded.metric("train/loss").steps.tolist()
    assert all(later == earlier + 1 for earlier, later in pairwise(steps))


def latest(store, run_id: str) -> int:
    """Return the last step that a run recorded."""
    return runfolio.open(store).run(run_id).metrics["train/loss"].last_step

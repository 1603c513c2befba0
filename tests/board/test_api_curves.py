"""`/api/curves`: branches, forks, gaps, groups, new points, and answers to bad requests."""

from __future__ import annotations

import math
import time
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

import runfolio
from runfolio.board import branches
from runfolio.query.store import open_folio

from .columns_format import decode
from .http_client import Client, wait_for
from .run_client import RunClient


@pytest.fixture
def client(shared_board) -> Client:
    return Client(shared_board.url, shared_board.token)


class Answer:
    """Decoded answer."""

    def __init__(self, body: bytes) -> None:
        self.head, self.numbers = decode(body)
        self.lines: list[dict[str, Any]] = self.head["lines"]

    def column(self, line: dict[str, Any], name: str) -> np.ndarray:
        offset = line[name]
        return self.numbers[offset : offset + line["n"]]

    def labels(self) -> list[str]:
        return [f"{line['label']}{' (abandoned)' if line['abandoned'] else ''}" for line in self.lines]


def path(**parameters: Any) -> str:
    """Return the address of curves. Commas separate the parts of a list."""
    return f"/api/curves?{urlencode(parameters, safe=',')}"


def curves(client: Client, **parameters: Any) -> Answer:
    reply = client.get(path(**parameters))
    assert reply.status == 200, reply.body
    return Answer(reply.body)


def error(client: Client, **parameters: Any) -> dict[str, Any]:
    reply = client.get(path(**parameters))
    assert reply.status in (400, 404), reply.body
    return {"status": reply.status, **reply.error}


def key_of(client: Client, name: str) -> str:
    page = client.get("/api/runs", archived="1", limit=500).json
    return page["keys"][page["fields"]["name"].index(name)]


def test_answer_has_the_logged_points_bit_for_bit(client, board_store):
    run = open_folio(board_store).run("killed")
    answer = curves(client, metrics="train/loss,val/acc", runs=key_of(client, "killed"))
    loss, accuracy = answer.lines

    assert answer.column(loss, "x").tolist() == list(range(50))
    assert answer.column(loss, "y").tobytes() == run.metric("train/loss").values.tobytes()
    assert answer.column(accuracy, "y").tobytes() == run.metric("val/acc").values.tobytes()
    assert (loss["total"], loss["shown"], answer.head["x"]) == (50, 50, "step")


def test_abandoned_branch_comes_before_the_branch_that_was_kept(client):
    answer = curves(client, metrics="train/loss", runs=key_of(client, "resumed"))
    abandoned, kept = answer.lines

    assert answer.labels() == ["resumed (abandoned)", "resumed"]
    assert answer.column(abandoned, "x").tolist() == list(range(59, 100))
    assert answer.column(kept, "x").tolist() == list(range(200))
    assert kept["resumes"] == [59.0]
    assert answer.column(abandoned, "y")[0] == answer.column(kept, "y")[59]


def test_abandoned_branch_has_its_own_positions_in_time(client):
    answer = curves(client, metrics="train/loss", runs=key_of(client, "resumed"), x="time")
    abandoned, kept = answer.lines

    assert answer.head["unit"] == "s"
    assert answer.column(abandoned, "x")[0] == answer.column(kept, "x")[59]
    assert (np.diff(answer.column(abandoned, "x")) >= 0).all()


def test_fork_starts_on_the_curve_of_its_parent(client):
    parent, fork = key_of(client, "resumed"), key_of(client, "forked")
    answer = curves(client, metrics="train/loss", runs=f"{fork},{parent}")
    line = answer.lines[0]

    assert line["parent"] == parent
    assert answer.column(line, "x").tolist() == list(range(199, 300))


def test_fork_is_whole_if_its_parent_is_not_drawn(client):
    answer = curves(client, metrics="train/loss", runs=key_of(client, "forked"))
    (line,) = answer.lines

    assert line["parent"] is None
    assert line["n"] == 300
    assert line["resumes"] == [59.0, 199.0]


def test_nan_and_infinity_are_a_gap_with_a_mark(client):
    answer = curves(client, metrics="train/loss", runs=key_of(client, "not a number"))
    (line,) = answer.lines

    assert line["broken"] == [[80.0, 119.0]]
    assert np.isnan(answer.column(line, "y")).nonzero()[0].tolist() == list(range(80, 120))
    assert answer.head["notes"] == ["Marks at the bottom: NaN or infinite values."]


def test_groups_are_means_over_all_runs(client, board_store):
    answer = curves(client, metrics="val/acc", experiment="digits", group="-seed", spread="minmax")
    runs = open_folio(board_store).runs("digits", where="model = 'mlp' AND lr = 0.01")
    values = np.stack([run.metric("val/acc").values for run in runs])
    line = next(line for line in answer.lines if line["group"] == "model=mlp lr=0.01")

    np.testing.assert_allclose(answer.column(line, "y"), values.mean(axis=0))
    np.testing.assert_allclose(answer.column(line, "low"), values.min(axis=0))
    assert answer.column(line, "count").tolist() == [2, 2, 2]
    assert (line["run"], len(line["members"]), len(answer.lines)) == (None, 2, 4)


def test_filter_selects_the_best_runs(client):
    answer = curves(client, metrics="val/acc", experiment="digits", limit=3)
    best = [max(answer.column(line, "y")) for line in answer.lines]

    assert len(best) == 3
    assert best == sorted(best, reverse=True)
    assert answer.head["notes"][0] == "Drawn: 3 of 8 runs."


def test_run_without_the_metric_of_the_axis_is_left_out(client):
    answer = curves(client, metrics="train/loss", experiment="curves", x="epoch")

    assert "failed" not in answer.labels()
    assert answer.head["notes"][0].startswith("Left out: 1 run, since failed (")


def test_unknown_metric_is_a_note(client):
    answer = curves(client, metrics="train/los", experiment="curves")

    assert answer.lines == []
    assert "No run here has a metric 'train/los'; did you mean" in answer.head["notes"][0]


def test_unchanged_curves_are_not_sent_again(client):
    address = path(metrics="val/acc", experiment="digits")
    tag = client.get(address).headers["ETag"]

    assert client.get(address, {"If-None-Match": tag}).status == 304
    assert client.get(f"{address}&px=500", {"If-None-Match": tag}).status == 200


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "metrics is missing"),
        ({"metrics": "a", "px": "49"}, "px must be an integer from 50 to 8,000"),
        ({"metrics": "a", "smooth": "1"}, "smooth is 1"),
        ({"metrics": "a", "smooth": "nan"}, "smooth must be a number"),
        ({"metrics": "a", "from": "1e400"}, "from must be a number"),
        ({"metrics": "a", "from": "2", "to": "1"}, "from is 2, which is greater than to (1)"),
        ({"metrics": "a", "log": "z"}, "log cannot be 'z'"),
        ({"metrics": "a", "limit": "1001"}, "limit must be an integer from 1 to 1,000"),
        ({"metrics": ",".join(map(str, range(51)))}, "metrics has 51 parts"),
        ({"metrics": "a", "runs": "../../etc"}, "there is no run '../../etc'"),
        ({"metrics": "a", "runs": "0" * 16}, "there is no run 0000000000000000"),
        ({"metrics": "a", "where": "lr = "}, "expected a column"),
        ({"metrics": "a", "experiment": "nope"}, "no experiment 'nope'"),
        ({"metrics": "val/acc", "group": "nope"}, "nope"),
        ({"metrics": "a", "after": "1-2-00000000"}, "after has 1 cursor, but runs has 0"),
        ({"metrics": "a", "points": "1"}, "unknown parameter 'points'"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(client, parameters, text):
    assert text in error(client, **parameters)["what"]


def test_live_curve_is_extended_by_its_new_points(board_server, live_run, store):
    run = live_run(store, pause_s=0.01)
    board = board_server(store)
    client = Client(board.url, board.token).wait_for_scan()
    key = f"{run.row.key:016x}"
    wait_for(lambda: curves(client, metrics="train/loss,val/acc", runs=key).head["cursors"], "the run's points")
    parameters = {"metrics": "train/loss,val/acc", "runs": key}
    first = curves(client, **parameters)
    xs = [first.column(line, "x").tolist() for line in first.lines]
    cursor = first.head["cursors"][key]
    deadline = time.monotonic() + 30
    while len(xs[0]) < first.lines[0]["n"] + 20:
        assert time.monotonic() < deadline
        new = curves(client, after=cursor, **parameters)
        cursor = new.head["cursors"][key]
        assert new.head["reset"] is False
        for line in new.lines:
            xs[0 if line["metric"] == "train/loss" else 1] += new.column(line, "x").tolist()

    assert xs[0] == list(range(len(xs[0])))
    assert xs[1] == list(range(len(xs[1])))


@pytest.mark.parametrize("cursor", ["nonsense", "1-999999-00000000", "2-10-00000000", "1-10-00000000.", "é"])
def test_unusable_cursor_asks_for_all_points(client, cursor):
    new = curves(client, metrics="train/loss", runs=key_of(client, "killed"), after=cursor)

    assert new.head["reset"] is True
    assert new.lines == []


def test_empty_cursor_gives_all_points(client):
    new = curves(client, metrics="train/loss", runs=key_of(client, "killed"), after="")

    assert (new.head["reset"], new.lines[0]["n"]) == (False, 50)


def test_resumed_run_asks_for_all_points(changing_store, board_server):
    board = board_server(changing_store)
    client = Client(board.url, board.token).wait_for_scan()
    key = key_of(client, "resumed")
    cursor = curves(client, metrics="train/loss", runs=key).head["cursors"][key]
    with runfolio.resume(open_folio(changing_store).run("resumed"), store=changing_store) as run:
        run.log({"train/loss": 0.5}, step=200)

    assert curves(client, metrics="train/loss", runs=key, after=cursor).head["reset"] is True
    again = curves(client, metrics="train/loss", runs=key)
    assert again.lines[-1]["n"] == 201
    assert again.lines[-1]["resumes"] == [59.0, 199.0]


def test_long_curve_is_thinned_while_it_is_read_and_keeps_its_spikes(store, monkeypatch):
    monkeypatch.setattr(branches, "LONG", 5_000)
    monkeypatch.setattr(branches, "_KEPT", 2_000)
    with runfolio.init("long", store=store) as run:
        for step in range(10_000):
            run.log({"loss": 100.0 if step == 7_777 else math.nan if step == 5_001 else step % 7}, step=step)
    client = RunClient(store)
    answer = Answer(client.get("/api/curves", metrics="loss", runs=client.key("long"), px=50).content)
    (line,) = answer.lines
    x, y = answer.column(line, "x"), answer.column(line, "y")
    assert line["total"] == 10_000
    assert line["within"] <= 2_500
    assert x[np.nanargmax(y)] == 7_777
    assert (x[0], x[-1]) == (0, 9_999)
    assert line["broken"] == [[5_001.0, 5_001.0]]
    assert "Long curves are thinned" in answer.head["notes"][0]

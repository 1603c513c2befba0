"""`/api/figure.*`: figures, CSV values, and the command that draws the same figure."""

from __future__ import annotations

import csv
import io
import re
import shlex
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image

from runfolio.query.plots.style import COLOURS, OTHERS
from runfolio.query.store import open_folio

from .http_client import Client, Reply


@pytest.fixture
def client(shared_board) -> Client:
    return Client(shared_board.url, shared_board.token)


def figure(client: Client, ending: str, **parameters: Any) -> Reply:
    reply = client.get(f"/api/figure.{ending}?{urlencode(parameters, safe=',')}")
    assert reply.status == 200, reply.body
    return reply


def rows(client: Client, **parameters: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(figure(client, "csv", **parameters).body.decode())))


def test_svg_has_the_lines_limits_and_colours_of_the_page(client):
    reply = figure(
        client,
        "svg",
        metrics="train/loss,val/loss",
        experiment="curves",
        where="name IN ('killed', 'resumed')",
        smooth="0.5",
        colours="4,2",
        ylim="0.25,1.5",
        title="Two <runs>",
    )
    svg = reply.body.decode()
    texts = re.findall(r">([^<>]+)</text>", svg)

    assert reply.headers["Content-Type"] == "image/svg+xml"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="curves-loss.svg"'
    legend = [text.split() for text in texts if text.startswith(("killed", "resumed"))]
    assert [words[0] for words in legend] == ["resumed", "resumed", "killed", "killed"]
    assert "Two &lt;runs&gt;" in texts
    ticks = [float(text) for text in texts if "." in text and text.replace(".", "").isdigit()]
    assert 0.25 <= min(ticks) < max(ticks) <= 1.5
    assert "Smoothed by 0.5." in texts
    assert set(re.findall("|".join(COLOURS), svg.upper())) == {COLOURS[4], COLOURS[2]}


def test_grey_runs_have_no_entry_in_the_legend(client):
    svg = figure(client, "svg", metrics="train/loss", experiment="curves", colours="0,-1,-1,-1,-1", ylim="0,").body

    assert svg.decode().upper().count(OTHERS) >= 4
    assert len(re.findall(r">(?:forked|resumed|killed|failed|not a number) [^<]*</text>", svg.decode())) == 1


@pytest.mark.parametrize(("ending", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_figures_have_the_requested_size(client, ending, start):
    reply = figure(client, ending, metrics="val/acc", experiment="digits", group="-seed", width=400, height=300)

    assert reply.body.startswith(start)
    if ending == "png":
        with Image.open(io.BytesIO(reply.body)) as picture:
            assert picture.size == (625, 468)


def test_csv_has_each_visible_point_with_its_smoothed_value(client, board_store):
    values = rows(client, metrics="train/loss", experiment="curves", where="name = 'killed'", smooth="0.5", to=9)
    logged = open_folio(board_store).run("killed").metric("train/loss").values

    assert [row["step"] for row in values] == [str(step) for step in range(10)]
    assert [float(row["value"]) for row in values] == logged[:10].tolist()
    assert float(values[1]["smoothed"]) == pytest.approx((0.5 * logged[0] + logged[1]) / 1.5)
    assert {row["name"] for row in values} == {"killed"}


def test_csv_of_groups_has_mean_and_band(client):
    values = rows(client, metrics="val/acc", experiment="digits", group="model", spread="std")

    assert list(values[0]) == ["group", "metric", "epoch", "mean", "low", "high", "runs"]
    assert {row["group"] for row in values} == {"model=mlp", "model=tinyvgg"}
    assert {row["runs"] for row in values} == {"4"}


def test_cells_of_csv_are_never_formulas(client):
    page = client.get("/api/runs?experiment=naughty&limit=500").json
    other = client.get(f"/api/runs?{urlencode({'experiment': '<script>alert(1)</script>'})}").json
    keys = ",".join([*page["keys"], *other["keys"]])
    names = {row["name"] for row in rows(client, metrics="val/acc", runs=keys)}

    assert '\'=HYPERLINK("http://example.org")' in names
    assert "\\u202ereversed\\u2066 isolated" in names
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names)


def test_command_draws_the_same_figure(client, board_store, fresh_python, tmp_path):
    reply = figure(
        client,
        "txt",
        metrics="train/loss,val/loss",
        experiment="curves",
        where="name IN ('killed', 'resumed')",
        smooth="0.5",
        ylim="0.25,1.5",
        **{"from": 10, "to": 40},
    )
    command = shlex.split(reply.body.decode())
    folio = open_folio(board_store)

    assert command[:6] == [
        *("runfolio", "plot", "train/loss", "val/loss"),
        *(folio.run("resumed").id, folio.run("killed").id),
    ]
    done = fresh_python("import sys; from runfolio.cli import main; sys.argv[0] = 'runfolio'; main()", *command[1:])
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / "curves.svg").read_text()
    assert [text for text in re.findall(r">([^<>]+)</text>", svg) if text in ("0.25", "1.50", "10", "40")]


@pytest.mark.parametrize(
    ("ending", "parameters", "status", "text"),
    [
        ("gif", {"metrics": "a"}, 404, "there is no such figure"),
        ("svg", {"metrics": "a", "ylim": "a,b"}, 400, "ylim must be two numbers"),
        ("svg", {"metrics": "a", "ylim": "1,2,3"}, 400, "ylim must be two numbers"),
        ("svg", {"metrics": "a", "ylim": "2,1"}, 400, "the limits of ylim are 2 and 1"),
        ("svg", {"metrics": "a", "colours": "-2"}, 400, "colours must be integers"),
        ("png", {"metrics": "a", "width": "100000"}, 400, "width must be an integer from 200 to 4,000"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(client, ending, parameters, status, text):
    reply = client.get(f"/api/figure.{ending}?{urlencode(parameters)}")

    assert reply.status == status
    assert text in reply.error["what"]


def test_figure_without_values_says_so(client):
    svg = figure(client, "svg", metrics="nope", experiment="curves").body.decode()

    assert "no finite value" in svg
    assert "No run here has a metric 'nope'" in svg

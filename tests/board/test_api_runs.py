"""`/api/store`, `/api/runs` and `/api/columns`: the store, the table of runs with its sentence, and its columns."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.store_generator import Shape, generate

import runfolio

from .http_client import Client


def text(sentence: list[list]) -> str:
    return "".join(part for part, _ in sentence)


def test_store_lists_experiments_and_ended_runs(reader):
    store = reader.get("/api/store").json
    assert {"digits", "curves", "media"} <= {experiment["name"] for experiment in store["experiments"]}
    assert {"failed", "killed"} <= {run["name"] for run in store["ended"]}
    assert all(run["ended"] is not None for run in store["ended"])
    assert len(store["problems"]) == 1
    assert store["read_only"] is False


def test_table_is_best_first(reader):
    page = reader.get("/api/runs", experiment="digits").json
    values = page["fields"]["value"]
    assert page["total"] == len(page["keys"]) == 8
    assert page["metric"] == "val/acc"
    assert values == sorted(values, reverse=True)
    assert page["fields"]["rank"] == list(range(1, 9))
    assert text(page["sentence"]).startswith(page["fields"]["label"][0])
    assert page["band"] == [page["fields"]["low"][0], page["fields"]["high"][0]]
    assert page["axis"][0] <= min(page["fields"]["low"]) <= max(page["fields"]["high"]) <= page["axis"][1]


def test_sentence_names_running_and_failed_runs(reader):
    page = reader.get("/api/runs", experiment="curves").json
    assert text(page["sentence"]).endswith("One run failed, one crashed.")


def test_default_columns_are_the_settings_that_vary(reader):
    names = [column["name"] for column in reader.get("/api/runs", experiment="digits").json["columns"]]
    assert {"params.lr", "params.model", "params.seed"} <= set(names)
    assert "params.epochs" not in names


@pytest.mark.parametrize(
    ("column", "expected"),
    [("val/loss.min", "min"), ("val/loss.max", "max"), ("train/loss.count", "max"), ("params.lr", "min")],
)
def test_table_is_sorted_by_any_column(reader, column, expected):
    sort = column if expected == "min" else f"-{column}"
    page = reader.get("/api/runs", experiment="digits", sort=sort, columns=column).json
    (values,) = page["values"]
    assert values == sorted(values, reverse=expected == "max")
    assert page["columns"][0]["kind"] == "number"


def test_runs_without_a_value_come_last_in_both_orders(reader):
    for sort in ("val/acc.max", "-val/acc.max"):
        (values,) = reader.get("/api/runs", sort=sort, columns="val/acc.max", limit="500").json["values"]
        present = [value is not None for value in values]
        assert present == sorted(present, reverse=True)
        assert not all(present)


def test_pages_follow_each_other(reader):
    whole = reader.get("/api/runs", limit="500").json["keys"]
    parts = [reader.get("/api/runs", limit="5", offset=str(offset)).json["keys"] for offset in range(0, len(whole), 5)]
    assert [key for part in parts for key in part] == whole
    assert reader.get("/api/runs", limit="0").json["total"] == len(whole)


def test_archived_runs_are_shown_on_request(reader):
    shown = reader.get("/api/runs", experiment="curves").json["fields"]["name"]
    every = reader.get("/api/runs", experiment="curves", archived="1").json["fields"]["name"]
    assert set(every) - set(shown) == {"archived"}


def test_numbers_that_json_lacks_are_strings(reader):
    page = reader.get("/api/runs", where="name = 'not a number'", columns="train/loss.max").json
    assert page["values"] == [["Infinity"]]


def test_sparklines_are_64_numbers(reader):
    sparks = reader.get("/api/runs", experiment="digits").json["sparks"]
    outlines = [np.frombuffer(base64.b64decode(spark), "<f4") for spark in sparks if spark]
    assert len(outlines) == 8
    assert {len(outline) for outline in outlines} == {64}


@pytest.mark.parametrize("group", ["model,lr", "-seed"])
def test_groups_have_statistics_and_a_filter_for_their_runs(reader, group):
    page = reader.get("/api/runs", experiment="digits", group=group, where="lr > 0").json
    assert page["total"] == len(page["groups"]) == 4
    means = [entry["mean"] for entry in page["groups"]]
    assert means == sorted(means, reverse=True)
    for entry in page["groups"]:
        assert entry["n"] == 2
        assert entry["low"] <= entry["lowest"] <= entry["mean"] <= entry["highest"] <= entry["high"]
        runs = reader.get("/api/runs", experiment="digits", where=entry["where"]).json
        assert sorted(runs["keys"]) == sorted(entry["keys"])


def test_columns_describe_their_values(reader):
    columns = {column["name"]: column for column in reader.get("/api/columns", experiment="digits").json["columns"]}
    assert columns["params.model"]["values"] == [["mlp", 4], ["tinyvgg", 4]]
    assert columns["params.model"]["varies"]
    assert not columns["params.epochs"]["varies"]
    assert (columns["params.lr"]["low"], columns["params.lr"]["high"]) == (0.001, 0.01)
    assert columns["val/acc"]["quantity"] == columns["train/acc"]["quantity"] == "acc"
    assert (columns["val/acc"]["split"], columns["val/acc"]["mode"]) == ("validation", "max")
    assert columns["state"]["values"] == [["finished", 8]]
    assert not [name for name in columns if name.startswith("system/")]


def test_filter_accepts_the_spelling_of_every_column(reader):
    columns = reader.get("/api/columns", archived="1").json["columns"]
    for column in columns[::3]:
        reply = reader.get("/api/runs", archived="1", limit="0", where=f"{column['filter']} IS NOT NULL")
        assert (reply.status, column["filter"]) == (200, column["filter"])


def _groups_by_model(store: Path) -> list[tuple[str, int]]:
    groups = runfolio.open(store).groups("model", "val/acc")
    return [(group.values["model"], group.runs) for group in groups]


def _record(store: Path, name: str, losses: list[float], error: str = "", **config: float) -> None:
    with runfolio.init(name, experiment="e", config=config, store=store) as run:
        for step, loss in enumerate(losses):
            run.log({"val/loss": loss, "val/acc": 1 - loss if math.isfinite(loss) else 0.5}, step=step)
        if error:
            run.finish("failed", error)


def test_run_whose_loss_ended_as_nan_is_marked(store, board_server):
    _record(store, "sound", [0.5, 0.4])
    _record(store, "diverged", [0.5, 0.3, math.nan])
    page = Client(*board_server(store).access).wait_for_scan().get("/api/runs", metric="val/acc").json
    assert page["fields"]["name"] == ["diverged", "sound"]
    assert page["fields"]["mark"] == ["*", ""]
    assert "A loss of this run ended as NaN or infinite." in text(page["sentence"])


def test_group_with_only_failed_runs_comes_last_without_a_value(store, board_server):
    for seed in range(3):
        _record(store, "good", [0.3 + seed / 100], lr=0.1, seed=seed)
        _record(store, "equal", [0.301 + seed / 100], lr=0.2, seed=seed)
        _record(store, "bad", [0.9], "exploded", lr=1.0, seed=seed)
    page = Client(*board_server(store).access).wait_for_scan().get("/api/runs", group="-seed", metric="val/loss").json
    shown = [(group["label"], group["n"], group["mark"], group["ended_text"]) for group in page["groups"]]
    assert shown == [("lr=0.1", 3, "", ""), ("lr=0.2", 3, "=", ""), ("lr=1", 0, "", "3 failed")]
    assert "One group has no result. Three runs failed." in text(page["sentence"])
    assert not [note for note in page["notes"] if "--" in note]


def test_more_than_a_thousand_runs_are_sorted_but_not_compared(store, board_server):
    generate(store, 1_050, Shape(settings=3, metrics=4, points=3))
    client = Client(*board_server(store).access).wait_for_scan()
    page = client.get("/api/runs", limit="500").json
    sound = [state not in ("failed", "crashed") for state in page["fields"]["state"]]
    values = page["fields"]["value"]
    assert page["total"] == 1_050
    assert values == sorted(values, reverse=page["mode"] == "max")
    assert all(sound)
    assert set(page["fields"]["mark"]) == {""}
    assert "1,000 runs" in page["notes"][0]
    assert text(page["sentence"]).startswith(page["fields"]["name"][0])
    assert "1,000 runs" in text(page["sentence"])
    reply = client.get("/api/runs", group="model").json
    groups = reply["groups"]
    assert [(group["values"]["model"], group["n"]) for group in groups] == _groups_by_model(store)
    assert any(group["mark"] for group in groups)
    assert text(reply["sentence"]).startswith(f"{groups[0]['label']} leads with a mean")
    assert client.get("/api/runs", group="-seed").json["total"] > 100
    narrow = client.get("/api/runs", where=groups[0]["where"]).json
    assert narrow["total"] >= groups[0]["n"]

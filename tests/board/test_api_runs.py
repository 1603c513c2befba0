"""`/api/store` and `/api/runs`: the store, and the table of runs with its sentence."""

from __future__ import annotations


def text(sentence: list[list]) -> str:
    return "".join(part for part, _ in sentence)


def test_store_lists_experiments_and_ended_runs(reader):
    store = reader.get("/api/store").json
    assert {"digits", "curves", "media"} <= {experiment["name"] for experiment in store["experiments"]}
    assert {"failed", "killed"} <= {run["name"] for run in store["ended"]}
    assert store["read_only"] is False


def test_table_is_best_first(reader):
    page = reader.get("/api/runs", experiment="digits").json
    values = page["fields"]["value"]
    assert page["total"] == len(page["keys"]) == 8
    assert page["metric"] == "val/acc"
    assert values == sorted(values, reverse=True)
    assert page["fields"]["rank"] == list(range(1, 9))
    assert text(page["sentence"]).startswith(page["fields"]["label"][0])

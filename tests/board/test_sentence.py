"""Sentence about the best run, in words that a newcomer understands."""

from __future__ import annotations

from typing import Any

from runfolio.board.sentence import GroupLead, Lead, describe_groups, describe_lead


def sentence(states: dict[str, int] | None = None, **changes: Any) -> str:
    lead: dict[str, Any] = {
        "name": "tinyvgg-10ep",
        "metric": "val/acc",
        "mode": "max",
        "value": 0.9791,
        "images": 360,
        "others": 7,
        "tied": 4,
        "second": ("mlp", 0.9705),
    }
    return "".join(text for text, _ in describe_lead(Lead(**{**lead, **changes}), states or {}))


def group_sentence(**changes: Any) -> str:
    lead: dict[str, Any] = {
        "name": "lr=0.1",
        "metric": "val/acc",
        "mean": 0.9054,
        "half": 0.0088,
        "runs": 4,
        "others": 5,
        "compared": 5,
        "tied": 2,
        "empty": 0,
    }
    return "".join(text for text, _ in describe_groups(GroupLead(**{**lead, **changes}), {}))


def test_groups_that_equal_the_best_are_counted():
    start = "lr=0.1 leads with a mean val/acc of 0.9054 ± 0.0088 over 4 runs"
    assert group_sentence() == f"{start}, but 2 of the 5 other groups cannot be distinguished from it."
    assert group_sentence(tied=5) == f"{start}, but none of the 5 other groups can be distinguished from it."
    assert group_sentence(tied=0, compared=3).endswith(
        "each of the 3 other groups with several runs is more than chance."
    )
    assert group_sentence(others=0, compared=0, tied=0, empty=2) == f"{start}. Two groups have no result."


def test_group_of_one_run_is_not_compared():
    text = group_sentence(half=None, runs=1, compared=0, tied=0)
    assert text == (
        "lr=0.1 leads with a mean val/acc of 0.9054 over one run. Without repeated runs, it cannot be compared with the"
        " other groups."
    )


def test_runs_that_equal_the_best_are_counted():
    assert sentence({"running": 1, "failed": 1}) == (
        "tinyvgg-10ep leads with 0.979 on 360 validation images, but 4 of the 7 others cannot be distinguished from it."
        " One run is training, one failed."
    )


def test_clear_lead_is_more_than_chance():
    end = ", and the difference to each of the 7 others is more than chance."
    assert sentence(tied=0) == f"tinyvgg-10ep leads with 0.979 on 360 validation images{end}"


def test_lead_over_equals_is_none():
    assert sentence(tied=7).endswith(", but none of the 7 others can be distinguished from it.")
    assert sentence(tied=1, others=1).endswith(", but the other run cannot be distinguished from it.")


def test_lead_without_images_is_a_difference():
    loss = sentence(metric="val/loss", mode="min", value=0.21341, images=None, second=("mlp", 0.2261))
    assert loss == "tinyvgg-10ep leads with val/loss 0.2134, 0.013 below mlp."


def test_only_run_is_not_compared():
    assert sentence(others=0, tied=0, second=None) == "tinyvgg-10ep leads with 0.979 on 360 validation images."


def test_runs_without_a_result_are_described_by_their_states():
    words = describe_lead(None, {"failed": 2, "running": 12})
    text = "".join(part for part, _ in words)
    assert text == "No run has logged a result yet. 12 runs are training, two failed."
    assert describe_lead(None, {}) == []


def test_name_and_values_are_emphasised():
    lead = Lead(name="a", metric="val/acc", mode="max", value=0.5, images=10, others=0, tied=0, second=None)
    assert [text for text, is_strong in describe_lead(lead, {}) if is_strong] == ["a", "0.500"]

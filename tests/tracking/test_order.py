"""Order of batches: shuffled in each epoch, equal everywhere, and reproducible at any step."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from runfolio import BatchOrder, ConfigError


@given(
    length=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    drop_last=st.booleans(),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_order_resumed_at_any_step_equals_the_uninterrupted_one(
    length: int, batch_size: int, drop_last: bool, seed: int, data: st.DataObject
):
    batch_size = min(batch_size, length)
    order = BatchOrder(length, batch_size, seed=seed, drop_last=drop_last)
    whole = [batch for _ in range(3) for batch in order]
    assert len(whole) == 3 * len(order)

    step = data.draw(st.integers(0, len(whole) - 1))
    order.at(step)
    rest: list[list[int]] = []
    while step + len(rest) < len(whole):
        rest.extend(order)
    assert rest == whole[step:]


def test_epoch_has_every_index_once_in_another_order_than_the_last():
    order = BatchOrder(100, 30, seed=1)
    first, second = list(order), list(order)
    assert [len(batch) for batch in first] == [30, 30, 30, 10]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(100))
    assert first != second
    assert [len(batch) for batch in BatchOrder(100, 30, seed=1, drop_last=True)] == [30, 30, 30]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_data_loader_accepts_an_order_with_any_number_of_workers(workers: int, persistent: bool):
    order = BatchOrder(10, 4, seed=5)
    expected = [batch for _ in range(3) for batch in order]
    order.at(2)
    loader = DataLoader(
        TensorDataset(torch.arange(10)),
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        generator=torch.Generator(),
    )
    assert len(loader) == 3
    seen = [batch.tolist() for _ in range(3) for (batch,) in loader]
    assert seen == expected[2:]


def test_invalid_order_is_refused():
    with pytest.raises(ConfigError, match="0 items are fewer than one batch of 4"):
        BatchOrder(0, 4, seed=1)
    with pytest.raises(ConfigError, match="3 items are fewer than one batch of 4"):
        BatchOrder(3, 4, seed=1, drop_last=True)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        BatchOrder(3, 0, seed=1)
    with pytest.raises(ConfigError, match="seed is -1; it must be between 0 and 4294967295"):
        BatchOrder(3, 1, seed=-1)
    with pytest.raises(ConfigError, match="step is -1"):
        BatchOrder(3, 1, seed=1).at(-1)

"""Random order of the training data. The order depends only on the seed and the epoch, so training can continue at any
position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from runfolio.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_SEED = 2**32 - 1


def epoch_order(length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the indices 0 to `length` - 1 in the order of the epoch `epoch`, counted from 0."""
    import numpy as np

    return np.random.RandomState([seed, epoch]).permutation(length)


class BatchOrder:
    """Batch sampler for torch's DataLoader. It yields shuffled batches of indices and can continue at any step.

    Each iteration yields one epoch in a new order. After a call to `at`, the next iteration yields only the rest of the
    epoch. The order is the same on every machine and with any number of workers. It does not depend on other random
    numbers. Also pass `generator=torch.Generator()` to the DataLoader. Otherwise each iteration of the DataLoader draws
    a number from torch's global generator.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int, drop_last: bool = False) -> None:
        """Create a batch sampler.

        Args:
            length: Number of items in the data.
            drop_last: Omit the last batch of an epoch if it is incomplete.
        Raises:
            ConfigError: The data has fewer items than one batch, or the seed is not between 0 and 2^32 - 1.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        if not 0 <= seed <= LARGEST_SEED:
            raise ConfigError(f"seed is {seed}; it must be between 0 and {LARGEST_SEED}")
        self._length, self._batch_size, self._seed = length, batch_size, seed
        self._batches = length // batch_size if drop_last else -(-length // batch_size)
        if self._batches < 1:
            raise ConfigError(
                f"{length} items are fewer than one batch of {batch_size}; use more data or a smaller batch_size"
            )
        self._epoch, self._begin = 0, 0

    def at(self, step: int) -> Self:
        """Start the next iteration after `step` batches, counted from the first batch of the first epoch.

        Raises:
            ConfigError: `step` is negative.
        """
        if step < 0:
            raise ConfigError(f"step is {step}; it is the number of batches done, and cannot be negative")
        self._epoch, self._begin = divmod(step, self._batches)
        return self

    def __len__(self) -> int:
        """Return the number of batches in a full epoch."""
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        # The order is drawn only when the first batch is requested, because a DataLoader with workers starts its first
        # iteration twice.
        epoch, begin = self._epoch, self._begin
        self._epoch, self._begin = epoch + 1, 0
        order = epoch_order(self._length, self._seed, epoch)
        for batch in range(begin, self._batches):
            yield order[batch * self._batch_size : (batch + 1) * self._batch_size].tolist()

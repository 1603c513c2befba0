"""The order in which a training sees its data, drawn from (seed, epoch) alone: any place in it is found at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from runfolio.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_SEED = 2**32 - 1


def epoch_order(length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The places 0 to `length` - 1 in the order of one epoch, counted from 0."""
    import numpy as np

    return np.random.RandomState([seed, epoch]).permutation(length)


class BatchOrder:
    """Shuffled batches of places: a `batch_sampler` for torch's DataLoader that goes on at any step.

    Each iteration is an epoch, in a new order, or the rest of one where `at` says so; the next one goes on with the
    epoch after it. The order is the same on every machine, for any number of workers, and whatever else draws random
    numbers. Give the DataLoader a `generator=torch.Generator()` of its own as well: it would else draw from the
    global one whenever an iteration begins.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int, drop_last: bool = False) -> None:
        """Args:
            length: How many items the data has.
            drop_last: Leave the last batch of an epoch out where it is smaller.
        Raises:
            ConfigError: There is not one batch, or the seed is not between 0 and 2^32 - 1.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        if not 0 <= seed <= LARGEST_SEED:
            raise ConfigError(f"seed is {seed}; it must be between 0 and {LARGEST_SEED}")
        self._length, self._batch_size, self._seed = length, batch_size, seed
        self._batches = length // batch_size if drop_last else -(-length // batch_size)
        if self._batches < 1:
            raise ConfigError(f"{length} items make no batch of {batch_size}; give more data or a smaller batch_size")
        self._epoch, self._begin = 0, 0

    def at(self, step: int) -> Self:
        """Begin the next iteration behind `step` batches, counted from the training's first.

        Raises:
            ConfigError: `step` is negative.
        """
        if step < 0:
            raise ConfigError(f"step is {step}; it counts the batches done, and cannot be negative")
        self._epoch, self._begin = divmod(step, self._batches)
        return self

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        # Not before the first batch is asked for: a DataLoader with workers begins its first iteration twice.
        epoch, begin = self._epoch, self._begin
        self._epoch, self._begin = epoch + 1, 0
        order = epoch_order(self._length, self._seed, epoch)
        for batch in range(begin, self._batches):
            yield order[batch * self._batch_size : (batch + 1) * self._batch_size].tolist()

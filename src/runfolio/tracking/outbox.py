"""Where parcels wait between the thread that encodes them and the one that brings them to the store."""

from __future__ import annotations

from collections import deque

from runfolio.tracking.encoder import Medium, Parcel, Points


class Outbox:
    """What is encoded and not in the store yet. One thread puts, one takes; both may ask."""

    def __init__(self) -> None:
        self._parcels: deque[tuple[int, Parcel]] = deque()
        self._put = 0
        self._taken = 0
        self._stretch = 0

    @property
    def waiting_bytes(self) -> int:
        return self._put - self._taken

    def put(self, parcel: Parcel) -> None:
        self._parcels.append((self._stretch, parcel))
        self._put += parcel.size

    def leave_gap(self) -> None:
        """What is put from now on does not follow what was put before: calls in between are elsewhere, or lost.

        It then goes to a new tail, for a tail lacks no call between its first and its last.
        """
        self._stretch += 1

    def front(self, most_bytes: int) -> tuple[int, list[Parcel]]:
        """What may be written in one go: a medium, or points of one stretch, with its number. Empty, it has nothing."""
        found: list[Parcel] = []
        size, stretch = 0, 0
        for of, parcel in self._parcels.copy():
            if found and (of != stretch or size > most_bytes or not isinstance(parcel, Points)):
                break
            stretch = of
            size += parcel.size
            found.append(parcel)
            if isinstance(parcel, Medium):
                break
        return stretch, found

    def drop(self, parcels: int) -> None:
        """Forget those in front: the store has them."""
        for _ in range(parcels):
            self._taken += self._parcels.popleft()[1].size

    def rest(self) -> list[Parcel]:
        """All that is still waiting."""
        return [parcel for _, parcel in self._parcels.copy()]

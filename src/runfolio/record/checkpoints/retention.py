"""Retention of checkpoints: which ones a run keeps, with their names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.base import files
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import BEST, LAST, PREVIOUS, Checkpoint, Manifest, Snapshot

Mode = Literal["max", "min"]
STEP = "step-"
"""Prefix of the names of permanent checkpoints."""
_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """Policy of when `run.checkpoint` saves, and which checkpoints are kept.

    Each call saves by default. With `every_steps` or `every_minutes`, a call saves when it is due, if it has a metric,
    or if the process was asked to stop.
    """

    every_steps: int | None = None
    """A call is due if its step has reached the next multiple of this; without steps, calls are counted."""
    every_minutes: float | None = None
    """Minutes after the previous checkpoint at which a call is due."""
    keep_best: int = 1
    """Number of checkpoints kept by their metric: `best`, `best-2`, `best-3` ..."""
    keep_every: int | None = None
    """Interval of steps at which one checkpoint is kept permanently, as `step-<step>`."""
    budget_mb: float | None = None
    """Total limit in megabytes (of 1,000,000 bytes). Checkpoints are removed in this order: the oldest `step-...`, the
    worst of the best except `best`, then `previous`; `last` and `best` stay."""

    def __post_init__(self) -> None:
        for name in ("every_steps", "every_minutes", "keep_best", "keep_every", "budget_mb"):
            value = getattr(self, name)
            least = 1 if name in ("every_steps", "keep_best", "keep_every") else 0
            if value is not None and not (value >= least and value > 0):
                raise ConfigError(f"{name} is {value}; it must be {'at least 1' if least else 'above 0'}")


def is_better(value: float, than: float | None, mode: Mode) -> bool:
    """Return whether a metric's value is better than another one; NaN never is, every number is better than None."""
    if value != value:
        return False
    return than is None or (value > than if mode == "max" else value < than)


def step_name(step: int) -> str:
    """Return the name of a permanent checkpoint."""
    return f"{STEP}{step}"


class CheckpointRetention:
    """Checkpoints of a run, managed by its only writer. Not thread-safe."""

    def __init__(
        self, folder: Path, policy: CheckpointPolicy, resumed: Checkpoint | None, last_seqs: Mapping[str, float]
    ) -> None:
        """Read the existing checkpoints.

        Args:
            resumed: Checkpoint that the run continues from.
            last_seqs: Last seq of each writer on the branch; later checkpoints belong to an abandoned branch.
        """
        self._folder = folder
        self._policy = policy
        self._last_seqs = last_seqs
        self._last: Manifest | None = None
        self._best: list[Manifest] = []
        """Best checkpoints, best first."""
        self._named_best: dict[str, Manifest] = {}
        """Manifests of `best`, `best-2` ... on the disk."""
        self._sizes: dict[str, dict[str, int]] = {}
        """Sizes in bytes of the tensor files, by checkpoint."""
        self._is_current = True
        """True if these fields match the disk; False after a failed save, which may have renamed some checkpoints."""
        self._read_names()
        if resumed is not None:
            self._last = manifests.manifest_of(folder, resumed.name)
        elif LAST in self._sizes:
            self._last = manifests.manifest_of(folder, LAST)

    def _read_names(self) -> None:
        manifest_by_name: dict[str, Manifest] = {}
        for name in manifests.names(self._folder):
            with contextlib.suppress(RunfolioError):  # damaged; replaced when its name is used again
                manifest_by_name[name] = manifests.manifest_of(self._folder, name)
        self._sizes = {name: _sizes(manifest) for name, manifest in manifest_by_name.items()}
        self._named_best = {
            name: manifest for name, manifest in manifest_by_name.items() if _best_rank(name) is not None
        }
        self._best = []
        for name in sorted(self._named_best, key=_best_rank_or_first):
            manifest = self._named_best[name]
            is_on_branch = all(seq <= self._last_seqs.get(writer, 0) for writer, seq in manifest["position"].items())
            # If a process was killed while renaming, one checkpoint has two names.
            if is_on_branch and _metric(manifest) is not None and manifest not in self._best:
                self._best.append(manifest)

    @property
    def best(self) -> float | None:
        """Metric of the best checkpoint."""
        return _metric(self._best[0]) if self._best else None

    @property
    def last_kept_step(self) -> int:
        """Last step with a permanent checkpoint; 0 if there is none."""
        return max((_step(name) or 0 for name in self._sizes), default=0)

    def save(
        self,
        stem: str,
        snapshot: Snapshot,
        about: Mapping[str, Any],
        *,
        mode: Mode,
        permanent_name: str | None,
        is_ours: Callable[[], bool],
    ) -> list[str]:
        """Save a checkpoint as `last` and under its other names; see `manifests.save`.

        Args:
            mode: Whether a higher or a lower metric is better.
            permanent_name: Additional name under which it is kept permanently.
        Returns:
            Names that were removed for the budget.
        Raises:
            OSError: As in `manifests.save`.
        """
        if not self._is_current:
            self._read_names()
        best, rank = self._insert_by_metric(about["metric"], mode)
        names = [permanent_name] if permanent_name else []
        renamed: dict[str, Manifest] = {}
        # From the end: if the process is killed in between, a checkpoint has two names rather than none.
        for index, other in reversed(list(enumerate(best))):
            if index == rank:
                names.append(_best_name(index))
            elif other is not self._named_best.get(_best_name(index)):
                renamed[_best_name(index)] = other
        if self._last is not None:
            renamed[PREVIOUS] = self._last
        names.append(LAST)
        self._is_current = False
        manifest = manifests.save(self._folder, names, stem, snapshot, about, renamed=renamed, is_ours=is_ours)
        self._is_current = True
        if manifest is None:
            return []
        self._last = manifest
        self._sizes |= {name: _sizes(content) for name, content in renamed.items()} | dict.fromkeys(
            names, _sizes(manifest)
        )
        surplus: list[str] = []
        if rank is not None:
            best[rank] = manifest
            self._best = best
            surplus = [
                name for name in self._named_best if (index := _best_rank(name)) is not None and index >= len(best)
            ]
            self._named_best = {_best_name(index): other for index, other in enumerate(best)}
        over_budget = self._names_over_budget()
        if over_budget or surplus:
            for name in (*over_budget, *surplus):
                self._drop(name)
            with contextlib.suppress(OSError):  # the next save removes or replaces them
                manifests.delete_names(self._folder, [*over_budget, *surplus])
        return over_budget

    def _insert_by_metric(self, metric: float | None, mode: Mode) -> tuple[list[Manifest], int | None]:
        """Return the best checkpoints with a placeholder (empty manifest) for the new one, and its rank, or None."""
        if metric is None or metric != metric:
            return self._best, None
        rank = sum(not is_better(metric, _metric(other), mode) for other in self._best)
        best = [*self._best[:rank], {}, *self._best[rank:]][: self._policy.keep_best]
        return (best, rank) if rank < len(best) else (self._best, None)

    def _names_over_budget(self) -> list[str]:
        """Return the names to remove so that the rest fits the budget; `last` and `best` always stay."""
        if self._policy.budget_mb is None:
            return []
        remaining = dict(self._sizes)
        removed: list[str] = []
        for name in self._removal_order():
            if _total(remaining) <= self._policy.budget_mb * _MB:
                break
            del remaining[name]
            removed.append(name)
        return removed

    def _removal_order(self) -> Iterator[str]:
        yield from sorted((name for name in self._sizes if _step(name) is not None), key=lambda name: _step(name) or 0)
        yield from sorted((name for name in self._sizes if _best_rank(name)), key=_best_rank_or_first, reverse=True)
        if PREVIOUS in self._sizes:
            yield PREVIOUS

    def _drop(self, name: str) -> None:
        self._sizes.pop(name, None)
        if self._named_best.pop(name, None) is not None:
            self._best = [
                other for other in self._best if any(other is manifest for manifest in self._named_best.values())
            ]

    @property
    def size_bytes(self) -> int:
        """Total size of all checkpoints in bytes."""
        return _total(self._sizes)


def _best_name(rank: int) -> str:
    return f"{BEST}-{rank + 1}" if rank else BEST


def _best_rank(name: str) -> int | None:
    """Return the rank of `best` (0), `best-2` (1) ... among the best; None for other names."""
    if name == BEST:
        return 0
    rank = name.removeprefix(f"{BEST}-")
    return int(rank) - 1 if rank != name and rank.isdecimal() and int(rank) > 1 else None


def _best_rank_or_first(name: str) -> int:
    return _best_rank(name) or 0


def _step(name: str) -> int | None:
    step = name.removeprefix(STEP)
    with contextlib.suppress(ValueError):
        return int(step) if step != name else None
    return None


def _metric(manifest: Manifest) -> float | None:
    return None if manifest["metric"] is None else files.number_from_json(manifest["metric"])


def _sizes(manifest: Manifest) -> dict[str, int]:
    return {entry["file"]: entry["bytes"] for entry in manifest["files"].values()}


def _total(sizes: Mapping[str, Mapping[str, int]]) -> int:
    return sum({file: size for files in sizes.values() for file, size in files.items()}.values())

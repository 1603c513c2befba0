"""Retention policy, which determines which checkpoints of a run are kept, and under which names."""

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
"""Prefix for the names of permanent checkpoints."""
_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """Policy that determines when `run.checkpoint` saves, and which checkpoints are kept.

    By default, each call saves a checkpoint. If `every_steps` or `every_minutes` is set, a call saves only if it is
    due, has a metric, or follows a request to stop the process.
    """

    every_steps: int | None = None
    """A call is due if its step has reached the next multiple of this number. If no steps are passed, the calls are
    counted instead."""
    every_minutes: float | None = None
    """A call is due if this number of minutes has passed since the previous checkpoint."""
    keep_best: int = 1
    """Number of checkpoints with the best metrics to keep. Their names are `best`, `best-2`, `best-3` and so on."""
    keep_every: int | None = None
    """Number of steps between permanent checkpoints. Their names are `step-<step>`."""
    budget_mb: float | None = None
    """Maximum total size of all checkpoints in megabytes (1 MB = 1,000,000 bytes). If the limit is exceeded, the oldest
    `step-...` is removed first. The worst of `best-2`, `best-3` and so on is removed next, and `previous` last. `last`
    and `best` are always kept."""

    def __post_init__(self) -> None:
        for name in ("every_steps", "every_minutes", "keep_best", "keep_every", "budget_mb"):
            value = getattr(self, name)
            least = 1 if name in ("every_steps", "keep_best", "keep_every") else 0
            if value is not None and not (value >= least and value > 0):
                raise ConfigError(f"{name} is {value}; it must be {'at least 1' if least else 'above 0'}")


def is_better(value: float, than: float | None, mode: Mode) -> bool:
    """Return whether `value` is better than `than`. NaN is never better. Any number is better than None."""
    if value != value:
        return False
    return than is None or (value > than if mode == "max" else value < than)


def step_name(step: int) -> str:
    """Return the name of a permanent checkpoint at a step."""
    return f"{STEP}{step}"


class CheckpointRetention:
    """Manager that saves, renames and removes the checkpoints of a run. The class is not thread-safe."""

    def __init__(
        self, folder: Path, policy: CheckpointPolicy, resumed: Checkpoint | None, last_seqs: Mapping[str, float]
    ) -> None:
        """Read the existing checkpoints.

        Args:
            resumed: Checkpoint from which the run continues.
            last_seqs: Sequence number (seq) of the last log call of each writer that no resume has discarded.
                Checkpoints with later log calls were discarded by a resume.
        """
        self._folder = folder
        self._policy = policy
        self._last_seqs = last_seqs
        self._last: Manifest | None = None
        self._best: list[Manifest] = []
        """Checkpoints with the best metrics, best first."""
        self._named_best: dict[str, Manifest] = {}
        """Manifests of `best`, `best-2` and so on, with the content that they have on the disk."""
        self._sizes: dict[str, dict[str, int]] = {}
        """Sizes in bytes of the tensor files of each checkpoint."""
        self._is_current = True
        """True if the fields above match the files on the disk. After a failed save, the fields may differ from the
        files, because some checkpoints may already be renamed."""
        self._read_names()
        if resumed is not None:
            self._last = manifests.manifest_of(folder, resumed.name)
        elif LAST in self._sizes:
            self._last = manifests.manifest_of(folder, LAST)

    def _read_names(self) -> None:
        manifest_by_name: dict[str, Manifest] = {}
        for name in manifests.names(self._folder):
            with contextlib.suppress(RunfolioError):  # a damaged checkpoint is replaced when its name is used again
                manifest_by_name[name] = manifests.manifest_of(self._folder, name)
        self._sizes = {name: _sizes(manifest) for name, manifest in manifest_by_name.items()}
        self._named_best = {
            name: manifest for name, manifest in manifest_by_name.items() if _best_rank(name) is not None
        }
        self._best = []
        for name in sorted(self._named_best, key=_best_rank_or_first):
            manifest = self._named_best[name]
            is_on_branch = all(seq <= self._last_seqs.get(writer, 0) for writer, seq in manifest["position"].items())
            # If a process was killed while it renamed checkpoints, one checkpoint has two names.
            if is_on_branch and _metric(manifest) is not None and manifest not in self._best:
                self._best.append(manifest)

    @property
    def best(self) -> float | None:
        """Metric of the best checkpoint."""
        return _metric(self._best[0]) if self._best else None

    @property
    def last_kept_step(self) -> int:
        """Step of the last permanent checkpoint, or 0 if there is none."""
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
        """Save a checkpoint as `last` and under its other names. The function `manifests.save` writes the files.

        Args:
            mode: `max` if a higher metric is better, or `min` if a lower metric is better.
            permanent_name: Additional name under which the checkpoint is kept permanently.
        Returns:
            The names that were removed to stay within the maximum total size.
        Raises:
            OSError: The store cannot be written to. The earlier checkpoints are intact.
        """
        if not self._is_current:
            self._read_names()
        best, rank = self._insert_by_metric(about["metric"], mode)
        names = [permanent_name] if permanent_name else []
        renamed: dict[str, Manifest] = {}
        # Checkpoints are renamed from last to first. If the process is killed, a checkpoint then has two names rather
        # than none.
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
            with contextlib.suppress(OSError):  # the next save removes or replaces these checkpoints
                manifests.delete_names(self._folder, [*over_budget, *surplus])
        return over_budget

    def _insert_by_metric(self, metric: float | None, mode: Mode) -> tuple[list[Manifest], int | None]:
        """Return the best checkpoints, and the rank of the new checkpoint among them.

        The rank is None if the new checkpoint is not among the best checkpoints. The new checkpoint is represented by
        an empty manifest.
        """
        if metric is None or metric != metric:
            return self._best, None
        rank = sum(not is_better(metric, _metric(other), mode) for other in self._best)
        best = [*self._best[:rank], {}, *self._best[rank:]][: self._policy.keep_best]
        return (best, rank) if rank < len(best) else (self._best, None)

    def _names_over_budget(self) -> list[str]:
        """Return the names to remove so that the remaining checkpoints stay within the maximum total size.

        `last` and `best` are always kept.
        """
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
    """Return the rank that the name of a checkpoint expresses, such as 0 for `best` and 1 for `best-2`.

    Return None for other names.
    """
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

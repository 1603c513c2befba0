"""Compare the tensors in the `last` and `best` checkpoints of two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.errors import DamagedFile, MissingExtra, NewerFormat, NotFound
from runfolio.query.run import RecordedRun
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import BEST, GENERATORS, LAST, STATE, Checkpoint

if TYPE_CHECKING:
    import torch


class TensorGap(NamedTuple):
    """Tensor that differs between the runs, and the two values that differ most."""

    name: str
    step: int | None
    before: float | None
    after: float | None


@dataclass
class WeightComparison:
    count: int = 0
    """Number of compared tensors."""
    first: TensorGap | None = None
    first_beyond: TensorGap | None = None
    """First tensor with a difference beyond the tolerance."""
    remarks: list[str] = field(default_factory=list)


def compare_weights(
    original: RecordedRun, repeated: RecordedRun, rtol: float, atol: float, *, to_the_end: bool
) -> WeightComparison:
    """Compare the tensors of `last` and `best` bit by bit, if both runs have intact checkpoints at the same step.

    Args:
        to_the_end: True if the repeated run had no step limit. In this case, a remark reports a checkpoint at a
            different step.
    """
    comparison = WeightComparison()
    for name in (LAST, BEST):
        try:
            pair = [manifests.read(run.folder, name) for run in (original, repeated)]
            if pair[0].step != pair[1].step:
                if to_the_end:
                    comparison.remarks.append(
                        f"checkpoint {name} was not compared: it is at step {pair[0].step} in the original, and at"
                        f" step {pair[1].step} in the repeated run"
                    )
                continue
            for checkpoint in pair:
                checkpoint.verify()
            _compare_checkpoints(comparison, *pair, rtol=rtol, atol=atol)
        except NotFound:
            continue
        except (DamagedFile, NewerFormat, MissingExtra, ImportError) as error:
            comparison.remarks.append(f"checkpoint {name} was not compared: {error}")
    return comparison


def _compare_checkpoints(
    comparison: WeightComparison, before: Checkpoint, after: Checkpoint, *, rtol: float, atol: float
) -> None:
    import torch  # imported only if there are tensors to compare

    old, new = dict(_tensors(before)), dict(_tensors(after))
    for name in sorted(old.keys() | new.keys()):
        comparison.count += 1
        original, repeated = old.get(name), new.get(name)
        label = f"{before.name}/{name}"
        if original is None or repeated is None or original.dtype != repeated.dtype or original.shape != repeated.shape:
            gap = TensorGap(label, before.step, None, None)
            comparison.first, comparison.first_beyond = comparison.first or gap, comparison.first_beyond or gap
        elif not torch.equal(_bits(original), _bits(repeated)):
            gap = _furthest(label, before.step, original, repeated)
            comparison.first = comparison.first or gap
            if not torch.allclose(_as_doubles(repeated), _as_doubles(original), rtol=rtol, atol=atol, equal_nan=True):
                comparison.first_beyond = comparison.first_beyond or gap


def _tensors(checkpoint: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    for part in checkpoint.parts:
        for name, tensor in checkpoint.tensors(part).items():
            yield f"{part}/{name}", tensor
    # The states of random number generators may differ even if the program never used these generators.
    state = {name: value for name, value in checkpoint.state.items() if name != GENERATORS}
    yield from _inside(STATE, state)


def _inside(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _inside(f"{name}/{key}", entry)
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from _inside(f"{name}/{index}", entry)
    elif isinstance(value, torch.Tensor):
        yield name, value
    elif hasattr(value, "dtype"):
        yield name, torch.as_tensor(value)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    return tensor.contiguous().flatten().view(torch.uint8)


def _as_doubles(tensor: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a tensor of any dtype as float64."""
    import torch

    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return real.flatten().double()


def _furthest(name: str, step: int | None, before: torch.Tensor, after: torch.Tensor) -> TensorGap:
    original, repeated = _as_doubles(before), _as_doubles(after)
    index = int((repeated - original).abs().nan_to_num(nan=float("inf")).argmax())
    return TensorGap(name, step, original[index].item(), repeated[index].item())

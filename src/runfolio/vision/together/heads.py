"""Linear heads in training side by side, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer

from runfolio.vision.models.head import head_modules
from runfolio.vision.optim import RateFactor
from runfolio.vision.settings import TrainSettings
from runfolio.vision.together.optimizers import Slots, stacked_optimizer


class HeadState(NamedTuple):
    """A head between two steps, with all that decides how it goes on."""

    parameters: list[torch.Tensor]
    """[classes, size] weight and [classes] bias."""
    slots: Slots
    """What the optimizer remembers of each of them; nothing before the first step."""
    generator: torch.Tensor
    """The state of torch's random generator on the CPU."""

    @classmethod
    def of(cls, parameters: Sequence[nn.Parameter], optimizer: Optimizer) -> HeadState:
        """A copy of how a head is now."""
        slots = [
            {name: value.detach().clone() for name, value in optimizer.state.get(parameter, {}).items()}
            for parameter in parameters
        ]
        return cls([parameter.detach().clone() for parameter in parameters], slots, torch.get_rng_state())

    @torch.no_grad()
    def put_into(self, parameters: Sequence[nn.Parameter], optimizer: Optimizer) -> None:
        """Have a head, its optimizer and the random generator go on from here."""
        for parameter, value, slots in zip(parameters, self.parameters, self.slots, strict=True):
            parameter.copy_(value)
            for name, slot in slots.items():
                optimizer.state[parameter][name].copy_(slot)
        torch.set_rng_state(self.generator)

    def is_same_as(self, other: HeadState) -> bool:
        """Whether all of it is equal to the bit."""
        pairs = list(zip(self.parameters, other.parameters, strict=True))
        for mine, theirs in zip(self.slots, other.slots, strict=True):
            if mine.keys() != theirs.keys():
                return False
            pairs += [(mine[name], theirs[name]) for name in mine]
        return torch.equal(self.generator, other.generator) and all(_same_bits(*pair) for pair in pairs)

    @property
    def is_finite(self) -> bool:
        return all(bool(parameter.isfinite().all()) for parameter in self.parameters)

    @property
    def size_bytes(self) -> int:
        """Of one after a step of Adam, which remembers most."""
        return 3 * sum(parameter.nbytes for parameter in self.parameters) + self.generator.nbytes


def _same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    # Not as numbers, of which -0 is 0, and NaN is not itself.
    return one.shape == other.shape and torch.equal(*(tensor.reshape(-1).view(torch.uint8) for tensor in (one, other)))


@dataclass(frozen=True)
class LinearHead:
    """A head that is a linear layer behind a dropout, which features go straight into."""

    layer: nn.Linear
    dropout: float
    """Probability of dropping a feature in training."""

    @classmethod
    def of(cls, model: nn.Module, features: int) -> LinearHead | None:
        """The head of a network whose frozen part gives so many features; None where it is more than such a layer."""
        linear, *others = head_modules(model)
        within = [each for module in (linear, *others) for each in module.modules()]
        dropouts = [each.p for each in within if isinstance(each, nn.Dropout)]
        if not isinstance(linear, nn.Linear) or linear.bias is None or linear.in_features != features:
            return None
        return cls(linear, *dropouts or (0.0,)) if len(dropouts) <= 1 else None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The weight and the bias."""
        return list(self.layer.parameters(recurse=False))


class StepOfHeads(NamedTuple):
    losses: torch.Tensor
    """[heads] float32, each the mean over the batch."""
    correct: torch.Tensor
    """[heads] int64: of how many images the most probable class was the true one."""


class StackedHeads:
    """Heads that begin alike and differ in how they are optimized.

    Each comes to the bits that it would come to alone: its products with the features, its loss and their gradients
    are its own operations, the same that its layer would do.
    """

    def __init__(self, begin: HeadState, settings: Sequence[TrainSettings], steps_per_epoch: int) -> None:
        """Args:
        begin: Of all of them, before the first step.
        """
        count = len(settings)
        self._parameters = [
            parameter.expand(count, *parameter.shape).clone().requires_grad_() for parameter in begin.parameters
        ]
        self._optimizer = stacked_optimizer(self._parameters, settings)
        self._smoothing = [each.label_smoothing for each in settings]
        self._rates = [(each.lr, RateFactor.of(each, steps_per_epoch).at) for each in settings]
        self._steps = 0

    def step(self, features: torch.Tensor, labels: torch.Tensor) -> StepOfHeads:
        """Train all heads on one batch: [b, size] float32 features, dropped already, and [b] int64 labels."""
        weights, biases = (parameter.unbind() for parameter in self._parameters)
        logits = [functional.linear(features, weight, bias) for weight, bias in zip(weights, biases, strict=True)]
        losses = [
            functional.cross_entropy(each, labels, label_smoothing=smoothing)
            for each, smoothing in zip(logits, self._smoothing, strict=True)
        ]
        gradients = torch.autograd.grad(losses, self._parameters)
        with torch.no_grad():
            self._optimizer.step(gradients, [rate * factor(self._steps) for rate, factor in self._rates])
            self._steps += 1
            correct = (torch.stack(logits).argmax(dim=2) == labels).sum(dim=1)
            return StepOfHeads(torch.stack(losses), correct)

    def state(self) -> StackedState:
        """A copy of how all heads are now."""
        return StackedState(
            [parameter.detach().clone() for parameter in self._parameters],
            [{name: value.clone() for name, value in slots.items()} for slots in self._optimizer.slots()],
            torch.get_rng_state(),
        )


class StackedState(NamedTuple):
    """`HeadState` of several heads, [heads, ...] each."""

    parameters: list[torch.Tensor]
    slots: Slots
    generator: torch.Tensor

    def of(self, head: int) -> HeadState:
        """That of one of them; it shares memory with this one."""
        slots = [{name: value[head] for name, value in each.items()} for each in self.slots]
        return HeadState([parameter[head] for parameter in self.parameters], slots, self.generator)

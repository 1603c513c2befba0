"""A network in two: the frozen part, which gives an image's features, and what trains on them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from runfolio.vision.models.freezing import train_mode
from runfolio.vision.models.tape import CutUnavailable, Tape, record_tape, trained_layers

_TOLERANCE = 1e-4
"""How far two passes over the same images may lie apart, as a share of the largest number."""
_ROUNDINGS = 8
"""By how many roundings features may differ in a batch of another size, where sums are added up in another order; or
by `_BATCH_TOLERANCE`, if that is more."""
_BATCH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class NetworkCut:
    """Where a network is cut, and how what follows is computed. Holds no weights: it fits every copy of the network."""

    shapes: tuple[tuple[int, ...], ...]
    """Of an image's features, one for each layer that they go into."""
    dtype: torch.dtype
    """Of the features."""
    formats: tuple[torch.memory_format, ...]
    """In which order in memory they come to each of those layers: dropout draws in that order."""
    _training: Tape
    _evaluating: Tape

    @property
    def size(self) -> int:
        """How many numbers the features of one image are."""
        return sum(math.prod(shape) for shape in self.shapes)

    @contextmanager
    def feature_function(self, model: nn.Module) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
        """Inside, what gives the features of images, [b, c, h, w] to [b, size]; several threads may call it at once.

        The model is in evaluation mode meanwhile; afterwards its modes are as they were.
        """
        with _modes_kept(model), _recording_inputs(model.eval(), self._evaluating.points) as answer:

            def features(images: torch.Tensor) -> torch.Tensor:
                _, inputs = answer(images)
                return torch.cat([part.flatten(1) for part in inputs], dim=1)

            yield features

    def logits(self, model: nn.Module, features: torch.Tensor) -> torch.Tensor:
        """[b, size] to [b, classes], as `model` gives them for the images, in training too if the frozen part is in
        evaluation mode: with the same draws of dropout. The features are not changed.
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = [
            part.reshape(-1, *shape).clone(memory_format=order)  # some architectures drop in place
            for part, shape, order in zip(features.split(sizes, dim=1), self.shapes, self.formats, strict=True)
        ]
        return (self._training if model.training else self._evaluating).play(model, parts)

    @contextmanager
    def head_alone(self, model: nn.Module) -> Iterator[None]:
        """As long as it lasts, `model` takes features instead of images; hooks on it and around it work as ever."""
        vars(model)["forward"] = partial(self.logits, model)
        try:
            yield
        finally:
            del vars(model)["forward"]


def cut_network(model: nn.Module, image_shape: tuple[int, int, int]) -> NetworkCut:
    """Cut a network before the first layers that train and the dropouts right before those; then try it.

    Args:
        model: Stays as it is; what is frozen of it does not require gradients.
        image_shape: (c, h, w); a few images of noise are run.

    Raises:
        CutUnavailable: Its frozen part cannot be computed apart from the rest, with the same result.
    """
    device = next(model.parameters()).device
    images = torch.randn(3, *image_shape, generator=torch.Generator().manual_seed(0)).to(device)
    devices = [device] if device.type == "cuda" else []
    with torch.no_grad(), _modes_kept(model), _statistics_kept(model), torch.random.fork_rng(devices):
        train_mode(model, frozen_backbone=True)
        training, _ = record_tape(model, images[:2])
        torch.manual_seed(0)
        trained, _ = _answer(model, (), images)

        model.eval()
        evaluating, _ = record_tape(model, images[:2], training.points)
        evaluated, inputs = _answer(model, training.points, images)
        _check_tape(evaluating, model, inputs, evaluated, "in evaluation")
        fewer = images[:2].contiguous(memory_format=torch.channels_last)  # as features are computed
        _check_batch_independence(inputs, _answer(model, training.points, fewer)[1])

        train_mode(model, frozen_backbone=True)
        torch.manual_seed(0)
        _check_tape(training, model, inputs, trained, "in training")
    shapes, formats = tuple(tuple(part.shape[1:]) for part in inputs), tuple(_format(part) for part in inputs)
    return NetworkCut(shapes, inputs[0].dtype, formats, training, evaluating)


def frozen_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """What features depend on: the parameters and buffers of all layers but those that train."""
    trained = tuple(f"{name}." for name in trained_layers(model))
    return {key: tensor for key, tensor in model.state_dict().items() if not key.startswith(trained)}


def _format(features: torch.Tensor) -> torch.memory_format:
    is_last = features.ndim == 4 and not features.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _check_batch_independence(inputs: list[torch.Tensor], with_fewer: list[torch.Tensor]) -> None:
    """See that the features of an image are the same in a batch of fewer images."""
    share = max(_BATCH_TOLERANCE, _ROUNDINGS * torch.finfo(inputs[0].dtype).eps)
    if not all(_all_close(a, b[: len(a)], share) for a, b in zip(with_fewer, inputs, strict=True)):
        raise CutUnavailable("the features of an image depend on the other images of its batch")


def _check_tape(tape: Tape, model: nn.Module, inputs: list[torch.Tensor], answer: torch.Tensor, when: str) -> None:
    """See that the tape gives the answer, for another number of images than it was recorded with."""
    try:
        played = tape.play(model, [part.clone() for part in inputs])
    except (RuntimeError, ValueError, IndexError) as error:  # of shapes that do not fit
        raise CutUnavailable(f"{when} what follows its frozen part depends on the number of images ({error})") from None
    if not _all_close(played, answer, _TOLERANCE):
        raise CutUnavailable(f"{when} its answers do not follow from the inputs of the layers that train")


def _all_close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    if a.shape != b.shape:
        return False
    largest = b.abs().nan_to_num().max().item()
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * largest, equal_nan=True)


def _answer(model: nn.Module, points: tuple[str, ...], images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What the model answers, and what the modules at these points got on the way."""
    with _recording_inputs(model, points) as answer:
        return answer(images)


@contextmanager
def _recording_inputs(
    model: nn.Module, points: tuple[str, ...]
) -> Iterator[Callable[[torch.Tensor], tuple[torch.Tensor, list[torch.Tensor]]]]:
    """Gives `_answer` for many images, which several threads may call at once."""
    thread_state = threading.local()

    def save_input(name: str, module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if name in thread_state.got:
            raise CutUnavailable(f"its layer {name} runs more than once")
        thread_state.got[name] = args[0].clone()

    def answer(images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        thread_state.got = {}
        answered = model(images)
        return answered, [thread_state.got[name] for name in points]

    with ExitStack() as hooks:
        for name in points:
            hooks.callback(model.get_submodule(name).register_forward_pre_hook(partial(save_input, name)).remove)
        yield answer


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Of layers that train, which move with each batch in training mode."""
    buffers = [buffer for layer in trained_layers(model).values() for buffer in layer.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)

"""Division of a network into two parts. The frozen part computes features, and the other part trains on these features.
A tape (see `tape`) is the recorded computation of the other part."""

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
"""Maximum difference between two passes over the same images, as a fraction of the largest value."""
_ROUNDINGS = 8
"""Maximum difference between batches of different sizes, in machine epsilons. `_BATCH_TOLERANCE` applies instead if it
allows a larger difference. The batch size changes the order in which values are summed."""
_BATCH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class NetworkCut:
    """Position of a cut, and the computation after the cut. The cut contains no weights, so it can be used with every
    copy of the network."""

    shapes: tuple[tuple[int, ...], ...]
    """Shapes of the features of an image. There is one shape per layer that takes features."""
    dtype: torch.dtype
    """Type of the features."""
    formats: tuple[torch.memory_format, ...]
    """Memory order of the input of each layer that takes features. Dropout draws its random numbers in this order."""
    _training: Tape
    _evaluating: Tape

    @property
    def size(self) -> int:
        """Number of values in the features of one image."""
        return sum(math.prod(shape) for shape in self.shapes)

    @contextmanager
    def feature_function(self, model: nn.Module) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
        """Yield a thread-safe function that maps [b, c, h, w] images to [b, size] features.

        Inside the block, the model is in evaluation mode. The modes of its modules are restored afterwards.
        """
        with _restored_modes(model), _recording_inputs(model.eval(), self._evaluating.points) as run:

            def features(images: torch.Tensor) -> torch.Tensor:
                _, inputs = run(images)
                return torch.cat([part.flatten(1) for part in inputs], dim=1)

            yield features

    def logits(self, model: nn.Module, features: torch.Tensor) -> torch.Tensor:
        """Return the [b, classes] logits of `model` for [b, size] features. The features are not modified.

        The logits equal those for the original images. In training mode, dropout draws the same random numbers as for
        the images, provided that the frozen part is in evaluation mode.
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = [
            part.reshape(-1, *shape).clone(memory_format=order)  # copied, since dropout may modify its input
            for part, shape, order in zip(features.split(sizes, dim=1), self.shapes, self.formats, strict=True)
        ]
        return (self._training if model.training else self._evaluating).replay(model, parts)

    @contextmanager
    def head_alone(self, model: nn.Module) -> Iterator[None]:
        """Make `model` accept features instead of images. The hooks of the model still work."""
        vars(model)["forward"] = partial(self.logits, model)
        try:
            yield
        finally:
            del vars(model)["forward"]


def cut_network(model: nn.Module, image_shape: tuple[int, int, int]) -> NetworkCut:
    """Cut a network before the first layers that train, and test the cut. Dropouts directly before these layers come
    after the cut.

    Args:
        model: Network to cut. It is not modified. Parameters that do not require gradients count as frozen.
        image_shape: Shape of the random images that the test uses, (c, h, w).

    Raises:
        CutUnavailable: The frozen part cannot be computed separately with the same result.
    """
    device = next(model.parameters()).device
    images = torch.randn(3, *image_shape, generator=torch.Generator().manual_seed(0)).to(device)
    devices = [device] if device.type == "cuda" else []
    with torch.no_grad(), _restored_modes(model), _restored_statistics(model), torch.random.fork_rng(devices):
        train_mode(model, frozen_backbone=True)
        training, _ = record_tape(model, images[:2])
        torch.manual_seed(0)
        training_logits, _ = _run(model, (), images)

        model.eval()
        evaluating, _ = record_tape(model, images[:2], training.points)
        evaluation_logits, inputs = _run(model, training.points, images)
        _check_tape(evaluating, model, inputs, evaluation_logits, "in evaluation")
        # The cached features are computed with this memory layout.
        fewer = images[:2].contiguous(memory_format=torch.channels_last)
        _check_batch_independence(inputs, _run(model, training.points, fewer)[1])

        train_mode(model, frozen_backbone=True)
        torch.manual_seed(0)
        _check_tape(training, model, inputs, training_logits, "in training")
    shapes, formats = tuple(tuple(part.shape[1:]) for part in inputs), tuple(_format(part) for part in inputs)
    return NetworkCut(shapes, inputs[0].dtype, formats, training, evaluating)


def frozen_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of all layers that do not train. The features depend only on these tensors."""
    trained = tuple(f"{name}." for name in trained_layers(model))
    return {key: tensor for key, tensor in model.state_dict().items() if not key.startswith(trained)}


def _format(features: torch.Tensor) -> torch.memory_format:
    is_last = features.ndim == 4 and not features.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _check_batch_independence(inputs: list[torch.Tensor], with_fewer: list[torch.Tensor]) -> None:
    """Check that the features of an image do not depend on the batch size."""
    share = max(_BATCH_TOLERANCE, _ROUNDINGS * torch.finfo(inputs[0].dtype).eps)
    if not all(_all_close(a, b[: len(a)], share) for a, b in zip(with_fewer, inputs, strict=True)):
        raise CutUnavailable("the features of an image depend on the other images of its batch")


def _check_tape(tape: Tape, model: nn.Module, inputs: list[torch.Tensor], logits: torch.Tensor, when: str) -> None:
    """Check that the tape returns the correct logits for a batch whose size differs from the recorded batch."""
    try:
        replayed = tape.replay(model, [part.clone() for part in inputs])
    except (RuntimeError, ValueError, IndexError) as error:  # the shapes do not fit
        raise CutUnavailable(f"{when} the part that trains depends on the number of images ({error})") from None
    if not _all_close(replayed, logits, _TOLERANCE):
        raise CutUnavailable(f"{when} its output does not follow from the inputs of the layers that train")


def _all_close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    if a.shape != b.shape:
        return False
    largest = b.abs().nan_to_num().max().item()
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * largest, equal_nan=True)


def _run(model: nn.Module, points: tuple[str, ...], images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the output of the model, and the inputs of the modules that `points` names."""
    with _recording_inputs(model, points) as run:
        return run(images)


@contextmanager
def _recording_inputs(
    model: nn.Module, points: tuple[str, ...]
) -> Iterator[Callable[[torch.Tensor], tuple[torch.Tensor, list[torch.Tensor]]]]:
    """Yield a thread-safe function that maps images to the same results as `_run`."""
    thread_state = threading.local()

    def save_input(name: str, module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if name in thread_state.inputs:
            raise CutUnavailable(f"its layer {name} runs more than once")
        thread_state.inputs[name] = args[0].clone()

    def run(images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        thread_state.inputs = {}
        output = model(images)
        return output, [thread_state.inputs[name] for name in points]

    with ExitStack() as hooks:
        for name in points:
            hooks.callback(model.get_submodule(name).register_forward_pre_hook(partial(save_input, name)).remove)
        yield run


@contextmanager
def _restored_modes(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _restored_statistics(model: nn.Module) -> Iterator[None]:
    """Restore the statistics of layers that train. In training mode, each batch changes these statistics."""
    buffers = [buffer for layer in trained_layers(model).values() for buffer in layer.buffers()]
    values = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, values, strict=True):
            buffer.copy_(value)

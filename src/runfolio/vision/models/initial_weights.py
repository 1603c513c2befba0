"""Loading of initial weights into a network."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from runfolio.record.checkpoints.loading import Tensors, refuse_mismatches, shape_mismatches
from runfolio.vision.models.head import head_keys


def load_initial_weights(model: nn.Module, tensors: Tensors, message: str, *, fresh_head: bool = False) -> None:
    """Load the weights of an earlier training run into a model.

    The head is not loaded if `fresh_head` is true or if the number of classes differs. The architecture's own loading
    code renames tensors from older versions.

    Args:
        model: Model to load into.
        tensors: Weights by key.
        message: Start of the error message.
        fresh_head: If true, the head keeps its random initial weights.

    Raises:
        ConfigError: A tensor outside the head is missing, unexpected, or has the wrong shape.
    """
    expected: Any = model.state_dict()
    fresh = {
        key
        for key in head_keys(model)
        if key in tensors and (fresh_head or _only_classes_differ(expected[key], tensors[key]))
    }
    shapes = shape_mismatches(expected, {key: tensor for key, tensor in tensors.items() if key not in fresh})
    left_out = fresh | shapes.keys()
    ready: Any = OrderedDict((key, tensor) for key, tensor in tensors.items() if key not in left_out)
    ready._metadata = getattr(tensors, "_metadata", None) or expected._metadata
    loaded = model.load_state_dict(ready, strict=False)
    refuse_mismatches(
        message,
        missing=[key for key in loaded.missing_keys if key not in left_out],
        unexpected=loaded.unexpected_keys,
        shapes=shapes,
    )


def _only_classes_differ(expected: torch.Tensor, loaded: torch.Tensor) -> bool:
    return expected.shape != loaded.shape and expected.shape[1:] == loaded.shape[1:]

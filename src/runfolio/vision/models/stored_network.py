"""Check that the tensors of a checkpoint fit the described network. The check runs before memory is allocated for the
tensors or the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from runfolio.errors import ConfigError, DamagedFile, RunfolioError
from runfolio.record.checkpoints.loading import compare
from runfolio.record.checkpoints.state_codec import StoredTensor
from runfolio.vision.models import build_model
from runfolio.vision.models.spec import ModelSpec

_STORED_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}


def check_stored_network(spec: ModelSpec, stored: Mapping[str, StoredTensor], label: str) -> None:
    """Check that the stored tensors fit the network that a checkpoint describes.

    Args:
        spec: Description of the network.
        stored: Stored tensors by key.
        label: Name that error messages use for the checkpoint.

    Raises:
        NotFound: The model does not exist.
        MissingExtra: The model belongs to timm, which is not installed.
        ConfigError: A tensor is missing, unexpected, or has the wrong shape or dtype; the message names the tensor.
        DamagedFile: The described network cannot be built.
    """
    expected = _network_without_storage(spec, label).state_dict()
    subject = f"{label} does not fit model {spec.name}"
    compare(expected, stored, subject)
    for key, tensor in expected.items():
        if stored[key].dtype != (dtype := _STORED_DTYPES.get(tensor.dtype)):
            raise ConfigError(f"{subject}: of a different dtype: {key} ({stored[key].dtype} instead of {dtype})")


def _network_without_storage(spec: ModelSpec, label: str) -> nn.Module:
    """Return the network on the `meta` device, where tensors have shapes but no memory."""
    reason = ""
    for without_storage in (torch.device("meta"), _WeightsWithoutStorage()):
        try:
            with without_storage:
                return build_model(spec)
        except (RunfolioError, MemoryError):
            raise
        except Exception as error:  # architectures raise errors of many types for invalid sizes
            reason = str(error).partition("\n")[0] or type(error).__name__
    raise DamagedFile(f"{label} describes a network that cannot be built: {spec.name} ({reason})")


class _WeightsWithoutStorage(TorchFunctionMode):
    """Torch mode that creates weights on the `meta` device and other tensors on the CPU. RegNets need real tensors to
    compute their sizes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)

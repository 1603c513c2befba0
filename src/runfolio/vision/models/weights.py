"""Initial weights: published weights, weights from a file, or weights of an earlier run.

Pickled files are loaded with `weights_only=True`.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.record.base.layout import expand_home
from runfolio.record.checkpoints.loading import Tensors
from runfolio.record.checkpoints.state_codec import read_tensors, unsafe_format
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models import current_names, download_weights, published_transform
from runfolio.vision.models.description import describe
from runfolio.vision.models.initial_weights import load_initial_weights

PUBLISHED = "DEFAULT"
_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the weights in files that also contain other data."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of an earlier training run. Several runs share the tensors, so the tensors must not be changed."""

    origin: str
    """Readable description of the origin of the weights."""
    tensors: Tensors
    transform: ImageTransform | None
    """Transform of the earlier run, or None if it is unknown."""
    classes: tuple[str, ...] | None = None
    """Classes of the outputs, or None if they are unknown."""

    def put_into(self, model: nn.Module, name: str, classes: tuple[str, ...]) -> None:
        """Load the weights into `model`. If the classes differ, the weights of the head are not loaded.

        Raises:
            DamagedFile: The weights do not fit; the message lists missing keys, unexpected keys and wrong shapes.
        """
        fresh_head = self.classes is not None and self.classes != classes
        load_initial_weights(model, self.tensors, f"{self.origin} does not fit model {name}", fresh_head=fresh_head)


def find_weights(name: str, model: str, store: Path | str | None) -> Weights:
    """Return the weights that the setting `weights` names.

    Args:
        name: `DEFAULT`, a file, or a run in the store. The best checkpoint of a run is used.
        model: Name of the model.
        store: Store of the run.

    Raises:
        NotFound: The file or run does not exist, or the weights cannot be downloaded.
        DamagedFile: The file contains a value that is not a tensor; the message names the value.
        ConfigError: The model has no published weights, or the run trained a different model.
    """
    if name == PUBLISHED:
        return Weights(f"{PUBLISHED} of {model}", download_weights(model), published_transform(model))
    path = expand_home(name)
    if path.is_file() or path.suffix in _ENDINGS:
        if not path.is_file():
            raise NotFound(f"no weights file {path}; check the path")
        status = path.stat()
        return _weights_of_file(path, path.absolute(), (status.st_size, status.st_mtime_ns), model)
    return _weights_of_run(name, model, store)


@lru_cache(maxsize=1)  # most runs of a series start from the same file
def _weights_of_file(path: Path, absolute_path: Path, state: tuple[int, int], model: str) -> Weights:
    """Read weights from a file. `absolute_path` and `state` are only used as parts of the cache key.

    Args:
        path: Path of the file.
        absolute_path: Absolute path of the file.
        state: Size and modification time of the file.
        model: Name of the model.
    """
    return Weights(str(path), current_names(model, _read(path)), published_transform(model))


def _read(path: Path) -> Tensors:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    return _tensors_only(path, _unwrapped(_restricted_load(path)))


def _restricted_load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unusual pickles cause warnings; errors are handled below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise DamagedFile(
            f"{path} is {unsafe_format(path) or 'not a file of tensors'}; weights must be plain tensors:"
            " save `model.state_dict()`, or a safetensors file"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # torch.load raises errors of many types on damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DamagedFile(f"{path} cannot be read as weights: {reason}") from None


def _unwrapped(content: Any) -> Any:
    if isinstance(content, Mapping):
        for key in _WRAPPERS:
            if isinstance(content.get(key), Mapping):
                return content[key]
    return content


def _tensors_only(path: Path, content: Any) -> Tensors:
    if not isinstance(content, Mapping) or not content:
        raise DamagedFile(
            f"{path} contains a {type(content).__name__}; weights must be a `state_dict` of tensors by name"
        )
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided):
            raise DamagedFile(
                f"{path} contains {key!r}, a {type(value).__name__}; weights must be plain tensors by name"
            )
    return content


def _weights_of_run(name: str, model: str, store: Path | str | None) -> Weights:
    try:
        run = runfolio.open(store).run(name)
    except NotFound as error:
        raise NotFound(f"weights is {name!r}, which is not a file, and {error}") from None
    checkpoint = run.checkpoint("best")
    label = f"the best checkpoint of run {run.name} ({run.id})"
    description = describe(checkpoint)
    if description.spec.name != model:
        raise ConfigError(
            f"{label} contains model {description.spec.name}, not {model}; use --model {description.spec.name}"
        )
    return Weights(label, checkpoint.tensors("model"), description.transform, description.classes)

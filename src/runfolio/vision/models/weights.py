"""What a network starts from: published weights, a file, or an earlier run. Nothing is ever unpickled unsafely."""

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
"""Where training scripts put the weights in a file that holds more."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors of an earlier training, and the images it had. Nobody writes to the tensors: runs may share them."""

    origin: str
    """For people: where they are from."""
    tensors: Tensors
    transform: ImageTransform | None
    """None where it is not known."""
    classes: tuple[str, ...] | None = None
    """What the outputs stand for, where that is known."""

    def put_into(self, model: nn.Module, name: str, classes: tuple[str, ...]) -> None:
        """Start `model` from them; the head stays fresh unless its classes are the same.

        Raises:
            DamagedFile: They do not fit; the message says which keys are missing, unexpected, or of another shape.
        """
        other = self.classes is not None and self.classes != classes
        load_initial_weights(model, self.tensors, f"{self.origin} does not fit model {name}", fresh_head=other)


def find_weights(name: str, model: str, store: Path | str | None) -> Weights:
    """The weights that the setting names: `DEFAULT`, a file, or else a run of the store, of which the best checkpoint.

    Raises:
        NotFound: No such file or run, or they cannot be downloaded.
        DamagedFile: The file holds something else than tensors; the message says what.
        ConfigError: Nothing is published for the model, or the run trained another one.
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


@lru_cache(maxsize=1)  # the runs of a series mostly begin with one file, which is read once then
def _weights_of_file(path: Path, absolute_path: Path, state: tuple[int, int], model: str) -> Weights:
    """Args:
    absolute_path: Where the file is, from any working folder.
    state: Another one of a file that changed.
    """
    return Weights(str(path), current_names(model, _read(path)), published_transform(model))


def _read(path: Path) -> Tensors:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    return _tensors_only(path, _unwrapped(_restricted_load(path)))


def _restricted_load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickles; what follows from them is said below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise DamagedFile(
            f"{path} is {unsafe_format(path) or 'no file of tensors'}; weights are read as plain tensors only:"
            " save `model.state_dict()`, or a safetensors file"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make torch.load raise almost anything
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
        raise DamagedFile(f"{path} holds a {type(content).__name__}; weights are a `state_dict`, names with tensors")
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided):
            raise DamagedFile(f"{path} holds {key!r}, a {type(value).__name__}; weights are names with plain tensors")
    return content


def _weights_of_run(name: str, model: str, store: Path | str | None) -> Weights:
    try:
        run = runfolio.open(store).run(name)
    except NotFound as error:
        raise NotFound(f"weights is {name!r}, which is no file, and {error}") from None
    checkpoint = run.checkpoint("best")
    label = f"the best checkpoint of run {run.name} ({run.id})"
    description = describe(checkpoint)
    if description.spec.name != model:
        raise ConfigError(
            f"{label} is of model {description.spec.name}, not {model}; give --model {description.spec.name}"
        )
    return Weights(label, checkpoint.tensors("model"), description.transform, description.classes)

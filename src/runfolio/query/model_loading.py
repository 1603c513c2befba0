"""A run's model: by the loader its checkpoint names, or into a module of the user's own.

A record never says which code to import (a mailed run must not run code): `loader` is a name that only packages
installed here can answer to, through the entry point group `runfolio.loaders`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runfolio.errors import ConfigError, MissingExtra, did_you_mean
from runfolio.record.checkpoints.loading import fill
from runfolio.record.checkpoints.manifests import Checkpoint

if TYPE_CHECKING:
    from torch.nn import Module

GROUP = "runfolio.loaders"


def load_model(checkpoint: Checkpoint, module: Module | Callable[[], Module] | None) -> Module:
    """The checkpoint's model in eval mode (see `RecordedRun.load_model`)."""
    model = installed_loader(checkpoint).model if module is None else _fill_module(checkpoint, _as_module(module))
    return model.eval()


def installed_loader(checkpoint: Checkpoint) -> Any:
    """What the checkpoint's loader makes of it: an object with `.model` and `.predict(images)`.

    Raises:
        ConfigError: The checkpoint names no loader, or none of that name is installed.
    """
    from importlib.metadata import entry_points  # 40 ms that a table of runs need not wait for

    if checkpoint.loader is None:
        raise ConfigError("this checkpoint does not say how its model is built; pass the class: `load_model(MyNet)`")
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if checkpoint.loader not in installed:
        raise ConfigError(
            f"no installed package provides the model loader {checkpoint.loader!r} that this checkpoint names;"
            f" {did_you_mean(checkpoint.loader, installed)}"
        )
    entry = installed[checkpoint.loader]
    try:
        load = entry.load()
    except ModuleNotFoundError as error:
        if entry.value.startswith("runfolio."):  # one of ours is named as the extra that brings what it needs
            raise MissingExtra(f"the package {error.name}", entry.name, "loading this model") from None
        raise ConfigError(f"the model loader {entry.name!r} needs the package {error.name}; install it") from None
    return load(checkpoint)


def _as_module(module: Module | Callable[[], Module]) -> Module:
    try:
        from torch.nn import Module
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch", "load_model()") from None
    model = module if isinstance(module, Module) else module()
    if not isinstance(model, Module):
        raise ConfigError(f"load_model needs a torch.nn.Module, or what makes one; {module!r} gave {model!r}")
    return model


def _fill_module(checkpoint: Checkpoint, module: Module) -> Module:
    problem = f"checkpoint {checkpoint.name!r} of {checkpoint.folder} does not fit {type(module).__name__}"
    fill(module, checkpoint.entries("model"), problem)
    return module

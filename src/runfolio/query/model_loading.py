"""Functions that load a run's model. The model is built by the loader that the checkpoint names, or by the user.

A record never names code to import, so a copied run cannot execute code. The checkpoint's `loader` is the name of an
entry point in the group `runfolio.loaders`. Only installed packages provide such entry points.
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
_CLASSIFIERS = "vision"
"""Name of the loader for image classifiers. It is also used for classifiers that the user's scripts saved."""
_OWN_SCRIPT = """\
this checkpoint does not describe how its model is built, since your own script saved it; pass the class: \
`load_model(MyNet)`, or --module my_module:MyNet if `run.checkpoint` was given classes and transform. In Python:
    import runfolio, torch
    from my_module import MyNet, transform
    from PIL import Image
    model = runfolio.open({store!r}).run({run!r}).load_model(MyNet)
    with torch.inference_mode():
        print(model(transform(Image.open("photo.jpg").convert("RGB"))[None]).softmax(dim=1))"""


def load_model(checkpoint: Checkpoint, module: Module | Callable[[], Module] | None) -> Module:
    """Return the model of a checkpoint, in eval mode (see `RecordedRun.load_model`)."""
    model = installed_loader(checkpoint).model if module is None else _fill_module(checkpoint, _as_module(module))
    return model.eval()


def load_classifier(checkpoint: Checkpoint, module: Module | Callable[[], Module] | None = None) -> Any:
    """Return the classifier of a checkpoint: an object with `.model` and `.predict(images)`.

    Args:
        module: Module that the tensors are copied to, if the user's script saved the checkpoint (see
            `RecordedRun.load_model`).

    Raises:
        ConfigError: The checkpoint names no loader and `module` is missing, or both the loader and `module` are given.
    """
    if module is None:
        return installed_loader(checkpoint)
    if checkpoint.loader is not None:
        raise ConfigError(f"the loader {checkpoint.loader!r} builds the model of this checkpoint; omit the module")
    load = _load_entry(_CLASSIFIERS)
    return load(checkpoint, load_model(checkpoint, module))


def installed_loader(checkpoint: Checkpoint) -> Any:
    """Load a checkpoint with the loader that it names, and return an object with `.model` and `.predict(images)`.

    Raises:
        ConfigError: The checkpoint names no loader, or the loader is not installed.
    """
    if checkpoint.loader is None:
        raise ConfigError(_OWN_SCRIPT.format(store=str(checkpoint.folder.parents[1]), run=checkpoint.folder.name))
    return _load_entry(checkpoint.loader)(checkpoint)


def _load_entry(name: str) -> Callable[..., Any]:
    """Return the installed loader with the given name."""
    from importlib.metadata import entry_points  # slow (40 ms), and tables of runs do not need this import

    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        raise ConfigError(
            f"no installed package provides the model loader {name!r} that this checkpoint names;"
            f" {did_you_mean(name, installed)}"
        )
    entry = installed[name]
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if entry.value.startswith("runfolio."):  # a loader of runfolio has the same name as its extra
            raise MissingExtra(f"the package {error.name}", entry.name, "loading this model") from None
        raise ConfigError(f"the model loader {entry.name!r} needs the package {error.name}; install it") from None


def _as_module(module: Module | Callable[[], Module]) -> Module:
    try:
        from torch.nn import Module
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch", "load_model()") from None
    model = module if isinstance(module, Module) else _build(module)
    if not isinstance(model, Module):
        raise ConfigError(
            f"load_model needs a torch.nn.Module or a function that returns one; {module!r} returned {model!r}"
        )
    return model


def _build(module: Callable[[], Module]) -> Module:
    import inspect

    try:
        inspect.signature(module).bind()
    except TypeError as error:
        name = getattr(module, "__name__", repr(module))
        raise ConfigError(
            f"{name} needs arguments ({error}); pass a function that builds the model, such as `lambda: {name}(...)`;"
            " for --module, name a function of your script that needs no arguments"
        ) from None
    except ValueError:  # the signature is unknown, as for some classes in C
        pass
    return module()


def _fill_module(checkpoint: Checkpoint, module: Module) -> Module:
    problem = f"checkpoint {checkpoint.name!r} of {checkpoint.folder} does not fit {type(module).__name__}"
    fill(module, checkpoint.entries("model"), problem)
    return module

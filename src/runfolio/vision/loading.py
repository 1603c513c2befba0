"""The loader that checkpoints of `runfolio train` name: entry point `vision` of the group `runfolio.loaders`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runfolio.errors import DamagedFile, NotFound
from runfolio.vision._extras import vision_extra

if TYPE_CHECKING:
    import torch

    from runfolio.record.checkpoints import Checkpoint
    from runfolio.vision.predict import LoadedClassifier


def load(checkpoint: Checkpoint) -> LoadedClassifier:
    """The classifier of a checkpoint, in eval mode. Built from its meta and tensors; nothing is unpickled.

    Raises:
        DamagedFile: The meta describes no classifier, or the tensors do not fit the model; the message names them.
        NotFound: The model is one this version does not have.
        MissingExtra: torch or torchvision is not installed.
    """
    with vision_extra("loading a classifier"):
        from runfolio.vision.data.transform import ImageTransform
        from runfolio.vision.models import ModelSpec, build_model
        from runfolio.vision.predict import LoadedClassifier

    where = f"checkpoint {checkpoint.name!r} of {checkpoint.folder}"
    try:
        spec = ModelSpec.from_meta(checkpoint.meta["model"])
        transform = ImageTransform.from_meta(checkpoint.meta["transform"])
        classes = tuple(str(name) for name in checkpoint.meta["classes"])
        data = str(checkpoint.meta["data"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{where} does not describe a classifier ({type(error).__name__}: {error})") from None
    if len(classes) != spec.classes:
        raise DamagedFile(f"{where} names {len(classes)} classes for a model of {spec.classes}")
    try:
        model = build_model(spec)
    except NotFound as error:
        raise NotFound(f"{where}: {error}") from None
    tensors = checkpoint.tensors("model")
    if misfits := _misfits(model.state_dict(), tensors):
        raise DamagedFile(f"{where} does not fit model {spec.name}: {misfits}")
    model.load_state_dict(tensors)
    return LoadedClassifier(model.eval(), classes, transform, data)


def _misfits(wanted: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> str:
    missing = [f"{key} is missing" for key in wanted.keys() - given.keys()]
    extra = [f"{key} is unknown" for key in given.keys() - wanted.keys()]
    shapes = [
        f"{key} is {tuple(given[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted.keys() & given.keys()
        if given[key].shape != wanted[key].shape
    ]
    return "; ".join(sorted([*missing, *extra, *shapes]))

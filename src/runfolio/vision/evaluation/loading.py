"""Loader for the checkpoints of `runfolio train`. It is the entry point `vision` in the group `runfolio.loaders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runfolio.errors import DamagedFile, NotFound
from runfolio.vision._extras import vision_extra

if TYPE_CHECKING:
    from torch import nn

    from runfolio.record.checkpoints.manifests import Checkpoint
    from runfolio.vision.evaluation.predict import LoadedClassifier


def load(checkpoint: Checkpoint, own_model: nn.Module | None = None) -> LoadedClassifier:
    """Build the classifier of a checkpoint, in eval mode. Nothing is unpickled.

    Args:
        checkpoint: Checkpoint to load.
        own_model: Network of the user script that saved the checkpoint. It already contains the stored tensors.

    Raises:
        DamagedFile: The metadata do not describe a classifier, or the described classifier cannot be built; the message
            names the field.
        ConfigError: The tensors do not fit the model; the message names the tensors.
        NotFound: The installed version of torchvision or timm does not have the model.
        MissingExtra: A required package is not installed: torch, torchvision or timm.
    """
    with vision_extra("loading a classifier"):
        import torch

        from runfolio.record.checkpoints.loading import fill
        from runfolio.vision.evaluation.predict import LoadedClassifier
        from runfolio.vision.models import build_model
        from runfolio.vision.models.description import checkpoint_label, describe
        from runfolio.vision.models.stored_network import check_stored_network

    if own_model is not None:
        from runfolio.vision.evaluation.own_classifier import own_classifier

        return own_classifier(checkpoint, own_model)
    description, label = describe(checkpoint), checkpoint_label(checkpoint)
    try:
        check_stored_network(description.spec, checkpoint.stored_tensors("model"), label)
        model = build_model(description.spec)
    except NotFound as error:
        raise NotFound(f"{label}: {error}") from None
    fill(model, checkpoint.tensors("model"), f"{label} does not fit model {description.spec.name}")
    model.eval()
    try:
        with torch.inference_mode():  # this also starts torch's threads for the first prediction
            model(torch.zeros(1, *description.spec.image_shape))
    except (AssertionError, RuntimeError, ValueError) as error:
        height, width = description.spec.image_shape[1:]
        raise DamagedFile(
            f"{label} describes images of {height}x{width} pixels, which model {description.spec.name} does not accept"
            f" ({str(error).partition(chr(10))[0]})"
        ) from None
    return LoadedClassifier(model, description.classes, description.transform, description.data, description.test_data)

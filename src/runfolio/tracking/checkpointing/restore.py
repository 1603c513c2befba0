"""Function that loads a checkpoint's state into the objects of a training script, such as the model."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.record.checkpoints.loading import fitting_state
from runfolio.record.checkpoints.manifests import GENERATORS, RESERVED, Checkpoint
from runfolio.record.checkpoints.user_types import user_types
from runfolio.record.checkpoints.wrappers import sharded_like
from runfolio.tracking.checkpointing import random_states

log = logging.getLogger("runfolio")


def restore(checkpoint: Checkpoint, targets: Mapping[str, Any]) -> None:
    """Load the saved state into each target, and then restore the random generators. Targets are keyed by the name of
    their state.

    Raises:
        NotFound, ConfigError, DamagedFile: The state of a target is missing, does not fit, or cannot be read (see
            `Run.restore`). If the state of a module does not fit, no target was changed.
    """
    subject = f"checkpoint {checkpoint.name!r} of {checkpoint.folder}"
    objects = {name: target for name, target in targets.items() if name not in checkpoint.parts}
    state, lost_types = checkpoint.unpack_state({})
    if any(lost_types.values()):  # `state_dict` of some batch iterators starts workers, so it is called only if needed
        types = user_types([target.state_dict() for target in objects.values() if hasattr(target, "state_dict")])
        state, lost_types = checkpoint.unpack_state(types)
    for name, target in targets.items():
        if not hasattr(target, "load_state_dict"):
            raise ConfigError(
                f"{name} is a {type(target).__name__}, which has no load_state_dict; read its saved value from the"
                " checkpoint's `.state`"
            )
        if name not in checkpoint.parts and name not in state:
            names = [*checkpoint.parts, *(key for key in state if key not in RESERVED)]
            raise NotFound(f"{subject} has no {name!r}; {did_you_mean(name, names)}")
    modules = {
        name: (targets[name], fitting_state(targets[name], checkpoint.entries(name), f"{subject} does not fit {name}"))
        for name in checkpoint.parts
        if name in targets
    }
    for module, entries in modules.values():
        module.load_state_dict(entries)
    for name, target in objects.items():
        if lost := lost_types[name]:
            log.warning(
                "the state of %s has no values of type %s, so these values are loaded as plain values",
                name,
                ", ".join(sorted(lost)),
            )
        _load(target, state[name], f"{subject} does not fit {name}")
    if GENERATORS in state:
        random_states.restore(state[GENERATORS])


def _load(target: Any, state: Any, subject: str) -> None:
    try:
        target.load_state_dict(state)
    except Exception as error:  # each class raises different errors
        raise ConfigError(f"{subject}: {str(error) or type(error).__name__}") from error
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(target, torch.optim.Optimizer):
        _shard_optimizer(target)


def _shard_optimizer(optimizer: Any) -> None:
    """Split the state of an optimizer across processes (shard it) in the same way as its parameters. Checkpoints
    contain the state without sharding."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if getattr(value, "shape", None) == parameter.shape and not hasattr(value, "full_tensor"):
                values[name] = sharded_like(value, parameter)

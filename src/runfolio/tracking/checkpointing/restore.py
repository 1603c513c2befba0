"""A checkpoint's state into the objects of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.record.checkpoints.loading import compare, fill
from runfolio.record.checkpoints.manifests import GENERATORS, Checkpoint
from runfolio.tracking.checkpointing import random_states


def restore(checkpoint: Checkpoint, targets: Mapping[str, Any]) -> None:
    """Put what was saved under the name of each target into it, and restore the random generators, last of all.

    Raises:
        NotFound, ConfigError, DamagedFile: As `Run.restore` says; where a module does not fit, nothing was changed.
    """
    subject = f"checkpoint {checkpoint.name!r} of {checkpoint.folder}"
    state = checkpoint.state
    for name, target in targets.items():
        if not hasattr(target, "load_state_dict"):
            raise ConfigError(f"{name} is a {type(target).__name__}, which has no load_state_dict; see `.state`")
        if name not in checkpoint.parts and name not in state:
            names = [*checkpoint.parts, *(key for key in state if key != GENERATORS)]
            raise NotFound(f"{subject} holds no {name!r}; {did_you_mean(name, names)}")
    modules = {name: (targets[name], checkpoint.tensors(name)) for name in checkpoint.parts if name in targets}
    for name, (module, tensors) in modules.items():
        compare(module.state_dict(), tensors, f"{subject} does not fit {name}")
    for name, (module, tensors) in modules.items():
        fill(module, tensors, f"{subject} does not fit {name}")
    for name, target in targets.items():
        if name not in modules:
            _load(target, state[name], f"{subject} does not fit {name}")
    if GENERATORS in state:
        random_states.restore(state[GENERATORS])


def _load(target: Any, state: Any, subject: str) -> None:
    try:
        target.load_state_dict(state)
    except Exception as error:  # each kind of object has errors of its own
        raise ConfigError(f"{subject}: {str(error) or type(error).__name__}") from error

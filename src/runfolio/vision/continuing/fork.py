"""Forks of training runs. A fork is a new run that starts at a checkpoint of an earlier run, with changed settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.checkpoints.bounded_values import WrongValue, holding, integer, number, optional, sequence
from runfolio.record.checkpoints.loading import compare
from runfolio.record.checkpoints.manifests import LAST
from runfolio.settings import build
from runfolio.tracking.checkpointing.fork_folder import find_fork_checkpoint
from runfolio.vision.loop.early_stopping import EarlyStopping
from runfolio.vision.loop.train_state import SETTINGS_OF_PARTS, UNAVERAGED, TrainState
from runfolio.vision.models import build_model
from runfolio.vision.models.description import ClassifierDescription, checkpoint_label, describe
from runfolio.vision.settings import LOADER, TrainSettings

if TYPE_CHECKING:
    from runfolio import RecordedRun, Run
    from runfolio.record.checkpoints.manifests import Checkpoint

_IMAGES = "it uses the images of its parent"
_SPLIT = "a different value would select other validation images, and the parent has trained on some of them"
_STEPS = "a different value would change the number of steps per epoch"
_PREPROCESSING = "the network was trained on images prepared with this value"
_FIXED: Mapping[str, str] = {
    **dict.fromkeys(("data", "test_data", "skip_bad_images"), _IMAGES),
    **dict.fromkeys(("data_fraction", "val_fraction", "fold", "seed"), _SPLIT),
    **dict.fromkeys(("batch_size", "accumulate"), _STEPS),
    **dict.fromkeys(("image_size", "normalize"), _PREPROCESSING),
    "weights": "it starts with the weights of the checkpoint",
}
"""Settings that a fork cannot change, and the reasons."""
_check_state = holding(
    {
        "training": holding(
            {
                "epoch": integer(0, 2**31),
                "settings": holding(dict.fromkeys(SETTINGS_OF_PARTS, lambda value: value)),
            }
        ),
        "stopping": holding({"best": optional(number(-math.inf, math.inf)), "waited": integer(0, 2**31)}),
        "optimizer": holding(
            {"param_groups": sequence(holding({"params": sequence(integer(0, 2**31), 0, 2**31)}), 1, 10_000)}
        ),
    }
)
"""Function that checks the values that a fork reads directly from a checkpoint's state. `Run.restore` checks the other
values."""


@dataclass(frozen=True, kw_only=True)
class Fork:
    """Fork of a run that `runfolio train` made: the run, one of its checkpoints, and the new settings."""

    run: RecordedRun
    checkpoint: Checkpoint
    parent_settings: TrainSettings
    settings: TrainSettings

    def __post_init__(self) -> None:
        try:
            _check_state(self.checkpoint.state)
        except WrongValue as error:
            raise DamagedFile(
                f"{checkpoint_label(self.checkpoint)} does not contain the state of a training run: {error}"
            ) from None

    @classmethod
    def plan(cls, run: RecordedRun, changes: Mapping[str, Any], at: int | str = LAST) -> Self:
        """Return a fork of the run with changed settings.

        Args:
            changes: Changed settings by name.
            at: Step or name of the checkpoint to start from.

        Raises:
            NotFound: The checkpoint does not exist; the message lists the existing checkpoints.
            ConfigError: `runfolio train` did not make the run, or a changed setting is not allowed. The message gives
                the reason.
            DamagedFile: The checkpoint cannot be read.
        """
        step, name = (at, None) if isinstance(at, int) else (None, at)
        checkpoint = find_fork_checkpoint(run.folder, name, step)
        if checkpoint.loader != LOADER:
            raise ConfigError(
                f"run {run.name} ({run.id}) was not made by `runfolio train`; fork it in the script that made it, with"
                f" runfolio.fork({run.id!r})"
            )
        fork = cls(
            run=run,
            checkpoint=checkpoint,
            parent_settings=build(TrainSettings, run.config),
            settings=build(TrainSettings, {**run.config, **changes}),
        )
        fork._check_changes()
        fork._check_network()
        fork._check_end()
        return fork

    @classmethod
    def of_inherited(cls, run: RecordedRun, checkpoint: Checkpoint, settings: TrainSettings) -> Self | None:
        """Return a `Fork` if `run` is a fork that stopped before it saved a checkpoint. Otherwise, return None.

        Args:
            checkpoint: Checkpoint that the run resumes from.
            settings: Settings of `run`.
        """
        is_inherited = any(entry.attempt == checkpoint.attempt and entry.inherited for entry in run.document.attempts)
        if not is_inherited:
            return None
        return cls(run=run, checkpoint=checkpoint, parent_settings=settings, settings=settings)

    @property
    def description(self) -> ClassifierDescription:
        """Classifier of the checkpoint, with the dropout from the new settings."""
        description = describe(self.checkpoint)
        return replace(description, spec=replace(description.spec, dropout=self.settings.dropout))

    def restore(self, run: Run, state: TrainState) -> list[str]:
        """Restore the checkpoint into a training state with the new settings.

        The new settings define the learning rate schedule, which continues at the checkpoint's step.

        Returns:
            One sentence for each part of the checkpoint that could not be restored.
        """
        # The settings of the parent and of the checkpoint may differ, since the parent may be a fork itself.
        saved = self.checkpoint.state["training"]["settings"]

        def changes(*names: str) -> bool:
            return any(saved[name] != getattr(self.settings, name) for name in names)

        parts, notices = state.checkpoint_parts(), []
        optimizer, scheduler = parts["optimizer"], parts["scheduler"]
        options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        base_lrs = list(scheduler.base_lrs)
        sizes = _group_sizes(optimizer.state_dict())
        if changes("optimizer") or _group_sizes(self.checkpoint.state["optimizer"]) != sizes:
            del parts["optimizer"], parts["scheduler"]
            notices.append("the optimizer's state is reset, since the optimizer or its parameters changed")
        if changes("precision"):
            del parts["scaler"]
        averaged, averages = saved["ema"] is not None, self.settings.ema is not None
        if averaged and not averages:
            parts[UNAVERAGED] = parts.pop("model")
        elif averages and not averaged:
            parts["model"] = parts.pop(UNAVERAGED)
        run.restore(LAST, **parts)
        if averages and not averaged:
            state.predicting.load_state_dict(state.model.state_dict())
        scheduler.base_lrs, scheduler.last_epoch = base_lrs, state.step
        for stage, (group, group_options) in enumerate(zip(optimizer.param_groups, options, strict=True)):
            group.update(group_options, lr=state.rate(state.step, stage))
        if state.step == state.epoch * state.steps_per_epoch:
            state.epoch_lr = state.rate(state.step)
        return notices

    def _changes(self, *names: str) -> bool:
        return any(getattr(self.parent_settings, name) != getattr(self.settings, name) for name in names)

    def _check_changes(self) -> None:
        for field in fields(TrainSettings):
            if field.name in _FIXED and self._changes(field.name):
                value = getattr(self.parent_settings, field.name)
                raise ConfigError(
                    f"a fork keeps --{field.name.replace('_', '-')} {'none' if value is None else value}:"
                    f" {_FIXED[field.name]}; train a new run, with --weights {self.run.id} to start from these weights"
                )

    def _check_network(self) -> None:
        """Check that the checkpoint's tensors fit the network of the new settings."""
        if not self._changes("model", "hidden_units"):
            return
        spec = replace(self.description.spec, name=self.settings.model, hidden_units=self.settings.hidden_units)
        error_prefix = (
            f"{checkpoint_label(self.checkpoint)} contains a different network than --model {spec.name} with these"
            " settings"
        )
        try:
            compare(build_model(spec).state_dict(), self.checkpoint.tensors("model"), error_prefix)
        except ConfigError as error:
            raise ConfigError(f"{error}; a fork keeps the network of its parent, so train a new run instead") from None

    def _check_end(self) -> None:
        state = self.checkpoint.state
        epoch = state["training"]["epoch"]
        if epoch >= self.settings.epochs:
            raise ConfigError(
                f"{checkpoint_label(self.checkpoint)} has completed epoch {epoch} and --epochs is "
                f"{self.settings.epochs}, so nothing is left to train; increase --epochs or choose an earlier "
                "checkpoint with --at"
            )
        stopping = EarlyStopping(self.settings.patience)
        stopping.load_state_dict(state["stopping"])
        if stopping.is_due:
            raise ConfigError(
                f"{checkpoint_label(self.checkpoint)} was saved after {stopping.waited} epochs without improvement, and"
                f" --patience {self.settings.patience} stops training there; increase --patience or set it to none"
            )


def _group_sizes(optimizer: Mapping[str, Any]) -> list[int]:
    """Return the number of parameters in each group of an optimizer's state."""
    return [len(group["params"]) for group in optimizer["param_groups"]]

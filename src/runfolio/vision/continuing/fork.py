"""A training continued another way: which settings a fork may change, and the state that it begins from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.checkpoints.loading import compare
from runfolio.record.checkpoints.manifests import LAST
from runfolio.settings import build
from runfolio.tracking.checkpointing.fork_folder import find_fork_checkpoint
from runfolio.vision.loop.early_stopping import EarlyStopping
from runfolio.vision.loop.engine import UNAVERAGED, Training
from runfolio.vision.models import build_model
from runfolio.vision.models.description import LOADER, Description, describe, place_of
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from runfolio import RecordedRun, Run
    from runfolio.record.checkpoints.manifests import Checkpoint

_IMAGES = "it goes on with its parent's images"
_SPLIT = "it says which images validate, and those of another split have been trained on already"
_STEPS = "it says how many steps an epoch has"
_LOOKS = "the network has learned from images prepared as its parent's are"
_FIXED: Mapping[str, str] = {
    **dict.fromkeys(("data", "test_data", "skip_bad_images"), _IMAGES),
    **dict.fromkeys(("data_fraction", "val_fraction", "fold", "seed"), _SPLIT),
    **dict.fromkeys(("batch_size", "accumulate"), _STEPS),
    **dict.fromkeys(("image_size", "normalize"), _LOOKS),
    "weights": "its weights are the checkpoint's",
}
"""Settings that a fork cannot change, and why not."""


@dataclass(frozen=True, kw_only=True)
class Fork:
    """A run of `runfolio train`, a checkpoint of it, and the settings to go on with from there."""

    run: RecordedRun
    checkpoint: Checkpoint
    before: TrainSettings
    """The run's own."""
    settings: TrainSettings

    @classmethod
    def plan(cls, run: RecordedRun, changes: Mapping[str, Any], at: int | str = LAST) -> Self:
        """A fork of the run that changes some settings.

        Args:
            changes: Settings by name.
            at: The step of the checkpoint to begin from, or its name.
        Raises:
            NotFound: There is no such checkpoint; the message names those there are.
            ConfigError: The run was not made by `runfolio train`; or a setting cannot be changed, does not suit the
                checkpoint's network, or leaves nothing to train.
            DamagedFile: The checkpoint cannot be read.
        """
        step, name = (at, None) if isinstance(at, int) else (None, at)
        checkpoint = find_fork_checkpoint(run.folder, name, step)
        if checkpoint.loader != LOADER:
            raise ConfigError(
                f"run {run.name} ({run.id}) was not made by `runfolio train`; fork it in the script that made it, by"
                f" runfolio.fork({run.id!r})"
            )
        before, settings = (build(TrainSettings, config) for config in (run.config, {**run.config, **changes}))
        fork = cls(run=run, checkpoint=checkpoint, before=before, settings=settings)
        fork._check_changes()
        fork._check_network()
        fork._check_end()
        return fork

    @classmethod
    def begun_by(cls, run: RecordedRun, checkpoint: Checkpoint, settings: TrainSettings) -> Self | None:
        """The fork that `run` is, where it has to be begun again: it was stopped before it saved anything of its own.

        Args:
            checkpoint: What the run goes on from.
            settings: The run's own.
        """
        is_inherited = any(entry.attempt == checkpoint.attempt and entry.inherited for entry in run.attempts)
        return cls(run=run, checkpoint=checkpoint, before=settings, settings=settings) if is_inherited else None

    @property
    def begun(self) -> Description:
        """What goes on: the checkpoint's classifier, with the dropout of the new settings."""
        begun = describe(self.checkpoint)
        return replace(begun, spec=replace(begun.spec, dropout=self.settings.dropout))

    def take_up(self, run: Run, training: Training) -> list[str]:
        """Put the state of `run`'s checkpoint into a training of the new settings; what changed, a sentence each.

        Learning rate, its schedule, and what else the settings say are theirs; the schedule goes on at its step.
        """
        before = self.checkpoint.state["training"]["settings"]  # the run may have inherited it itself

        def changes(*names: str) -> bool:
            return any(before[name] != getattr(self.settings, name) for name in names)

        targets, notices = training.state(), []
        optimizer, scheduler = targets["optimizer"], targets["scheduler"]
        ruled = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        base = list(scheduler.base_lrs)
        if changes("optimizer") or _groups(self.checkpoint.state["optimizer"]) != _groups(optimizer.state_dict()):
            del targets["optimizer"], targets["scheduler"]
            notices.append("the optimizer's state starts fresh, since it trains other weights or is another one")
        if changes("precision"):
            del targets["scaler"]
        averaged, averages = before["ema"] is not None, self.settings.ema is not None
        if averaged and not averages:
            targets[UNAVERAGED] = targets.pop("model")
        elif averages and not averaged:
            targets["model"] = targets.pop(UNAVERAGED)
        run.restore(LAST, **targets)
        if averages and not averaged:
            training.predicting.load_state_dict(training.model.state_dict())
        scheduler.base_lrs, scheduler.last_epoch = base, training.step
        for stage, (group, own) in enumerate(zip(optimizer.param_groups, ruled, strict=True)):
            group.update(own, lr=training.rate(training.step, stage))
        if training.step == training.epoch * training.steps_per_epoch:
            training.epoch_lr = training.rate(training.step)
        return notices

    def _changes(self, *names: str) -> bool:
        return any(getattr(self.before, name) != getattr(self.settings, name) for name in names)

    def _check_changes(self) -> None:
        for field in fields(TrainSettings):
            if field.name in _FIXED and self._changes(field.name):
                value = getattr(self.before, field.name)
                raise ConfigError(
                    f"a fork keeps --{field.name.replace('_', '-')} {'none' if value is None else value}:"
                    f" {_FIXED[field.name]}; train a new run, with --weights {self.run.id} from these weights"
                )

    def _check_network(self) -> None:
        """See that the checkpoint's tensors are those of the network that the settings ask for."""
        if not self._changes("model", "hidden_units"):
            return
        spec = replace(self.begun.spec, name=self.settings.model, hidden_units=self.settings.hidden_units)
        what = f"{place_of(self.checkpoint)} is of another network than --model {spec.name} with these settings"
        try:
            compare(build_model(spec).state_dict(), self.checkpoint.tensors("model"), what)
        except DamagedFile as error:
            raise ConfigError(f"{error}; a fork keeps the network of its parent: train a new run") from None

    def _check_end(self) -> None:
        state = self.checkpoint.state
        epoch = state["training"]["epoch"]
        if epoch >= self.settings.epochs:
            raise ConfigError(
                f"{place_of(self.checkpoint)} has epoch {epoch} behind it and --epochs is {self.settings.epochs}:"
                " nothing is left to train; give more, or an earlier checkpoint with --at"
            )
        stopping = EarlyStopping(self.settings.patience)
        stopping.load_state_dict(state["stopping"])
        if stopping.due:
            raise ConfigError(
                f"{place_of(self.checkpoint)} has {stopping.waited} epochs behind it that were no better, and"
                f" --patience {self.settings.patience} stops there; give a larger one or none"
            )


def _groups(optimizer: Mapping[str, Any]) -> list[int]:
    """How many parameters each group of an optimizer's state has."""
    return [len(group["params"]) for group in optimizer["param_groups"]]

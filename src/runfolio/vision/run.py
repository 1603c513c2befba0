"""One tracked training run, from its settings to its results. This module uses the public class `Run`, like any user
script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.record.checkpoints.manifests import LAST, pruned_names, read_intact
from runfolio.record.continue_command import continue_command
from runfolio.settings import build, fields_of
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.vision.continuing.fork import Fork
from runfolio.vision.continuing.same_data_check import match_recorded_images
from runfolio.vision.evaluation.final_test import is_tested_at_end
from runfolio.vision.loop.epoch_metrics import EpochResult
from runfolio.vision.loop.epochs import evaluate, train_epoch
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.notices import Notices
from runfolio.vision.loop.progress_bar import EpochProgressBar
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models.description import ClassifierDescription, checkpoint_label, describe
from runfolio.vision.prepare import PARTS, Preparation, prepare
from runfolio.vision.run_summary import record_inputs, record_network, record_results, record_sizes
from runfolio.vision.settings import AUTO, LOADER, RANGE_TEST, CheckpointConfig, TrainSettings
from runfolio.vision.tuning.batch_size import resolve_batch_size
from runfolio.vision.tuning.profiling import train_epoch_with_profile

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import RecordedRun, Run
    from runfolio.record.checkpoints.manifests import Checkpoint

_RECORDING = runfolio.RecordingConfig(announce=False)
"""Recording options that turn off the run's announcement on the terminal, since the caller reports the run's folder."""
_BEFORE_FIRST_POINT = -1
"""Step before the first logged value. A run without a checkpoint resumes from this step, so it is trained from the
start."""


def run_experiment(
    settings: TrainSettings | None = None,
    *,
    store: Path | str | None = None,
    experiment: str | None = None,
    name: str | None = None,
    series: Mapping[str, Any] | None = None,
    resume: str | Path | None = None,
    force: bool = False,
    changed_data: bool = False,
    fork: Fork | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train one classifier as one tracked run, and return the folder of the run.

    Args:
        settings: Settings of a new run. They are ignored if `resume` or `fork` is given. A resumed run uses its
            recorded settings, and a fork has its own settings.
        store: Folder of the store.
        experiment: Name of the experiment. The default is a short name of the data, such as `digits`.
        name: Name of the run. The default consists of the model, the fraction of the data and the number of epochs,
            such as `tinyvgg-20pct-5ep`.
        series: Series that the run belongs to, in the format of `run.json`.
        resume: Id, prefix of the id, name or folder of a run to resume. The run continues from its `last` checkpoint,
            or from its first step if it has no checkpoint.
        force: If true, `resume` takes over the run from a process that is still writing to it.
        changed_data: If true, `resume` and `fork` continue even if the images have changed. Each image stays in its
            recorded part (training, validation or test), and new images are ignored.
        fork: Fork to train, as returned by `Fork.plan`.
        progress: Progress display for the run.

    Raises:
        NotFound: The model, data or run is unknown.
        ConfigError: The settings cannot be used on this machine, the run is finished, or its images changed.
    """
    if resume is not None:
        return _resume(resume, store, progress, force=force, changed_data=changed_data)
    if fork is not None:
        return _fork(fork, store, experiment, name, progress, changed_data=changed_data)
    if settings is None:
        raise ConfigError("nothing to train: give settings, or a run to resume or fork")
    # A single run is checked before it is created. In a series, runs that fail the check are recorded, too.
    preparation, reason = None, None
    if not series or settings.batch_size == AUTO:
        preparation = prepare(settings, store=store, progress=progress)
    if preparation is not None and settings.batch_size == AUTO:
        preparation, reason = resolve_batch_size(preparation, progress)
        settings = preparation.settings
    runfolio.seed_everything(settings.seed)
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.init(
            name or settings.name_in_series((series or {}).get("varied", {})),
            experiment=experiment or settings.data_name,
            config=settings,
            store=store,
            series=series,
            tensorboard=settings.tensorboard,
            checkpoints=_checkpoint_policy(settings),
            recording=_RECORDING,
        ) as run,
    ):
        if reason:
            Notices(run, progress).once("batch size", reason)
        preparation = preparation or prepare(settings, store=store, progress=progress)
        _train(run, preparation, progress, tests=is_tested_at_end(settings, series))
    return run.folder


def _resume(
    run_name: str | Path, store: Path | str | None, progress: Progress | None, *, force: bool, changed_data: bool
) -> Path:
    recorded = runfolio.open(store).run(str(run_name))
    checkpoint = _last_checkpoint(recorded)
    settings = _recorded_settings(recorded, checkpoint)
    fork = Fork.of_inherited(recorded, checkpoint, settings) if checkpoint else None
    description = fork.description if fork else _description(checkpoint, settings) if checkpoint else None
    preparation, changes = match_recorded_images(
        prepare(settings, store=store, description=description, progress=progress),
        recorded,
        classes=description.classes if description else None,
        changed_data=changed_data,
    )
    # A run without a checkpoint is trained again from its first step. The seed is the same, so the results are
    # bit-identical.
    step = None if checkpoint else _BEFORE_FIRST_POINT
    policy = _checkpoint_policy(settings)
    # This call records the seed. The random states of the checkpoint are restored later.
    runfolio.seed_everything(settings.seed)
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.resume(
            recorded.folder, step=step, store=store, force=force, checkpoints=policy, recording=_RECORDING
        ) as run,
    ):
        _report_changes(run, changes, progress)
        tests = is_tested_at_end(settings, recorded.document.series)
        _train(run, preparation, progress, tests=tests, resumes=checkpoint is not None, fork=fork)
    return run.folder


def _fork(
    fork: Fork,
    store: Path | str | None,
    experiment: str | None,
    name: str | None,
    progress: Progress | None,
    *,
    changed_data: bool,
) -> Path:
    settings, description = fork.settings, fork.description
    preparation, changes = match_recorded_images(
        prepare(settings, store=store, description=description, progress=progress),
        fork.run,
        classes=description.classes,
        changed_data=changed_data,
    )
    runfolio.seed_everything(settings.seed)
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.fork(
            fork.run.folder,
            name=name,
            checkpoint=fork.checkpoint.name,
            experiment=experiment,
            config=settings,
            store=store,
            tensorboard=settings.tensorboard,
            checkpoints=_checkpoint_policy(settings),
            recording=_RECORDING,
        ) as run,
    ):
        _report_changes(run, changes, progress)
        _train(run, preparation, progress, tests=True, fork=fork)
    return run.folder


def _report_changes(run: Run, changes: str | None, progress: Progress | None) -> None:
    if changes:
        Notices(run, progress).once("data", f"continues although its images changed: {changes}")


def _last_checkpoint(recorded: RecordedRun) -> Checkpoint | None:
    """Return the checkpoint from which the run resumes. `runfolio.resume` logs a warning if the last checkpoint is
    damaged.

    Raises:
        NotFound: The checkpoints were pruned (moved to the trash of the store) and can still be restored.
    """
    try:
        return read_intact(recorded.folder, LAST, lambda reason: None)
    except NotFound:
        if pruned_names(recorded.folder):
            raise
        return None


def _description(checkpoint: Checkpoint, settings: TrainSettings) -> ClassifierDescription:
    description = describe(checkpoint)
    if description.spec.name != settings.model:
        raise ConfigError(
            f"{checkpoint_label(checkpoint)} contains model {description.spec.name}, but the run trains "
            f"{settings.model}; restore the run's own checkpoints from a backup, or remove them to train from the "
            "start"
        )
    return description


def _checkpoint_policy(settings: CheckpointConfig) -> runfolio.CheckpointPolicy:
    return runfolio.CheckpointPolicy(
        every_steps=settings.checkpoint_steps,
        every_minutes=settings.checkpoint_minutes,
        keep_best=settings.keep_best,
        keep_every=settings.keep_every,
        budget_mb=settings.checkpoint_budget,
    )


def _recorded_settings(recorded: RecordedRun, checkpoint: Checkpoint | None) -> TrainSettings:
    label = f"run {recorded.name} ({recorded.id})"
    if RANGE_TEST in recorded.config:
        raise ConfigError(f"{label} is a learning rate range test; `runfolio train --find-lr` starts a new one")
    names = {field.name for field in fields_of(TrainSettings)}
    if (recorded.config.keys() != names) if checkpoint is None else (checkpoint.loader != LOADER):
        command = continue_command(recorded.folder, recorded.document)
        own_script = f": `{command}`" if command else f", with runfolio.init(resume={recorded.id!r})"
        raise ConfigError(f"{label} was not made by `runfolio train`; resume it in the script that made it{own_script}")
    if recorded.state == "finished":
        raise ConfigError(
            f"{label} is finished, so it cannot be resumed; `runfolio fork {recorded.id} --epochs N` continues it as a"
            " new run"
        )
    return build(TrainSettings, recorded.config)


def _train(
    run: Run,
    preparation: Preparation,
    progress: Progress | None,
    *,
    tests: bool,
    resumes: bool = False,
    fork: Fork | None = None,
) -> None:
    """Train until the last epoch or early stopping, and record the results of the best epoch.

    `run.checkpoint` is called after each step, each evaluated batch and each epoch. It saves a checkpoint if one is
    due. A run resumed in the middle of an epoch continues after its last step. An interrupted validation starts again.
    """
    settings, meta, chosen_by = preparation.settings, preparation.meta, preparation.chosen_by
    notices = Notices(run, progress)
    # Seed again. The initial weights must not depend on the random numbers that the preparation has drawn.
    runfolio.seed_everything(settings.seed, deterministic=settings.deterministic)
    state = TrainState(preparation)
    inputs = InputPipeline(preparation)
    if fork is not None:
        record_sizes(run, state, preparation)
        notices.all(fork.restore(run, state))
    elif resumes:
        run.restore(LAST, **state.checkpoint_parts())
    else:
        record_network(run, state, inputs, preparation, notices)
    notices.all(inputs.open_cache(state, progress, PARTS if tests else ("train", "val")))
    record_inputs(run, preparation)
    run.total_steps = settings.epochs * state.steps_per_epoch
    if settings.watch:
        run.watch(state.model, settings.watch, step=state.step)
    train = train_epoch
    if settings.profile:
        train = partial(train_epoch_with_profile, run=run, notify=partial(notices.once, "profile"))

    def save(score: float | None = None) -> None:
        run.checkpoint(step=state.step, metric=score, loader=LOADER, meta=meta, **state.checkpoint_parts())

    def on_batch(logits: torch.Tensor) -> None:
        save()

    def on_step(loss: torch.Tensor) -> None:
        run.log({"batch/loss": loss, **state.progress}, step=state.step)
        bar.advance()
        save()

    with EpochProgressBar(
        progress, run.name, run.log_console, epochs=settings.epochs, steps=state.steps_per_epoch, completed=state.step
    ) as bar:
        while not state.is_over:
            bar.start_epoch(state.epoch + 1)
            with inputs.connect(state) as batches:
                trained = train(state, batches.train, on_step)
                validated = None if batches.val is None else evaluate(state, batches.val, on_batch).result
                tested = evaluate(state, batches.test, on_batch).result if settings.test_at == "epoch" else None
            values = _epoch_values(state, trained, validated, tested)
            state.end_epoch(values, score=values[chosen_by])
            run.log({**values, **state.progress}, step=state.epoch)
            save(values[chosen_by])
            _warn_of_losses(values, settings.lr, notices)
            bar.report(values, chosen_by)
        bar.show("testing" if tests else "summarising")
        record_results(run, state, inputs, preparation, notices, tests=tests)
    if state.epoch < settings.epochs:
        epochs = f"{settings.patience} epoch{'s' * (settings.patience != 1)}"
        run.finish(
            reason=f"stopped after epoch {state.epoch} of {settings.epochs}: {chosen_by} did not improve for {epochs}"
        )


def _epoch_values(
    state: TrainState, trained: EpochResult, validated: EpochResult | None, tested: EpochResult | None
) -> dict[str, float]:
    """Return all metrics of an epoch."""
    return {
        **state.epoch_rates,
        **trained.metrics("train"),
        **(validated.metrics("val") if validated else {}),
        **(tested.metrics("test") if tested else {}),
        "epoch_seconds": trained.seconds + (validated.seconds if validated else 0.0),
        "images_per_second": trained.images / trained.seconds,
    }


def _warn_of_losses(values: Mapping[str, float], lr: float, notices: Notices) -> None:
    losses = [
        f"{name} is {value}" for name, value in values.items() if name.endswith("/loss") and not math.isfinite(value)
    ]
    if losses:
        notices.once("loss", f"{', '.join(losses)}; an --lr below {lr:g} may help")

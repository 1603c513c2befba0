"""One tracked training, from settings to a finished run, by nothing but the public Run that any script has."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.record.checkpoints.manifests import BEST, LAST, whole
from runfolio.settings import build, fields_of
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.vision.continuing.fork import Fork
from runfolio.vision.continuing.same_data_check import on_the_same_images
from runfolio.vision.evaluation.final_test import record_test, tests_itself
from runfolio.vision.loop.engine import Training
from runfolio.vision.loop.epoch_metrics import Figures
from runfolio.vision.loop.progress_bar import Meter
from runfolio.vision.models.description import LOADER, Description, describe, place_of
from runfolio.vision.models.summary import Architecture, architecture
from runfolio.vision.prepare import PARTS, Preparation, prepare
from runfolio.vision.settings import AUTO, RANGE_TEST, TrainSettings
from runfolio.vision.tuning.batch_size import with_batch_size
from runfolio.vision.tuning.profiling import profiled

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import RecordedRun, Run
    from runfolio.record.checkpoints.manifests import Checkpoint

_BEFORE_ALL = -1
"""A step that lies before the first point."""
_OF_AN_EPOCH = ("train/*", "val/*", "test/*", "lr", "lr/*", "epoch_seconds", "images_per_second")
"""What is logged once an epoch, and so drawn over epochs."""


class TrainingWarning(UserWarning):
    """A loss that is no number, or a best epoch that was chosen without validation."""


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
    """Train one classifier as one tracked run, and return the run's folder.

    Args:
        settings: What to train. Not needed to resume: a run goes on with the settings it was begun with.
        experiment: Default: a short name of the data, such as `digits`.
        name: Default: such as `tinyvgg-20pct-5ep`.
        resume: A run to go on with from its `last` checkpoint, or its first step where it saved none; id, prefix, name
            or folder.
        force: With `resume`: take it over from a process that still writes it.
        changed_data: With `resume` or `fork`: go on although the images changed since. Each stays in its part
            (training, validation, test), new ones play no part.
        fork: What to continue another way, as `Fork.plan` gives it; its settings, name and experiment go on too.
        progress: Gets a task of this run for as long as it trains.

    Raises:
        NotFound: Unknown model, data or run.
        ConfigError: Settings that cannot be followed here, a run that is finished, or one whose images changed since.
    """
    if resume is not None:
        return _resume(resume, store, progress, force=force, changed_data=changed_data)
    if fork is not None:
        return _fork(fork, store, experiment, name, progress, changed_data=changed_data)
    if settings is None:
        raise ConfigError("nothing to train: give settings, or a run to resume or fork")
    # A mistake on the command line leaves no run behind; in a series a failing run is part of the record.
    preparation, found = None, None
    if not series or settings.batch_size == AUTO:
        preparation = prepare(settings, store=store, progress=progress)
    if preparation is not None and settings.batch_size == AUTO:
        preparation, found = with_batch_size(preparation, progress)
        settings = preparation.settings
    runfolio.seed_everything(settings.seed)
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.init(
            name or settings.run_name,
            experiment=experiment or settings.data_name,
            config=settings,
            store=store,
            series=series,
            tensorboard=settings.tensorboard,
            checkpoints=_policy(settings),
        ) as run,
    ):
        if found:
            _Notices(run, progress).once("batch size", found)
        ready = preparation or prepare(settings, store=store, progress=progress)
        _train(run, ready, progress, tests=tests_itself(settings, series))
    return run.folder


def _resume(
    wanted: str | Path, store: Path | str | None, progress: Progress | None, *, force: bool, changed_data: bool
) -> Path:
    recorded = runfolio.open(store).run(str(wanted))
    checkpoint = _last(recorded)
    settings = _settings_of(recorded, checkpoint)
    fork = Fork.begun_by(recorded, checkpoint, settings) if checkpoint else None
    begun = fork.begun if fork else _network_of(checkpoint, settings) if checkpoint else None
    preparation, changes = on_the_same_images(
        prepare(settings, store=store, begun=begun, progress=progress),
        recorded,
        classes=begun.classes if begun else None,
        changed_data=changed_data,
    )
    # Without a checkpoint it is trained from its first step again: the seed gives the same bits.
    step = None if checkpoint else _BEFORE_ALL
    policy = _policy(settings)
    runfolio.seed_everything(settings.seed)  # recorded as at its first start, though the checkpoint's states replace it
    with (
        deterministic_algorithms(settings.deterministic),
        runfolio.resume(recorded.folder, step=step, store=store, force=force, checkpoints=policy) as run,
    ):
        _tell_of_changes(run, changes, progress)
        tests = tests_itself(settings, recorded.series)
        _train(run, preparation, progress, tests=tests, go_on=checkpoint is not None, fork=fork)
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
    settings, begun = fork.settings, fork.begun
    preparation, changes = on_the_same_images(
        prepare(settings, store=store, begun=begun, progress=progress),
        fork.run,
        classes=begun.classes,
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
            checkpoints=_policy(settings),
        ) as run,
    ):
        _tell_of_changes(run, changes, progress)
        _train(run, preparation, progress, tests=True, fork=fork)
    return run.folder


def _tell_of_changes(run: Run, changes: str | None, progress: Progress | None) -> None:
    if changes:
        _Notices(run, progress).once("data", f"goes on although its images changed: {changes}")


def _last(recorded: RecordedRun) -> Checkpoint | None:
    """The checkpoint that the run goes on from: a damaged one gives way to another, which `runfolio.init` tells."""
    try:
        return whole(recorded.folder, LAST, lambda told: None)
    except NotFound:
        return None


def _network_of(checkpoint: Checkpoint, settings: TrainSettings) -> Description:
    described = describe(checkpoint)
    if described.spec.name != settings.model:
        raise ConfigError(
            f"{place_of(checkpoint)} is of model {described.spec.name}, and the run trains {settings.model};"
            " bring the run's own checkpoints back from a copy, or remove them to begin the training again"
        )
    return described


def _policy(settings: TrainSettings) -> runfolio.CheckpointPolicy:
    return runfolio.CheckpointPolicy(
        every_steps=settings.checkpoint_steps,
        every_minutes=settings.checkpoint_minutes,
        keep_best=settings.keep_best,
        keep_every=settings.keep_every,
        budget_mb=settings.checkpoint_budget,
    )


def _settings_of(recorded: RecordedRun, checkpoint: Checkpoint | None) -> TrainSettings:
    label = f"run {recorded.name} ({recorded.id})"
    if recorded.state == "finished":
        raise ConfigError(
            f"{label} is finished; there is nothing to resume: `runfolio fork {recorded.id} --epochs N` trains it"
            " further, as a new run"
        )
    if RANGE_TEST in recorded.config:
        raise ConfigError(f"{label} is a learning rate range test; `runfolio train --find-lr` begins another one")
    names = {field.name for field in fields_of(TrainSettings)}
    if (recorded.config.keys() != names) if checkpoint is None else (checkpoint.loader != LOADER):
        raise ConfigError(f"{label} was not made by `runfolio train`; resume it with the script that made it")
    return build(TrainSettings, recorded.config)


def _train(
    run: Run,
    preparation: Preparation,
    progress: Progress | None,
    *,
    tests: bool,
    go_on: bool = False,
    fork: Fork | None = None,
) -> None:
    settings = preparation.settings
    notices = _Notices(run, progress)
    # Again: whatever drew numbers since, the weights are this seed's.
    runfolio.seed_everything(settings.seed, deterministic=settings.deterministic)
    training = Training(preparation)
    if fork is not None:
        _sum_up_beginning(run, training, preparation)
        for notice in fork.take_up(run, training):
            notices.once(notice, notice)
    elif go_on:
        run.restore(LAST, **training.state())
    else:
        _describe(run, training, preparation, notices)
    for notice in training.open_cache(progress, PARTS if tests else ("train", "val")):
        notices.once(notice, notice)
    for part, source in preparation.parts.items():
        run.log_data(part, partial(preparation.listing, part), source=source)
    for metric in _OF_AN_EPOCH:
        run.define_metric(metric, x="epoch")
    if settings.watch:
        run.watch(training.model, settings.watch, step=training.step)
    tell = partial(notices.once, "profile")
    train = profiled(training, run, tell=tell) if settings.profile else training.train_epoch
    steps = training.steps_per_epoch
    with Meter(progress, run.name, epochs=settings.epochs, steps=steps, done=training.step) as meter:
        while not training.is_over:
            meter.epoch(training.epoch + 1)
            _train_epoch(run, training, preparation, meter, train)
            _warn_of_losses(training.figures, settings, notices)
            meter.report(training.figures, preparation.chosen_by)
        meter.say("testing" if tests else "summing up")
        _conclude(run, training, preparation, notices, tests=tests)
    if training.epoch < settings.epochs:
        _finish_early(run, training, preparation)


def _finish_early(run: Run, training: Training, preparation: Preparation) -> None:
    settings = preparation.settings
    epochs = f"{settings.patience} epoch{'s' * (settings.patience != 1)}"
    run.finish(
        reason=f"stopped after epoch {training.epoch} of {settings.epochs}:"
        f" {preparation.chosen_by} got no better for {epochs}"
    )


def _train_epoch(
    run: Run,
    training: Training,
    preparation: Preparation,
    meter: Meter,
    train: Callable[[Callable[[torch.Tensor], None]], Figures],
) -> None:
    """Train and validate once, or go on with an epoch that was begun; its points, and the checkpoint at its end.

    Each step's loss is logged on the way. What is saved before the epoch's end is gone on with behind the last step;
    the validation is then done anew.
    """
    settings, meta = preparation.settings, preparation.meta

    def save(metric: float | None = None) -> None:
        run.checkpoint(step=training.step, metric=metric, loader=LOADER, meta=meta, **training.state())

    def on_step(loss: torch.Tensor) -> None:
        run.log({"batch/loss": loss, **training.progress}, step=training.step)
        meter.step()
        save()

    trained = train(on_step)
    values = {**training.epoch_rates, **_named("train", trained)}
    seconds = trained.seconds
    if training.val_batches is not None:
        validated = training.evaluate(training.val_batches, save).figures
        values |= _named("val", validated)
        seconds += validated.seconds
    if settings.test_at == "epoch":
        values |= _named("test", training.evaluate(training.test_batches, save).figures)
    values |= {"epoch_seconds": seconds, "images_per_second": trained.images / trained.seconds}
    training.end_epoch(values)
    run.log({**values, **training.progress}, step=training.epoch)
    save(values[preparation.chosen_by])


def _warn_of_losses(values: Mapping[str, float], settings: TrainSettings, notices: _Notices) -> None:
    bad = [
        f"{name} is {value}" for name, value in values.items() if name.endswith("/loss") and not math.isfinite(value)
    ]
    if bad:
        notices.once("loss", f"{', '.join(bad)}; recorded as such. A lower --lr than {settings.lr:g} may help")


def _describe(run: Run, training: Training, preparation: Preparation, notices: _Notices) -> None:
    run.log_text("architecture", _sum_up_beginning(run, training, preparation).as_text())
    run.log_graph(training.model, training.example())
    if bad := preparation.source.bad_images if preparation.settings.skip_bad_images else []:
        run.log_text("bad images", "\n".join(bad))
        notices.once("bad images", f"left out {len(bad):,} image{'s' * (len(bad) > 1)} that cannot be read: {bad[0]}")
    if preparation.chosen_by == "train/acc":
        notices.once("choice", "val-fraction is 0, so the best epoch is chosen by train/acc, which flatters")


def _sum_up_beginning(run: Run, training: Training, preparation: Preparation) -> Architecture:
    """Report what is known before the first step."""
    shape = architecture(training.model, preparation.spec.image_shape)
    run.summary.update(
        {
            "parameters": shape.parameters,
            "trainable_parameters": shape.trainable_parameters,
            "size_mb": shape.size_mb,
            "train/images": len(preparation.train),
            "val/images": len(preparation.val),
            "test/images": len(preparation.test),
        }
    )
    if preparation.settings.skip_bad_images:
        run.summary["bad_images"] = len(preparation.source.bad_images)
    return shape


def _conclude(run: Run, training: Training, preparation: Preparation, notices: _Notices, *, tests: bool) -> None:
    """Sum the run up, and test its best epoch's weights where it is to be tested now."""
    best_epoch, figures = _take_best_weights(run, training, notices)
    run.summary.update(
        {
            "best/epoch": best_epoch,
            "chosen_by": preparation.chosen_by,
            **{name: value for name, value in figures.items() if name.startswith(("train/", "val/"))},
            "epoch_seconds": statistics.median(training.epoch_seconds),
            "predict_ms": training.predict_ms(),
        }
    )
    if tests:
        record_test(run, training, preparation, best_epoch)


def _take_best_weights(run: Run, training: Training, notices: _Notices) -> tuple[int, dict[str, float]]:
    """Load them; the epoch they are of and its figures. A store that took no checkpoint does not cost the result."""
    try:
        best = run.restore(BEST, model=training.predicting)
    except (DamagedFile, NotFound, StoreError):
        notices.once("unsaved", "the best epoch's checkpoint cannot be read, so the last epoch's weights count")
        return training.epoch, training.figures
    reached = best.state["training"]
    return reached["epoch"], reached["figures"]


def _named(images: str, figures: Figures) -> dict[str, float]:
    return {f"{images}/loss": figures.loss, f"{images}/acc": figures.accuracy}


class _Notices:
    """What a user should know, said once where they look and kept with the run."""

    def __init__(self, run: Run, progress: Progress | None) -> None:
        self._run = run
        self._progress = progress
        self._said: set[str] = set()

    def once(self, kind: str, text: str) -> None:
        if kind in self._said:
            return
        self._said.add(kind)
        self._run.log_text("notice", text)
        said = f"{self._run.name}: {text}"
        if self._progress is None:
            warnings.warn(said, TrainingWarning, stacklevel=2)
        else:
            self._progress.console.print(said, style="yellow", markup=False, soft_wrap=True)

"""Every hyperparameter of a training, as one typed class: the Python call, the YAML keys and the flags of `train`.

`TrainSettings` is flat, as flags, YAML files and records are, and is composed of one class per topic. A function that
needs one topic names that class as its parameter's type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.checkpoints.image_transforms import MAX_SIDE
from runfolio.settings import COMMON, Settings, setting
from runfolio.vision.folds import Fold

_DATA, _MODEL, _OPTIMISATION, _SCHEDULE, _RUN = "data", "model", "optimisation", "schedule", "run"
_CHECKPOINTS = "checkpoints"
AUTO = "auto"
"""Batch size that is measured before the training."""
RANGE_TEST = "lr_finder"
"""Key that the config of a learning rate range test has in addition to the settings."""
_NAMING_KEYS = frozenset({"model", "data", "data-fraction", "epochs", "seed", "fold"})
"""Settings that are in `run_name`, or only repeat a run."""
_NAME_LENGTH = 80


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Images, split, batches and random changes to images."""

    data: str = setting(
        "digits",
        "The images: digits (scikit-learn's 1,797, no network), pizza_steak_sushi, pizza_steak_sushi_20_percent, "
        "torchvision:NAME, and folder:PATH or zip:PATH_OR_URL with a folder per class, or train/, test/ and maybe val/ "
        "of such.",
        group=COMMON,
    )
    test_data: str | None = setting(
        None,
        "Take the test images from here, so that one test set serves several data; none takes the data's own.",
        group=_DATA,
    )
    skip_bad_images: bool = setting(
        False, "Leave images out that cannot be read, and count them, instead of refusing the data.", group=_DATA
    )
    data_fraction: float = setting(
        1.0,
        "Share of the training images to use, stratified by class; a smaller share lies inside a larger one.",
        group=_DATA,
        above=0,
        at_most=1,
    )
    val_fraction: float | None = setting(
        None,
        "Share of those kept back for validation, which picks the best epoch; 0 trains on all of them, none takes the "
        "data's own validation folder, else 0.2.",
        group=_DATA,
        at_least=0,
        below=1,
    )
    fold: str | None = setting(
        None,
        "Cross-validation: 2/5 validates with the second of five folds of those images and trains on the others; "
        "val-fraction and a validation folder do not count then.",
        group=_DATA,
    )
    batch_size: int | str = setting(
        32,
        "Images that go through the network at once; auto finds a power of two before the training begins: on a GPU "
        "the largest that fits, on a CPU the fastest.",
        group=COMMON,
        at_least=1,
        words=(AUTO,),
    )
    workers: int | None = setting(
        None,
        "Processes that prepare images; none suits the cores, 0 prepares in the training process. The results are the "
        "same.",
        group=_DATA,
        at_least=0,
    )
    image_size: int | None = setting(
        None,
        "Make every image this many pixels square; none takes the pretrained weights' own size, else the data's.",
        group=_DATA,
        at_least=4,
        at_most=MAX_SIDE,
    )
    normalize: str = setting(
        "auto",
        "Mean and deviation that pixels are normalised by; auto takes the pretrained weights' own, else the data's.",
        group=_DATA,
        choices=("auto", "imagenet", "data", "none"),
    )
    augment: str = setting(
        "none",
        "Random changes to training images: TrivialAugmentWide, RandAugment, or a mirrored and shifted image.",
        group=COMMON,
        choices=("none", "trivial", "randaugment", "flip-crop"),
    )
    mixup: float = setting(
        0.0,
        "Blend each training image and its label with another's (0.2 is common, more blends more); 0: not.",
        group=_DATA,
        at_least=0,
    )
    cutmix: float = setting(
        0.0,
        "Put a rectangle of another image into each training image, and of its label (1 is common); 0: not. "
        "With mixup too, each batch gets one of the two.",
        group=_DATA,
        at_least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold is not None:
            Fold.parse(self.fold)
        if (self.mixup or self.cutmix) and self.batch_size == 1:
            raise ConfigError("mixup and cutmix mix the images of a batch, and batch-size is 1; give a larger one")

    @property
    def with_validation(self) -> bool:
        """Return whether a validation folder is used if the data has one."""
        return self.fold is None and self.val_fraction is None

    @property
    def resolved_val_fraction(self) -> float:
        """Share that is kept back for validation, of data without a validation folder."""
        return 0.2 if self.val_fraction is None else self.val_fraction

    @property
    def resolved_batch_size(self) -> int:
        """`batch_size` as a number."""
        if isinstance(self.batch_size, str):
            raise ConfigError(
                f"batch-size is {self.batch_size} and was not found out yet; `resolve_batch_size` does that"
            )
        return self.batch_size

    @property
    def data_name(self) -> str:
        """A short name of the data: `sushi` for `folder:/photos/sushi` and for `zip:https://example.org/sushi.zip`."""
        kind, _, location = self.data.partition(":")
        if kind in ("folder", "zip"):
            return PurePath(location.partition("#")[0].partition("?")[0]).name.removesuffix(".zip") or self.data
        return location or kind


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Settings):
    """Network, first weights, frozen backbone and what is cached of it."""

    model: str = setting(
        "tinyvgg", "The network: `tinyvgg`, `mlp`, a classification model of torchvision, or timm:NAME.", group=COMMON
    )
    hidden_units: int = setting(32, "Channels of tinyvgg's blocks, or width of mlp's layers.", group=_MODEL, at_least=1)
    dropout: float | None = setting(
        None,
        "Probability of dropping a unit before the last layer; none keeps the architecture's own.",
        group=_MODEL,
        at_least=0,
        below=1,
    )
    weights: str | None = setting(
        None,
        "What the network starts from: DEFAULT (published ones, downloaded), a file (.safetensors, .pth), or a run.",
        group=COMMON,
    )
    freeze_backbone: bool = setting(
        False, "Train the last layer only; the rest stays as its weights are.", group=COMMON
    )
    unfreeze_after: int | None = setting(
        None,
        "With freeze-backbone: after so many epochs the backbone trains too; none leaves it frozen.",
        group=_MODEL,
        at_least=1,
    )
    cache: bool = setting(
        True,
        "Keep on disk what is computed of images, for later epochs and runs: what a frozen backbone makes of them, "
        "where nothing random is done to them before; else their pixels, decoded and resized.",
        group=_MODEL,
    )
    cached_views: int = setting(
        0,
        "With a frozen backbone, keep so many randomly augmented views of each training image, and train on them in "
        "turn; 0 augments anew in each epoch, through the whole network.",
        group=_MODEL,
        at_least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze_backbone and self.weights is None:
            raise ConfigError(
                "freeze-backbone is on but weights is none, so all but the last layer would stay random; "
                "give --weights DEFAULT, a file or a run"
            )
        if self.unfreeze_after is not None and not self.freeze_backbone:
            raise ConfigError(
                f"unfreeze-after is {self.unfreeze_after}, but the backbone trains from the start; give freeze-backbone"
            )


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Settings):
    """Optimizer, its rates, and how gradients and weights are averaged."""

    optimizer: str = setting(
        "adam", "What turns gradients into steps.", group=_OPTIMISATION, choices=("sgd", "adam", "adamw")
    )
    lr: float = setting(3e-3, "Learning rate; the highest one where a schedule varies it.", group=COMMON, above=0)
    layer_decay: float | None = setting(
        None,
        "Learning rate of each stage of the backbone as a share of the next one's; the head has lr. With 0.5 a half, "
        "then a quarter ..., with 1 the same; none takes 0.5 with unfreeze-after, else 1.",
        group=_OPTIMISATION,
        above=0,
        at_most=1,
    )
    weight_decay: float = setting(
        0.0, "Pull of the weights towards zero (decoupled with adamw).", group=_OPTIMISATION, at_least=0
    )
    momentum: float = setting(0.0, "Momentum of sgd.", group=_OPTIMISATION, at_least=0, below=1)
    nesterov: bool = setting(False, "Nesterov's momentum; needs sgd and a momentum above 0.", group=_OPTIMISATION)
    accumulate: int = setting(
        1,
        "Batches whose gradients make one optimizer step: as a batch so many times larger, in the memory of one.",
        group=_OPTIMISATION,
        at_least=1,
    )
    clip: float | None = setting(
        None,
        "Scale the gradients of a step down where their norm is above this; 1 is common, none lets all through.",
        group=_OPTIMISATION,
        above=0,
    )
    ema: float | None = setting(
        None,
        "Validate, test and predict with a moving average of the weights that keeps this share of itself at each step: "
        "0.99 looks back some 100 steps, 0.999 some 1,000.",
        group=_OPTIMISATION,
        above=0,
        below=1,
    )
    label_smoothing: float = setting(
        0.0, "Share of each training label spread over all classes.", group=_OPTIMISATION, at_least=0, below=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum and self.optimizer != "sgd":
            raise ConfigError(
                f"momentum is {self.momentum:g} but optimizer is {self.optimizer}; only sgd has it: "
                "set optimizer to sgd or momentum to 0"
            )
        if self.nesterov and not self.momentum:
            raise ConfigError("nesterov needs optimizer sgd and a momentum above 0; 0.9 is a common one")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Settings):
    """Learning rate over the steps, number of epochs and early stopping."""

    schedule: str = setting(
        "cosine",
        "How the learning rate goes after warm-up, step by step.",
        group=_SCHEDULE,
        choices=("constant", "cosine", "one-cycle", "step"),
    )
    warmup_epochs: float = setting(
        0.0, "Epochs (or a part of one) in which the learning rate rises from near 0.", group=_SCHEDULE, at_least=0
    )
    step_epochs: int = setting(
        3, "The step schedule multiplies the rate every so many epochs ...", group=_SCHEDULE, at_least=1
    )
    gamma: float = setting(0.1, "... by this factor.", group=_SCHEDULE, above=0, at_most=1)
    epochs: int = setting(5, "Passes over the training images.", group=COMMON, at_least=1)
    patience: int | None = setting(
        None,
        "Stop early when so many epochs have passed without a better validation accuracy; none trains all epochs.",
        group=_RUN,
        at_least=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"warmup-epochs is {self.warmup_epochs:g} of {self.epochs} epochs; it must leave some at the full rate"
            )


@dataclass(frozen=True, kw_only=True)
class ComputeConfig(Settings):
    """Seed, device and arithmetic."""

    seed: int = setting(
        42,
        "Seed of all that is random: the split, the weights, the order, dropout, augmentation, mixing.",
        group=COMMON,
        at_least=0,
        at_most=2**32 - 1,
    )
    deterministic: bool = setting(
        False, "Only algorithms that give the same bits each time; slower on a GPU.", group=_RUN
    )
    device: str = setting(
        "auto", "Where to compute; auto takes a GPU if there is one.", group=_RUN, choices=("auto", "cpu", "cuda")
    )
    precision: str = setting(
        "32",
        "Arithmetic of the network's layers: all in 32 bits, or in 16 where they suffice (bfloat16; or float16, whose "
        "gradients are scaled, on a GPU).",
        group=_RUN,
        choices=("32", "bf16", "fp16"),
    )
    compile: bool = setting(
        False,
        "Compile the network with torch.compile: minutes at the start, faster steps after it, on a GPU above all.",
        group=_RUN,
    )


@dataclass(frozen=True, kw_only=True)
class TrackingConfig(Settings):
    """Tests, and what is recorded besides the metrics."""

    test_at: str = setting(
        "chosen",
        "When the test images are looked at: chosen, at the end, of a series for the run alone (of seeds and folds, "
        "the runs) that validation chose; end, at the end of every run; epoch, after every epoch as well.",
        group=_RUN,
        choices=("chosen", "end", "epoch"),
    )
    watch: int = setting(
        100,
        "Record norms and histograms of gradients and weights every so many batches, and where NaN comes from; 0: not.",
        group=_RUN,
        at_least=0,
    )
    profile: bool = setting(
        False,
        "Profile a few steps of the first epoch: `runfolio show` has the operators that take the time, and how much of "
        "it is waiting for images.",
        group=_RUN,
    )
    tensorboard: bool = setting(True, "Write TensorBoard's event file beside the record.", group=_RUN)


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig(Settings):
    """Times at which checkpoints are saved, and which of them are kept."""

    checkpoint_minutes: float = setting(
        10.0,
        "Save a checkpoint after so many minutes, too, and not only at the end of each epoch and at SIGTERM.",
        group=_CHECKPOINTS,
        above=0,
    )
    checkpoint_steps: int | None = setting(
        None, "Save a checkpoint every so many optimizer steps, too.", group=_CHECKPOINTS, at_least=1
    )
    keep_best: int = setting(1, "Keep the checkpoints of so many best epochs.", group=_CHECKPOINTS, at_least=1)
    keep_every: int | None = setting(
        None, "Keep one checkpoint of every so many steps, whatever comes after.", group=_CHECKPOINTS, at_least=1
    )
    checkpoint_budget: float | None = setting(
        None,
        "Most megabytes for the run's checkpoints; of those that are kept, the oldest go first.",
        group=_CHECKPOINTS,
        above=0,
    )


@dataclass(frozen=True, kw_only=True)
class TrainSettings(
    CheckpointConfig, TrackingConfig, ComputeConfig, ScheduleConfig, OptimConfig, ModelConfig, DataConfig
):
    """All settings of one training. Checked on creation; a wrong value is a `ConfigError` that names it.

    A dataclass lists the fields of its last base first, so flags, YAML keys and records begin with the data.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unfreeze_after is not None and self.unfreeze_after >= self.epochs:
            raise ConfigError(
                f"unfreeze-after is {self.unfreeze_after} of {self.epochs} epochs;"
                " it must leave some in which the backbone trains"
            )
        if self.freeze_backbone and self.unfreeze_after is None and self.layer_decay is not None:
            raise ConfigError(
                f"layer-decay is {self.layer_decay:g}, but of a frozen backbone nothing but the head trains;"
                " give unfreeze-after, or leave it out"
            )
        self._check_views()

    def _check_views(self) -> None:
        requirements = {
            "freeze-backbone": self.freeze_backbone,
            "an --augment that changes images": self.augment != "none",
            "the cache": self.cache,
            "images that are not mixed": not (self.mixup or self.cutmix),
        }
        if self.cached_views and not all(requirements.values()):
            needed = next(name for name, is_met in requirements.items() if not is_met)
            raise ConfigError(f"cached-views is {self.cached_views} but needs {needed}; set that, or cached-views to 0")

    def identity(self) -> dict[str, Any]:
        """Return the settings that tell trainings apart.

        A run is trained the same whether it is tested or not; only one that tests every epoch has points that others
        lack.
        """
        return {**self.as_dict(), "test_at": "epoch" if self.test_at == "epoch" else "end"}

    @property
    def rate_decay(self) -> float:
        """`layer_decay`, or its default: 0.5 if the backbone is unfrozen during the training, else 1."""
        if self.layer_decay is not None:
            return self.layer_decay
        return 1.0 if self.unfreeze_after is None else 0.5

    @property
    def run_name(self) -> str:
        """A name people can read: `tinyvgg-20pct-5ep`; all of the digits go without saying."""
        share = "" if self.data_fraction == 1 else f"{self.data_fraction * 100:.4g}pct"
        data = "" if self.data == "digits" else self.data_name
        return "-".join(part for part in (self.model, share, f"{self.epochs}ep", data) if part)

    def name_in_series(self, varied: Mapping[str, Any]) -> str:
        """Return `run_name` with the settings that vary in a series, such as `tinyvgg-5ep-lr=0.01`.

        Args:
            varied: Their values by key. Seeds and folds repeat a run, so they are not part of its name.
        """
        texts = {key: format(value, "g") if isinstance(value, float) else str(value) for key, value in varied.items()}
        parts = [f"{key}={PurePath(text).name}" for key, text in texts.items() if key not in _NAMING_KEYS]
        return "-".join([self.run_name, *parts])[:_NAME_LENGTH]

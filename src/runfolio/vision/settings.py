"""Settings of a training run. Python, YAML files and the flags of `train` use the same typed class.

`TrainSettings` is flat, like flags, YAML files and records. It inherits from one class per topic. A function that needs
the settings of only one topic declares the class of this topic as the type of its parameter.
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
"""Value of `batch_size` for an automatic choice. Measurements at the start of training then choose the batch size."""
LOADER = "vision"
"""Name of the loader that reads the checkpoints of runs with these settings. The loader belongs to the entry point
group `runfolio.loaders`."""
RANGE_TEST = "lr_finder"
"""Additional key in the config of a learning rate range test."""
_UNNAMED_KEYS = frozenset({"model", "data", "data-fraction", "epochs", "seed", "fold"})
"""Settings that `name_in_series` does not add to the name of a run. Either `run_name` already contains the setting, or
the setting only distinguishes repetitions."""
_NAME_LENGTH = 80


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Settings for images, split, batches and augmentation."""

    data: str = setting(
        "digits",
        "Images: digits (1,797 images from scikit-learn, no download), pizza_steak_sushi, "
        "pizza_steak_sushi_20_percent, torchvision:NAME, folder:PATH or zip:PATH_OR_URL. A folder or zip contains one "
        "folder per class, or folders train/, test/ and optionally val/ that contain the class folders.",
        group=COMMON,
    )
    test_data: str | None = setting(
        None,
        "Data set with the test images, for comparing runs that are trained on different data. If none, the test "
        "images come from --data.",
        group=_DATA,
    )
    skip_bad_images: bool = setting(
        False, "Skip and count images that cannot be read, instead of rejecting the data.", group=_DATA
    )
    data_fraction: float = setting(
        1.0,
        "Fraction of the training images to use, stratified by class. A larger fraction only adds images.",
        group=_DATA,
        above=0,
        at_most=1,
    )
    val_fraction: float | None = setting(
        None,
        "Fraction of the training images used for validation. Validation determines the best epoch. 0 trains on all "
        "images. none uses the validation folder of the data. Without such a folder, the fraction is 0.2.",
        group=_DATA,
        at_least=0,
        below=1,
    )
    fold: str | None = setting(
        None,
        "Cross-validation: 2/5 validates on the second of five folds and trains on the others. This setting overrides "
        "val-fraction and any validation folder.",
        group=_DATA,
    )
    batch_size: int | str = setting(
        32,
        "Images per batch. auto measures powers of two before training. On a GPU, it chooses the largest size that "
        "fits. On a CPU, it chooses the fastest size.",
        group=COMMON,
        at_least=1,
        words=(AUTO,),
    )
    workers: int | None = setting(
        None,
        "Number of worker processes that load images. If none, the number depends on the number of cores. With 0, the "
        "training process loads the images. The results do not depend on this setting.",
        group=_DATA,
        at_least=0,
    )
    image_size: int | None = setting(
        None,
        "Height and width of all images in pixels. If none, the pretrained weights determine the size. Without such "
        "weights, the data determines it.",
        group=_DATA,
        at_least=4,
        at_most=MAX_SIDE,
    )
    normalize: str = setting(
        "auto",
        "Mean and standard deviation for normalising pixels. auto uses those of the pretrained weights. Without such "
        "weights, it uses those of the data.",
        group=_DATA,
        choices=("auto", "imagenet", "data", "none"),
    )
    augment: str = setting(
        "none",
        "Random augmentation of training images: TrivialAugmentWide, RandAugment, or flips and shifted crops.",
        group=COMMON,
        choices=("none", "trivial", "randaugment", "flip-crop"),
    )
    mixup: float = setting(
        0.0,
        "Strength of mixup, which blends each training image and its label with a different image and label. 0.2 is "
        "common. 0 turns mixup off.",
        group=_DATA,
        at_least=0,
    )
    cutmix: float = setting(
        0.0,
        "Strength of CutMix, which pastes a rectangle of a different image into each training image and mixes the "
        "labels. 1 is common. 0 turns CutMix off. If mixup is also on, one of the two is chosen at random for each "
        "batch.",
        group=_DATA,
        at_least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold is not None:
            Fold.parse(self.fold)
        if (self.mixup or self.cutmix) and self.batch_size == 1:
            raise ConfigError("mixup and cutmix mix the images of a batch, but batch-size is 1; increase batch-size")

    @property
    def with_validation(self) -> bool:
        """Return whether a validation folder is used if the data has one."""
        return self.fold is None and self.val_fraction is None

    @property
    def resolved_val_fraction(self) -> float:
        """Fraction of the images used for validation, for data without a validation folder."""
        return 0.2 if self.val_fraction is None else self.val_fraction

    @property
    def resolved_batch_size(self) -> int:
        """Batch size as a number.

        Raises:
            ConfigError: The batch size is `auto` and has not been measured yet.
        """
        if isinstance(self.batch_size, str):
            raise ConfigError(
                f"batch-size is {self.batch_size} and has not been measured yet; call `resolve_batch_size` first"
            )
        return self.batch_size

    @property
    def data_name(self) -> str:
        """Short name of the data: `sushi` for `folder:/photos/sushi` and for `zip:https://example.org/sushi.zip`."""
        kind, _, location = self.data.partition(":")
        if kind in ("folder", "zip"):
            return PurePath(location.partition("#")[0].partition("?")[0]).name.removesuffix(".zip") or self.data
        return location or kind


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Settings):
    """Settings for the network, initial weights, a frozen backbone and the cache."""

    model: str = setting(
        "tinyvgg", "Network: `tinyvgg`, `mlp`, a torchvision classification model, or timm:NAME.", group=COMMON
    )
    hidden_units: int = setting(
        32,
        "Number of channels in each block of tinyvgg, or of units in each hidden layer of mlp.",
        group=_MODEL,
        at_least=1,
    )
    dropout: float | None = setting(
        None,
        "Dropout probability before the last layer. If none, the architecture determines the probability.",
        group=_MODEL,
        at_least=0,
        below=1,
    )
    weights: str | None = setting(
        None,
        "Initial weights: DEFAULT (published weights, downloaded), a file (.safetensors, .pth), or a run. If none, "
        "the weights are random.",
        group=COMMON,
    )
    freeze_backbone: bool = setting(False, "Train only the last layer. The other weights do not change.", group=COMMON)
    unfreeze_after: int | None = setting(
        None,
        "With freeze-backbone: number of epochs after which the backbone is trained as well. If none, the backbone is "
        "never trained.",
        group=_MODEL,
        at_least=1,
    )
    cache: bool = setting(
        True,
        "Use a disk cache for later epochs and runs. With a frozen backbone and images that are not augmented, the "
        "cache contains features. Otherwise, it contains decoded and resized pixels.",
        group=_MODEL,
    )
    cached_views: int = setting(
        0,
        "With a frozen backbone: number of augmented versions (views) of each training image. Their features are "
        "cached, and epochs alternate between the views. 0 augments again in each epoch, without a feature cache.",
        group=_MODEL,
        at_least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze_backbone and self.weights is None:
            raise ConfigError(
                "freeze-backbone is on but weights is none, so the backbone would stay random; "
                "give --weights DEFAULT, a file or a run"
            )
        if self.unfreeze_after is not None and not self.freeze_backbone:
            raise ConfigError(
                f"unfreeze-after is {self.unfreeze_after}, but the backbone trains from the start; turn on "
                "freeze-backbone"
            )


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Settings):
    """Settings for the optimizer, learning rates, and averaging of gradients and weights."""

    optimizer: str = setting("adam", "Optimizer.", group=COMMON, choices=("sgd", "adam", "adamw"))
    lr: float = setting(3e-3, "Learning rate. A schedule uses it as the highest rate.", group=COMMON, above=0)
    layer_decay: float | None = setting(
        None,
        "Ratio of the learning rate of each backbone stage to that of the next stage. The head uses lr. With 1, all "
        "stages have the same rate. If none, the ratio is 0.5 with unfreeze-after, and 1 otherwise.",
        group=_OPTIMISATION,
        above=0,
        at_most=1,
    )
    weight_decay: float = setting(0.0, "Weight decay (decoupled with adamw).", group=_OPTIMISATION, at_least=0)
    momentum: float = setting(0.0, "Momentum of sgd.", group=_OPTIMISATION, at_least=0, below=1)
    nesterov: bool = setting(False, "Nesterov momentum. It needs sgd and a momentum above 0.", group=_OPTIMISATION)
    accumulate: int = setting(
        1,
        "Number of batches whose gradients are accumulated for one optimizer step.",
        group=_OPTIMISATION,
        at_least=1,
    )
    clip: float | None = setting(
        None,
        "Maximum gradient norm per step. Larger gradients are scaled down. 1 is common. If none, there is no limit.",
        group=_OPTIMISATION,
        above=0,
    )
    ema: float | None = setting(
        None,
        "Decay per step of a moving average of the weights. The average is used to validate, test and predict. 0.99 "
        "averages about 100 steps, and 0.999 about 1,000. If none, there is no average.",
        group=_OPTIMISATION,
        above=0,
        below=1,
    )
    label_smoothing: float = setting(
        0.0,
        "Fraction of each training label that is spread over all classes.",
        group=_OPTIMISATION,
        at_least=0,
        below=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum and self.optimizer != "sgd":
            raise ConfigError(
                f"momentum is {self.momentum:g} but optimizer is {self.optimizer}, and only sgd has momentum; "
                "set optimizer to sgd or momentum to 0"
            )
        if self.nesterov and not self.momentum:
            raise ConfigError("nesterov needs optimizer sgd and a momentum above 0; 0.9 is common")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Settings):
    """Settings for the learning rate schedule, the number of epochs and early stopping."""

    schedule: str = setting(
        "cosine",
        "Schedule of the learning rate after warm-up, applied at each step.",
        group=_SCHEDULE,
        choices=("constant", "cosine", "one-cycle", "step"),
    )
    warmup_epochs: float = setting(
        0.0,
        "Number of epochs in which the learning rate rises from almost 0. It may be fractional.",
        group=_SCHEDULE,
        at_least=0,
    )
    step_epochs: int = setting(
        3,
        "Number of epochs between two reductions of the learning rate by the step schedule.",
        group=_SCHEDULE,
        at_least=1,
    )
    gamma: float = setting(
        0.1,
        "Factor by which the step schedule multiplies the learning rate at each reduction.",
        group=_SCHEDULE,
        above=0,
        at_most=1,
    )
    epochs: int = setting(5, "Number of passes over the training images.", group=COMMON, at_least=1)
    patience: int | None = setting(
        None,
        "Number of epochs without a better validation accuracy after which training stops. If none, all epochs are "
        "trained.",
        group=_RUN,
        at_least=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"warmup-epochs is {self.warmup_epochs:g} of {self.epochs} epochs; it must be smaller than epochs"
            )


@dataclass(frozen=True, kw_only=True)
class ComputeConfig(Settings):
    """Settings for seed, device, precision and compilation."""

    seed: int = setting(
        42,
        "Seed of all random numbers: split, initial weights, order, dropout, augmentation and mixing.",
        group=COMMON,
        at_least=0,
        at_most=2**32 - 1,
    )
    deterministic: bool = setting(
        False,
        "Use only deterministic algorithms. Repeated runs are then bit-identical. This is slower on a GPU.",
        group=_RUN,
    )
    device: str = setting(
        "auto", "Device to train on. auto selects a GPU if there is one.", group=_RUN, choices=("auto", "cpu", "cuda")
    )
    precision: str = setting(
        "32",
        "Precision of the network. 32 uses 32 bits. bf16 is mixed precision with bfloat16. fp16 is mixed precision "
        "with float16 and scaled gradients, and needs a GPU.",
        group=_RUN,
        choices=("32", "bf16", "fp16"),
    )
    compile: bool = setting(
        False,
        "Compile the network with torch.compile. Compiling takes minutes at the start and speeds up steps, mainly on "
        "a GPU.",
        group=_RUN,
    )


@dataclass(frozen=True, kw_only=True)
class TrackingConfig(Settings):
    """Settings for the time of the test, and for optional records in addition to the metrics."""

    test_at: str = setting(
        "chosen",
        "When to test. end tests each run at its end. epoch also tests after each epoch. chosen tests a single run at "
        "its end. In a series, it tests only the run with the best validation result, with all its seeds and folds.",
        group=_RUN,
        choices=("chosen", "end", "epoch"),
    )
    watch: int = setting(
        100,
        "Number of optimizer steps between two records of gradients and weights. A record contains norms, histograms "
        "and the origin of the first NaN. 0 turns the records off.",
        group=_RUN,
        at_least=0,
    )
    profile: bool = setting(
        False,
        "Profile a few steps of the first epoch. `runfolio show` prints the slowest operators and the time spent "
        "waiting for images.",
        group=_RUN,
    )
    tensorboard: bool = setting(True, "Also write an event file for TensorBoard.", group=_RUN)


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig(Settings):
    """Settings for the frequency and retention of checkpoints."""

    checkpoint_minutes: float = setting(
        10.0,
        "Number of minutes between two checkpoints. Checkpoints are also saved at the end of each epoch and on "
        "SIGTERM.",
        group=_CHECKPOINTS,
        above=0,
    )
    checkpoint_steps: int | None = setting(
        None,
        "Number of optimizer steps between two checkpoints. If none, steps do not trigger checkpoints.",
        group=_CHECKPOINTS,
        at_least=1,
    )
    keep_best: int = setting(1, "Number of best epochs whose checkpoints are kept.", group=_CHECKPOINTS, at_least=1)
    keep_every: int | None = setting(
        None,
        "Number of steps between two checkpoints that are kept permanently. If none, there are no such checkpoints.",
        group=_CHECKPOINTS,
        at_least=1,
    )
    checkpoint_budget: float | None = setting(
        None,
        "Maximum total size of the run's checkpoints, in megabytes. The oldest checkpoints kept by keep-every are "
        "removed first. If none, there is no limit.",
        group=_CHECKPOINTS,
        above=0,
    )


@dataclass(frozen=True, kw_only=True)
class TrainSettings(
    CheckpointConfig, TrackingConfig, ComputeConfig, ScheduleConfig, OptimConfig, ModelConfig, DataConfig
):
    """All settings of one training run, checked on creation.

    A dataclass lists the fields of its last base first, so flags, YAML keys and records start with the data settings.

    Raises:
        ConfigError: A value is invalid; the message names the setting.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unfreeze_after is not None and self.unfreeze_after >= self.epochs:
            raise ConfigError(
                f"unfreeze-after is {self.unfreeze_after} of {self.epochs} epochs; it must be smaller than epochs, or"
                " the backbone never trains"
            )
        if self.freeze_backbone and self.unfreeze_after is None and self.layer_decay is not None:
            raise ConfigError(
                f"layer-decay is {self.layer_decay:g}, but only the head trains with a frozen backbone;"
                " set unfreeze-after, or leave out layer-decay"
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
            raise ConfigError(
                f"cached-views is {self.cached_views} but needs {needed}; change that setting, or set cached-views to 0"
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that distinguish one training run from another.

        The values `chosen` and `end` of `test_at` count as equal, since both lead to the same training.
        """
        return {**self.as_dict(), "test_at": "epoch" if self.test_at == "epoch" else "end"}

    @property
    def rate_decay(self) -> float:
        """Value of `layer_decay`. The default is 0.5 if the backbone is unfrozen during training, and 1 otherwise."""
        if self.layer_decay is not None:
            return self.layer_decay
        return 1.0 if self.unfreeze_after is None else 0.5

    @property
    def run_name(self) -> str:
        """Readable name such as `tinyvgg-20pct-5ep`. A data fraction of 1 and the data name
        `digits` are omitted."""
        share = "" if self.data_fraction == 1 else f"{self.data_fraction * 100:.4g}pct"
        data = "" if self.data == "digits" else self.data_name
        return "-".join(part for part in (self.model, share, f"{self.epochs}ep", data) if part)

    def name_in_series(self, varied: Mapping[str, Any]) -> str:
        """Return `run_name` with the settings that vary in a series, such as `tinyvgg-5ep-lr=0.01`.

        Args:
            varied: Values of the settings that vary, by key. Seeds and folds do not appear in the name.
        """
        texts = {key: format(value, "g") if isinstance(value, float) else str(value) for key, value in varied.items()}
        parts = [f"{key}={PurePath(text).name}" for key, text in texts.items() if key not in _UNNAMED_KEYS]
        return "-".join([self.run_name, *parts])[:_NAME_LENGTH]

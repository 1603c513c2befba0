"""Direction and data split of a metric, guessed from the metric's name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from runfolio.errors import ConfigError
from runfolio.record.points.metric_summary import is_system_metric, listed_metrics

Mode = Literal["min", "max"]
Split = Literal["train", "validation", "test", "unknown"]

_WORDS: dict[Mode, str] = {
    "min": """
        loss error err cost perplexity ppl mae mse rmse mape nll bce ce crossentropy wer cer fid kid lpips ece brier
        regret divergence kl distance latency time seconds second secs sec ms memory mib gib
    """,
    "max": """
        acc accuracy auc auroc auprc f1 fbeta precision recall sensitivity specificity iou miou jaccard dice map ap r2
        bleu rouge meteor score reward return psnr ssim correct similarity correlation spearman pearson mcc kappa elbo
        likelihood throughput fps ndcg mrr hit success
    """,
}
_MEANING: dict[str, Mode] = {word: mode for mode, words in _WORDS.items() for word in words.split()}
_OPPOSITE: dict[Mode, Mode] = {"min": "max", "max": "min"}
_TIME_UNITS = frozenset({"second", "seconds", "sec", "secs", "s", "ms", "minute", "minutes", "hour", "hours"})
_PROCESS_WORDS = (
    "batch norm lr learning second seconds sec ms throughput images samples memory parameters size bytes fps"
)
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
_FAMILIAR = ("val/acc", "test/acc", "val/loss", "train/acc", "train/loss")
"""Names that tables list first, in order of importance."""
_SPLITS_BY_IMPORTANCE: tuple[Split, ...] = ("validation", "unknown", "test", "train")
_MAIN_METRICS = 4


def words(metric: str) -> list[str]:
    """Return the words of a metric's name in lower case, split at punctuation, spaces and camelCase boundaries."""
    parts: list[str] = []
    for part in re.split(r"[^A-Za-z0-9]+", metric):
        if _meaning(part.lower()) or part.lower() in _SPLITS:  # mAP, IoU and R2 are not split
            parts.append(part.lower())
        else:
            parts += [piece.lower() for piece in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", part)]
    return parts


@lru_cache(maxsize=4096)  # tables call this function for each run
def guess_mode(metric: str) -> Mode | None:
    """Return "min" for losses, errors and times, "max" for accuracies and scores, and None for unknown names.

    The last known word decides: `top5_error` is an error, and `error/accuracy` is an accuracy. A preceding `neg`
    reverses the direction, as in `neg_mean_squared_error`.
    """
    parts = words(metric)
    for index in reversed(range(len(parts))):
        if index and parts[index - 1] == "per":
            if parts[index] in _TIME_UNITS:
                return "max"  # the metric is a speed, such as images per second
            continue  # the word before `per` decides, as in seconds per epoch
        if mode := _meaning(parts[index]):
            return _OPPOSITE[mode] if {"neg", "negative"} & set(parts[:index]) else mode
    return None


def mode_of(metric: str, mode: str | None = None) -> Mode:
    """Return the given mode, or else the mode that is guessed from the metric's name.

    Raises:
        ConfigError: The given mode is neither min nor max, or no mode is given and the name does not show the
            direction.
    """
    if mode == "min" or mode == "max":
        return mode
    if mode is not None:
        raise ConfigError(f"mode is {mode!r}; it must be 'min' or 'max'")
    guessed = guess_mode(metric)
    if guessed is None:
        raise ConfigError(
            f"the name {metric!r} does not show whether more or less is better; give --min or --max"
            " (in Python: mode='min' or mode='max')"
        )
    return guessed


@lru_cache(maxsize=4096)
def split_of(metric: str) -> Split:
    """Return the data split that a metric was measured on, such as `validation` for `val/acc` and `accVal`."""
    for word in words(metric):
        if word in _SPLITS:
            return _SPLITS[word]
    return "unknown"


def split_and_quantity(metric: str) -> tuple[Split | None, str]:
    """Return the data split in the name of a metric, and the rest of the name, which is the measured quantity.

    For `val/acc`, the result is `validation` and `acc`. Metrics with the same quantity share a panel.
    """
    split = split_of(metric)
    if split == "unknown":
        return None, metric
    pieces = re.split(r"([/_. -]+)", metric)
    words = [index for index in range(0, len(pieces), 2) if pieces[index].lower() in _SPLITS]
    if not words:
        return split, metric
    index = words[0]
    without = pieces[:index] + pieces[index + 2 :] if index + 1 < len(pieces) else pieces[: max(0, index - 1)]
    return split, "".join(without) or metric


def is_about_the_process(metric: str) -> bool:
    """Return whether a metric describes the training process (a norm, a rate, a time or a size) instead of a result."""
    return not set(_PROCESS_WORDS.split()).isdisjoint(words(metric))


def main_metrics(names: Iterable[str]) -> list[str]:
    """Return the names of up to four metrics with a known direction, such as `val/acc`. The most important comes
    first."""
    return sorted(filter(_is_main, listed_metrics(names)), key=_importance)[:_MAIN_METRICS]


@lru_cache(maxsize=4096)
def _is_main(metric: str) -> bool:
    return not is_system_metric(metric) and not is_about_the_process(metric) and guess_mode(metric) is not None


@lru_cache(maxsize=4096)
def _importance(metric: str) -> tuple[int, int, str]:
    return familiarity(metric), _SPLITS_BY_IMPORTANCE.index(split_of(metric)), metric


def familiarity(name: str) -> int:
    """Return the rank of a name in the list of names that tables show first. All other names rank last."""
    return _FAMILIAR.index(name) if name in _FAMILIAR else len(_FAMILIAR)


def _meaning(word: str) -> Mode | None:
    # Words such as f1 and r2 are in the list with their number. Words such as map50 and acc1 are looked up without
    # their number.
    return _MEANING.get(word) or _MEANING.get(word.rstrip("0123456789"))

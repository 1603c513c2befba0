import pytest

from runfolio.errors import ConfigError
from runfolio.query.selection.metric_names import guess_mode, mode_of, split_of


@pytest.mark.parametrize(
    "metric",
    [
        *("loss", "val/loss", "train_loss", "valLoss", "top5_error", "HTTPErrors/err", "rmse", "wer", "perplexity"),
        *("time/forward", "epoch_seconds", "seconds_per_epoch", "ms_per_image", "negative_log_likelihood"),
    ],
)
def test_losses_errors_and_times_are_minimised(metric: str):
    assert guess_mode(metric) == "min"


@pytest.mark.parametrize(
    "metric",
    [
        *("acc", "val/acc", "test-accuracy", "valAcc", "acc@1", "mAP", "mAP50", "mIoU", "f1", "val.f1_score", "R2"),
        *("episode/reward", "PSNR", "roc_auc", "images_per_second", "neg_mean_squared_error"),
    ],
)
def test_accuracies_scores_and_speeds_are_maximised(metric: str):
    assert guess_mode(metric) == "max"


@pytest.mark.parametrize("metric", ["lr", "grad_norm", "epoch", "weights/mean", "glossy", "place", "42", ""])
def test_other_names_have_no_direction(metric: str):
    assert guess_mode(metric) is None


def test_given_mode_takes_precedence_over_the_name():
    assert mode_of("val/loss", "max") == "max"


def test_metric_name_without_a_hint_requires_a_mode():
    with pytest.raises(ConfigError, match=r"'grad_norm' does not show .* --min or --max"):
        mode_of("grad_norm")


def test_a_mode_is_min_or_max():
    with pytest.raises(ConfigError, match="mode is 'best'; it must be 'min' or 'max'"):
        mode_of("val/acc", "best")


@pytest.mark.parametrize(
    ("metric", "split"),
    [
        ("val/acc", "validation"),
        ("accVal", "validation"),
        ("validation_loss", "validation"),
        ("test/acc", "test"),
        ("train/loss", "train"),
        ("latest_acc", "unknown"),
        ("value", "unknown"),
    ],
)
def test_split_is_derived_from_the_metric_name(metric: str, split: str):
    assert split_of(metric) == split

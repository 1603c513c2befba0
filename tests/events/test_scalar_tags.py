"""Event files of a run with main metrics show these first, and few other charts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_experiment_plugin_data

import runfolio
from runfolio.events.rebuild import make_event_files
from runfolio.record.base.layout import event_files

CONFIG = {"lr": 0.1, "batch_size": 32, "model": "net"}


@pytest.fixture(params=["written", "rebuilt"])
def shown(request: pytest.FixtureRequest, store: Path) -> EventAccumulator:
    """Reader of a run like those of `runfolio train`, from the file of the run or from a file made afterwards."""
    series = {"name": "grid", "fingerprint": "0" * 64, "varied": {"batch-size": 32}}
    with runfolio.init("net", store=store, tensorboard=True, config=CONFIG, series=series) as run:
        for metric in ("train/*", "val/*"):
            run.define_metric(metric, x="epoch")
        for step in range(3):
            others = {f"other{number}": 1.0 for number in range(40)}
            watched = {"grad_norm": 1.0, "grad_norm/0.weight": 1.0}
            run.log({**watched, "samples": step, **others, "epoch": step}, step=step)
            run.log({"train/loss": 1.0, "val/loss": 1.0, "val/acc": step / 4, "epoch": step}, step=step)
        run.log({"test/acc": 0.5}, step=2)
        run.log_histogram("grad/0.weight", [0.0, 1.0], step=0)
        run.log_image("confusion", np.zeros((4, 4)), step=0)
        run.log_image("val/predictions", np.zeros((4, 4)), step=0)
        run.log_text("sizes", "layer  size\n0       10", step=0)
        run.log_text("words", "*one*\ntwo", step=0)
        run.summary.update({"val/acc": 0.5, "val/loss": 1.0, "parameters": 10, "chosen_by": "val/acc"})
    if request.param == "rebuilt":
        for path in event_files(run.folder).values():
            path.unlink()
        make_event_files(run.folder)
    return EventAccumulator(str(run.folder)).Reload()


def text(shown: EventAccumulator, tag: str) -> str:
    return shown.Tensors(tag)[-1].tensor_proto.string_val[0].decode()


def test_main_metrics_come_first_and_charts_are_few(shown: EventAccumulator):
    tags = sorted(shown.Tags()["scalars"])
    assert tags[:3] == ["train/loss", "val/acc", "val/loss"]
    assert all(tag.startswith("various/") for tag in tags[3:])
    assert {"various/summary/val/acc", "various/summary/val/loss", "various/grad_norm"} <= set(tags)
    assert "various/test/acc" in tags
    assert len(tags) <= 25


def test_images_and_histograms_follow_main_metrics(shown: EventAccumulator):
    assert shown.Tags()["images"] == ["various/confusion", "val/predictions"]
    assert "various/grad/0.weight" in shown.Tags()["tensors"]


def test_results_are_a_table(shown: EventAccumulator):
    assert "| parameters | 10 |" in text(shown, "results").splitlines()
    assert "| val/acc | 0.5 |" in text(shown, "results").splitlines()


def test_aligned_text_is_a_fenced_block(shown: EventAccumulator):
    assert text(shown, "sizes") == "```\nlayer  size\n0       10\n```"
    assert text(shown, "words") == "*one*\ntwo"


def test_columns_start_with_varied_settings_and_main_metric(shown: EventAccumulator):
    metadata = shown.SummaryMetadata("_hparams_/experiment")
    experiment = parse_experiment_plugin_data(metadata.plugin_data.content)
    assert [info.name for info in experiment.hparam_infos] == ["batch_size", "lr", "model"]
    assert [info.differs for info in experiment.hparam_infos] == [True, False, False]
    assert experiment.metric_infos[0].name.tag == "various/summary/val/acc"
    assert experiment.metric_infos[0].display_name == "val/acc"

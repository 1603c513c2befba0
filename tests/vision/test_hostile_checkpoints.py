"""Untrusted checkpoints: invalid descriptions give an error that names the field, without using memory."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from runfolio import RecordedRun
from runfolio.errors import ConfigError, DamagedFile, RunfolioError
from runfolio.record.checkpoints.image_transforms import plain_steps
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.checkpoints.state_codec import StoredTensor
from runfolio.settings import build
from runfolio.vision.continuing.fork import Fork
from runfolio.vision.evaluation.loading import load
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.stored_network import check_stored_network
from runfolio.vision.settings import TrainSettings

from .mutations import mutations, raw_errors

PICTURE = Image.new("L", (20, 10))


@pytest.fixture
def checkpoint(trained: RecordedRun) -> Checkpoint:
    return trained.checkpoint("best")


def predict(checkpoint: Checkpoint) -> Callable[[Any], object]:
    return lambda meta: load(replace(checkpoint, meta=meta)).predict(PICTURE)


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))


def script_meta() -> dict[str, Any]:
    """Return the metadata of a script's checkpoint."""
    steps = [v2.Resize((8, 8)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
    return {"classifier": {"classes": ["cat", "dog"], "transform": plain_steps(v2.Compose(steps))}}


def predict_script(checkpoint: Checkpoint) -> Callable[[Any], object]:
    return lambda meta: load(replace(checkpoint, meta=meta), network()).predict(PICTURE)


def dicts(mutants: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Keep only objects, since metadata and state of a manifest are objects."""
    return (mutant for mutant in mutants if isinstance(mutant, dict))


def sample(mutants: Iterable[Any], count: int) -> list[Any]:
    return random.Random(7).sample(list(dicts(mutants)), count)


def test_sampled_descriptions_raise_no_raw_errors(checkpoint):
    assert raw_errors(sample(mutations(checkpoint.meta), 250), predict(checkpoint)) == []


def test_sampled_transforms_of_scripts_raise_no_raw_errors(checkpoint):
    predict_script(checkpoint)(script_meta())

    assert raw_errors(sample(mutations(script_meta()), 250), predict_script(checkpoint)) == []


def test_sampled_states_raise_no_raw_errors(checkpoint):
    states = sample(mutations(checkpoint._state), 300)

    assert raw_errors(states, lambda state: replace(checkpoint, _state=state).state) == []


@pytest.mark.soak
def test_no_mutation_of_a_checkpoint_raises_a_raw_error(checkpoint):
    assert raw_errors(dicts(mutations(checkpoint.meta)), predict(checkpoint)) == []
    assert raw_errors(dicts(mutations(script_meta())), predict_script(checkpoint)) == []
    states = dicts(mutations(checkpoint._state))
    assert raw_errors(states, lambda state: replace(checkpoint, _state=state).state) == []


@pytest.mark.parametrize(
    ("part", "field", "value", "said"),
    [
        ("model", "channels", 1_000_000, "model.channels is 1000000; it must be one of 1, 3"),
        ("model", "height", -1, "model.height is -1; it must be an integer from 1 to 4,096"),
        ("model", "hidden_units", 2**62, "model.hidden_units is 4611686018427387904; it must be an integer from 1 to"),
        ("model", "classes", True, "model.classes is True; it must be an integer from 1 to"),
        ("model", "height", 16, "transform.height is 8, but the model takes 16"),
        ("transform", "resize", 1_000_000, "transform.resize is 1000000; it must be an integer from 1 to 8,192"),
        ("transform", "mean", ["0.3"], "transform.mean.0 is '0.3'; it must be a number from -3.4e+38 to 3.4e+38"),
        ("transform", "mean", [0.1] * 3, "transform.mean has 3 values for 1 channels"),
        ("transform", "std", [0], "transform.std.0 is 0; it must be a number above 0"),
        ("transform", "interpolation", "magic", "transform.interpolation is 'magic'; it must be one of 'nearest'"),
    ],
)
def test_wrong_value_of_a_description_is_named(checkpoint, part, field, value, said):
    meta = copy.deepcopy(checkpoint.meta)
    meta[part][field] = value

    with pytest.raises(DamagedFile) as refusal:
        predict(checkpoint)(meta)

    assert f"checkpoint 'best' of {checkpoint.folder} does not describe a classifier: {said}" in str(refusal.value)


def test_described_network_takes_no_memory_before_its_tensors_fit(trained, python_torch):
    script = """
import copy, resource, sys
from dataclasses import replace
import runfolio
from runfolio.errors import RunfolioError
from runfolio.record.checkpoints.state_codec import StoredTensor
from runfolio.vision.evaluation.loading import load

checkpoint = runfolio.open(sys.argv[1]).run(sys.argv[2]).checkpoint("best")
load(checkpoint)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for changes in ({"hidden_units": 1_000_000}, {"name": "mlp", "hidden_units": 1_000_000}, {"name": "vit_h_14"}):
    meta = copy.deepcopy(checkpoint.meta)
    meta["model"] |= changes
    try:
        load(replace(checkpoint, meta=meta))
    except RunfolioError as error:
        print(error)
"""
    done = python_torch(script, trained.folder.parent.parent, trained.id)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("does not fit model tinyvgg: of a different shape: block_1.0.weight (16x1x3x3") == 1
    assert done.stdout.count("does not fit model mlp: missing: ") == 1
    assert done.stdout.count("\n") == 3


@pytest.mark.parametrize("name", ["resnet18", "regnet_x_400mf", "vit_b_32", "googlenet"])
def test_tensors_of_another_dtype_or_shape_are_named(name):
    spec = ModelSpec(name=name, channels=3, height=224, width=224, classes=3, hidden_units=1)
    dtypes = {torch.float32: "F32", torch.int64: "I64"}
    stored = {
        key: StoredTensor(tuple(tensor.shape), dtypes[tensor.dtype])
        for key, tensor in build_model(spec).state_dict().items()
    }
    check_stored_network(spec, stored, "it")
    key = next(iter(stored))

    with pytest.raises(
        ConfigError, match=rf"it does not fit model {name}: of a different dtype: {key} \(F64 instead of F32\)"
    ):
        check_stored_network(spec, stored | {key: stored[key]._replace(dtype="F64")}, "it")
    with pytest.raises(ConfigError, match=f"it does not fit model {name}: missing: {key}"):
        check_stored_network(spec, {other: stored[other] for other in stored if other != key}, "it")


def test_image_that_a_network_does_not_accept_is_reported(checkpoint):
    meta = copy.deepcopy(checkpoint.meta)
    for part in ("model", "transform"):
        meta[part] |= {"height": 1, "width": 1}

    with pytest.raises(RunfolioError, match="describes a network that cannot be built: tinyvgg "):
        predict(checkpoint)(meta)


def test_script_with_more_classes_than_outputs_is_reported(checkpoint):
    meta = script_meta()
    meta["classifier"]["classes"].append("bird")

    with pytest.raises(ConfigError, match=r"output of shape \(1, 2\) for one picture, but there are 3 classes"):
        predict_script(checkpoint)(meta)


def test_steps_that_do_not_fit_together_are_reported(checkpoint):
    meta = script_meta()
    meta["classifier"]["transform"].reverse()

    with pytest.raises(DamagedFile, match="describes a transform that cannot be used: "):
        predict_script(checkpoint)(meta)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("training", {}, "training.epoch is missing"),
        ("training", {"epoch": 1}, "training.settings is missing"),
        ("training", {"epoch": 1, "settings": {}}, "training.settings.optimizer is missing"),
        ("training", {"epoch": "1"}, "training.settings is missing"),
        ("stopping", {"best": 0.5, "waited": None}, "stopping.waited is None; it must be an integer from 0 to"),
        ("optimizer", {"param_groups": [{"params": "all"}]}, "optimizer.param_groups.0.params is 'all'; it must be"),
    ],
)
def test_state_that_a_fork_cannot_use_is_named(trained, checkpoint, part, value, said):
    state = {**checkpoint._state, part: value}
    settings = build(TrainSettings, trained.config)

    with pytest.raises(DamagedFile, match=re.escape(f"does not contain the state of a training run: {said}")):
        Fork(run=trained, checkpoint=replace(checkpoint, _state=state), parent_settings=settings, settings=settings)

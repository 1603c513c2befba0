"""`run.log_graph` records a network's structure and changes nothing of the network."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import runfolio
from runfolio.record.content import media
from runfolio.tracking.monitors.model_graph import graph_of


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.norm(self.conv(x))) + x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Block(), nn.Dropout(0.5))
        self.head = nn.Linear(3 * 16, 2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if x.shape[-1] > 2:  # symbolic tracers cannot follow this
            x = self.body(x)
        x = x if mask is None else x * mask
        return self.head(torch.flatten(x, 1))


def nodes(model: nn.Module, example: Any) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in graph_of(model, example)}


def test_graph_has_layers_and_functions_with_inputs_and_shapes():
    layers = nodes(Net(), torch.zeros(1, 3, 4, 4))
    assert {name: (node["op"], node["inputs"]) for name, node in layers.items()} == {
        "input": ("Input", []),
        "body/0/conv": ("Conv2d", ["input"]),
        "body/0/norm": ("BatchNorm2d", ["body/0/conv"]),
        "body/0/relu": ("ReLU", ["body/0/norm"]),
        "body/0/add": ("add", ["body/0/relu", "input"]),
        "body/0/relu_1": ("ReLU", ["body/0/add"]),
        "body/1": ("Dropout", ["body/0/relu_1"]),
        "flatten": ("flatten", ["body/1"]),
        "head": ("Linear", ["flatten"]),
        "output": ("Output", ["head"]),
    }
    assert layers["flatten"]["attributes"]["shape"] == "[1, 48]"
    assert layers["head"]["attributes"]["arguments"] == "in_features=48, out_features=2, bias=True"


@pytest.mark.parametrize(
    "example",
    [
        (torch.zeros(1, 3, 4, 4), torch.ones(1)),
        {"x": torch.zeros(1, 3, 4, 4), "mask": torch.ones(1)},
    ],
    ids=["as a tuple", "by name"],
)
def test_several_inputs_are_recorded(example: Any):
    assert nodes(Net(), example)["mul"]["inputs"] == ["body/1", "input_1"]


def test_model_and_random_generators_are_not_changed():
    model = Net()
    model.body[0].norm.eval()  # type: ignore[union-attr] - a frozen part of a model in training
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generators = torch.get_rng_state(), random.getstate()

    graph_of(model, torch.randn(2, 3, 4, 4, generator=torch.Generator()))

    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_model_that_does_not_run_is_described_by_its_layers(caplog: pytest.LogCaptureFixture):
    layers = nodes(Net(), torch.zeros(1, 7))
    assert [(name, node["op"]) for name, node in layers.items()] == [
        ("body/0/conv", "Conv2d"),
        ("body/0/norm", "BatchNorm2d"),
        ("body/0/relu", "ReLU"),
        ("body/1", "Dropout"),
        ("head", "Linear"),
    ]
    assert "the graph of Net has only its layers" in caplog.text


def test_compiled_model_is_traced_inside():
    run_once = torch.compile(Net(), backend="eager")
    assert isinstance(run_once, nn.Module)
    assert "body/0/conv" in nodes(run_once._orig_mod, torch.zeros(1, 3, 4, 4))  # type: ignore[arg-type]


def test_graph_is_in_the_record_and_in_the_event_file(store: Path):
    with runfolio.init("net", store=store, tensorboard=True) as run:
        run.log_graph(Net(), torch.zeros(1, 3, 4, 4))

    (entry,), problems = media.read(run.folder)
    assert (entry.kind, problems) == ("graph", [])
    assert entry.content["nodes"] == graph_of(Net(), torch.zeros(1, 3, 4, 4))
    theirs = {node.name: node for node in EventAccumulator(str(run.folder)).Reload().Graph().node}
    assert list(theirs["body/0/add"].input) == ["body/0/relu", "input"]
    (shape,) = theirs["flatten"].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [1, 48]


def test_logging_the_graph_of_a_non_model_is_reported(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init("net", store=store) as run:
        run.log_graph("net")  # pyright: ignore[reportArgumentType]
    assert "log_graph was left out, and training continues: a model must be a torch.nn.Module, not str" in caplog.text


@dataclass
class Prediction:
    scores: torch.Tensor
    features: list[torch.Tensor]


class Sequences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, sequences: PackedSequence) -> Prediction:
        features = self.rnn(sequences)[1][0]
        return Prediction(self.head(features), [features])


def test_packed_sequences_and_dataclasses_are_followed():
    example = pack_sequence([torch.zeros(3, 4), torch.zeros(2, 4)])
    layers = nodes(Sequences(), example)
    assert layers["rnn"]["inputs"] == ["input", "input_1"]
    assert layers["head"]["inputs"] == ["getitem"]
    assert layers["output"]["inputs"] == ["head", "getitem"]

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from runfolio.errors import NotFound
from runfolio.vision import architecture
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.spec import check_spec

SPEC = ModelSpec(name="tinyvgg", channels=1, height=8, width=8, classes=10, hidden_units=10)


@pytest.mark.parametrize("name", ["tinyvgg", "mlp"])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 4, 4), (1, 8, 8), (3, 13, 27), (3, 64, 64)])
def test_model_fits_images_of_4x4_pixels_or_more(name, channels, height, width):
    model = build_model(replace(SPEC, name=name, channels=channels, height=height, width=width, classes=7))

    assert model(torch.zeros(2, channels, height, width)).shape == (2, 7)


def test_unknown_model_is_refused_with_similar_names():
    with pytest.raises(NotFound, match="no model 'tinyvg'; did you mean tinyvgg"):
        build_model(replace(SPEC, name="tinyvg"))


def test_description_is_restored_from_json():
    assert check_spec(SPEC.as_meta()) == SPEC


def test_architecture_lists_layers_in_order_of_execution():
    shape = architecture(build_model(SPEC), SPEC.image_shape)

    assert [layer.type for layer in shape.layers] == [
        *["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"] * 2,
        *["Flatten", "Dropout", "Linear"],
    ]
    assert shape.layers[0] == ("block_1.0", "Conv2d", (1, 10, 8, 8), 100, 100)
    assert (shape.parameters, shape.trainable_parameters) == (3240, 3240)
    assert shape.size_mb == pytest.approx(3240 * 4 / 1e6)


def test_frozen_layer_is_not_counted_as_trainable():
    model = build_model(SPEC)
    model.get_submodule("block_1").requires_grad_(False)

    shape = architecture(model, SPEC.image_shape)

    assert shape.parameters - shape.trainable_parameters == 100 + 910


def test_architecture_does_not_change_the_model():
    model = build_model(SPEC).train()

    architecture(model, SPEC.image_shape)

    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_the_architecture_reads_as_text_and_as_a_terminal_table():
    shape = architecture(build_model(replace(SPEC, name="mlp")), SPEC.image_shape)

    assert shape.as_text().splitlines() == [
        "layer     type     output  parameters  trainable",
        "layers.0  Flatten  1x64             0          0",
        "layers.1  Linear   1x10           650        650",
        "layers.2  ReLU     1x10             0          0",
        "layers.3  Linear   1x10           110        110",
        "layers.4  ReLU     1x10             0          0",
        "layers.5  Dropout  1x10             0          0",
        "layers.6  Linear   1x10           110        110",
        "",
        "870 parameters, 870 trainable, 0.00348 MB",
    ]
    assert shape.table().row_count == 7

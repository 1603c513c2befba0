"""Networks of torchvision and timm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.record.checkpoints.loading import fill
from runfolio.vision import run_experiment
from runfolio.vision._torchvision import models
from runfolio.vision.evaluation.loading import load
from runfolio.vision.models import ModelSpec, build_model, check_model_name, published_transform, torchvision_zoo
from runfolio.vision.models.freezing import freeze_backbone, train_mode
from runfolio.vision.models.head import head_layers, head_modules

HEADS = {
    "alexnet": "classifier.6",
    "convnext_tiny": "classifier.2",
    "densenet121": "classifier",
    "efficientnet_b0": "classifier.1",
    "efficientnet_v2_s": "classifier.1",
    "googlenet": "fc",
    "inception_v3": "fc",
    "maxvit_t": "classifier.5",
    "mnasnet0_5": "classifier.1",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3_small": "classifier.3",
    "regnet_x_400mf": "fc",
    "regnet_y_400mf": "fc",
    "resnet18": "fc",
    "resnext50_32x4d": "fc",
    "shufflenet_v2_x0_5": "fc",
    "squeezenet1_1": "classifier.1",
    "swin_t": "head",
    "swin_v2_t": "head",
    "vgg11": "classifier.6",
    "vgg11_bn": "classifier.6",
    "vit_b_32": "heads.head",
    "wide_resnet50_2": "fc",
}
"""Smallest network of each family of torchvision."""


def spec_of(name: str, **changes) -> ModelSpec:
    published = published_transform(name)
    assert published is not None
    return ModelSpec(
        **{
            "name": name,
            "channels": published.channels,
            "height": published.height,
            "width": published.width,
            "classes": 7,
            "hidden_units": 1,
        }
        | changes
    )


def built_without_memory(spec: ModelSpec) -> nn.Module:
    # RegNets compute their widths with tensors, which have no values on the meta device.
    with torch.device("cpu" if "regnet" in spec.name else "meta"):
        return build_model(spec)


def test_each_family_of_torchvision_is_tested():
    def family(name: str) -> str:
        return name.split("_")[0].rstrip("0123456789")

    assert {family(name) for name in torchvision_zoo.names()} == {family(name) for name in HEADS}
    assert len(torchvision_zoo.names()) >= 80


@pytest.mark.parametrize("name", HEADS)
def test_architecture_has_one_output_per_class_and_a_trainable_head(name):
    spec = spec_of(name)
    model = built_without_memory(spec).train()
    device = next(model.parameters()).device

    assert model(torch.zeros(2, *spec.image_shape, device=device)).shape == (2, 7)
    assert head_layers(model) == (HEADS[name],)

    freeze_backbone(model)
    train_mode(model, frozen_backbone=True)
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {f"{HEADS[name]}.{key}" for key, _ in model.get_submodule(HEADS[name]).named_parameters()}
    normalising = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not any(module.training for module in normalising)
    assert all(module.training for module in head_modules(model))


@pytest.mark.parametrize("name", ["efficientnet_b0", "googlenet", "resnet18", "maxvit_t", "squeezenet1_1"])
def test_dropout_is_set_or_added_under_unchanged_keys(name):
    with torch.device("meta"):
        own, other = (build_model(spec_of(name, dropout=dropout)) for dropout in (None, 0.45))

    assert list(own.state_dict()) == list(other.state_dict())
    inside = [module.p for part in head_modules(other) for module in part.modules() if isinstance(module, nn.Dropout)]
    assert inside == [0.45]


def test_added_dropout_is_only_active_in_training():
    model = build_model(spec_of("shufflenet_v2_x0_5", dropout=0.5, height=32, width=32)).eval()
    images = torch.rand(4, 3, 32, 32)

    assert torch.equal(model(images), model(images))
    model.get_submodule("fc").train()
    assert not torch.equal(model(images), model(images))


def test_transformer_is_built_for_the_image_size():
    with torch.device("meta"):
        model = build_model(spec_of("vit_b_32", height=64, width=64))
        assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
        with pytest.raises(ConfigError, match="vit_b_32 accepts only square images, not 64x32; give --image-size"):
            build_model(spec_of("vit_b_32", height=64, width=32))


def test_network_is_filled_without_torchs_version_numbers():
    """The mnasnet of torchvision needs version numbers in `load_state_dict`."""
    model, other = (build_model(spec_of("mnasnet0_5")) for _ in range(2))

    fill(other, {key: tensor.clone() for key, tensor in model.state_dict().items()}, "it")

    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in other.state_dict().items())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("efficientnet_b00", "no model 'efficientnet_b00'; did you mean efficientnet_b0 or"),
        ("zzz", "no model 'zzz'; known: tinyvgg, mlp, torchvision models, and timm:NAME"),
    ],
)
def test_unknown_name_is_refused_in_one_line(name, said):
    with pytest.raises(NotFound, match=said):
        check_model_name(name)


def test_images_too_small_for_a_network_are_refused(store, tiny):
    with pytest.raises(
        ConfigError, match=r"model alexnet does not accept images of 8x8 pixels \(.*\); give --image-size 224"
    ):
        run_experiment(tiny(model="alexnet"), store=store)

    assert not store.exists()


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "efficientnet_v2_l"])
@pytest.mark.parametrize("size", [(640, 333), (200, 700)])
def test_pretrained_network_gets_the_input_of_torchvision_transforms(name, size):
    pixels = np.random.RandomState(0).randint(0, 256, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8)
    photo = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    transform = published_transform(name)
    assert transform is not None

    theirs = models.get_model_weights(name).DEFAULT.transforms()(photo)  # type: ignore[attr-defined]

    torch.testing.assert_close(transform(photo), theirs, rtol=0, atol=1e-6)


class TestTimm:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("timm")

    @pytest.mark.parametrize(
        ("name", "head"), [("test_resnet", "fc"), ("test_efficientnet", "classifier"), ("test_convnext", "head.fc")]
    )
    def test_model_has_the_requested_classes_and_dropout(self, name, head):
        spec = spec_of(f"timm:{name}", dropout=0.3)
        model = build_model(spec)

        assert model(torch.zeros(2, *spec.image_shape)).shape == (2, 7)
        assert head_layers(model) == (head,)
        assert model.drop_rate == 0.3

    def test_transform_is_that_of_the_weights(self):
        transform = published_transform("timm:test_resnet")

        assert transform is not None
        assert (transform.height, transform.resize, transform.interpolation) == (160, 168, "bilinear")

    def test_model_of_timm_trains_and_predicts(self, store, tiny):
        folder = run_experiment(tiny(model="timm:test_resnet", image_size=32, epochs=1), store=store)

        run = runfolio.open(store).run(folder)
        assert run.name == "timm:test_resnet-10pct-1ep"
        assert load(run.checkpoint("best")).predict([Image.new("L", (8, 8))])[0].label in "0123456789"

    def test_unknown_model_is_refused_with_similar_names(self):
        with pytest.raises(NotFound, match=r"timm has no model 'resnet_18'; did you mean .*resnet18"):
            check_model_name("timm:resnet_18")


def test_missing_timm_error_names_the_extra(fresh_python):
    done = fresh_python(
        "import sys\n"
        "sys.modules['timm'] = None\n"
        "from runfolio.errors import MissingExtra\n"
        "from runfolio.vision.models import check_model_name\n"
        "try:\n"
        "    check_model_name('timm:resnet18')\n"
        "except MissingExtra as error:\n"
        "    sys.exit(str(error))\n"
    )

    assert done.stderr.strip() == "a model of timm needs timm; install it with `pip install 'runfolio[timm]'`"

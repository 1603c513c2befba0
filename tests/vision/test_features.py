"""Cuts of networks of all architectures after their frozen part."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from runfolio.vision.models import ModelSpec, build_model, published_transform, torchvision_zoo
from runfolio.vision.models.freezing import freeze_backbone, train_mode
from runfolio.vision.models.memory_layout import to_channels_last
from runfolio.vision.models.network_cut import NetworkCut, cut_network, frozen_tensors
from runfolio.vision.models.tape import CutUnavailable

from .test_zoo import HEADS

SMALLEST = {"vit_h_14": 70, "maxvit_t": 224, "inception_v3": 75}
"""Sides of the smallest images of some architectures; others accept 64 pixels."""
_LARGE = ("maxvit_t", "regnet_x_400mf", "resnext50_32x4d", "swin_v2_t", "vgg11_bn", "vit_b_32", "wide_resnet50_2")
QUICK = [name for name in HEADS if name not in _LARGE]
"""One network of each family, without similar ones and slow ones."""
SLOW = [name for name in torchvision_zoo.names() if name not in QUICK]

OF_TIMM = """
beit_base_patch16_224 caformer_s18 cait_xxs24_224 coat_tiny convit_tiny convmixer_768_32 convnext_atto_rms
cpubone_nano crossvit_tiny_240 cs3darknet_focus_s csatv2 cspnext_tiny davit_tiny deit_tiny_patch16_224 densenet121
dla34 dpn68 edgenext_x_small efficientformer_l1 efficientformerv2_s0 efficientvit_b0 efficientvit_m0
ese_vovnet19b_slim_dw eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny ghostnet_050
gmlp_ti16_224 halonet_h1 hardcorenas_b hgnetv2_b0 hiera_tiny_224 hieradet_small hrnet_w18_small iformer_t
inception_next_atto inception_v3 inception_v4 lcnetv2_small legacy_seresnet101 legacy_xception lowformer_b0
mambaout_femto maxvit_pico_rw_256 mobilenetv3_small_050 mobileone_s1 mobilevit_xxs mvitv2_tiny nest_tiny
nextvit_small nf_seresnet26 pit_ti_224 pvt_v2_b0 rdnet_tiny regnetx_004_tv repghostnet_050 repvit_m1 res2next50
resnest14d resnet18 resnetv2_18 rexnet_100 selecsls42 sequencer2d_s skresnet18 starnet_s050 swiftformer_xs
swin_tiny_patch4_window7_224 swinv2_cr_tiny_224 swinv2_tiny_window8_256 tiny_vit_5m_224 tinynet_c
tnt_s_legacy_patch16_224 tresnet_m twins_svt_small visformer_tiny vit_srelpos_small_patch16_224 vit_tiny_patch16_224
vit_tiny_r_s16_p8_224 vitamin_small_224 xception41 xcit_nano_12_p8_224
"""
"""Small model of each module of timm 1.0."""
REFUSED = ["efficientvim_m1", "levit_384_s8", "shvit_s1", "volo_d1_224"]
"""Models whose heads need more than the output of the frozen part."""


def frozen(name: str, size: int = 64, dropout: float | None = None) -> nn.Module:
    torch.manual_seed(0)
    spec = ModelSpec(name=name, channels=3, height=size, width=size, classes=5, hidden_units=4, dropout=dropout)
    model = build_model(spec)
    freeze_backbone(model)
    return model


def features_of(cut: NetworkCut, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with cut.feature_function(model) as features:
        return features(images)


def check(model: nn.Module, size: int) -> NetworkCut:
    """Compare both parts with the whole network, on images that were not used for the cut."""
    cut = cut_network(model, (3, size, size))
    images = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = features_of(cut, model, images)
        original = features.clone()
        model.eval()
        torch.testing.assert_close(cut.logits(model, features), model(images))

        train_mode(model, frozen_backbone=True)
        torch.manual_seed(2)
        whole = model(images)
        torch.manual_seed(2)
        torch.testing.assert_close(cut.logits(model, features), whole)
    assert features.shape == (4, cut.size)
    assert torch.equal(features, original), "changed in place"
    return cut


@pytest.mark.parametrize("name", ["tinyvgg", "mlp", *QUICK])
def test_cut_network_equals_the_whole_one_also_with_dropout(name):
    size = SMALLEST.get(name, 64)
    check(frozen(name, size), size)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SLOW)
def test_other_networks_of_torchvision_are_cut(name):
    size = SMALLEST.get(name, 64)
    check(frozen(name, size), size)


def test_dropout_of_a_convolutional_head_ignores_memory_format():
    check(to_channels_last(frozen("squeezenet1_1", 64)), 64)


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_requested_dropout_is_in_the_head(name):
    size = SMALLEST.get(name, 64)
    model = frozen(name, size, dropout=0.5)
    cut = check(model, size)

    with torch.no_grad():
        features = features_of(cut, model, torch.randn(2, 3, size, size))
        train_mode(model, frozen_backbone=True)
        assert not torch.equal(cut.logits(model, features), cut.logits(model, features))


def test_features_have_the_shape_of_the_head_input():
    assert cut_network(frozen("mobilenet_v2"), (3, 64, 64)).shapes == ((1280,),)
    assert cut_network(frozen("squeezenet1_1"), (3, 64, 64)).shapes == ((512, 3, 3),)


class TestTimm:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("timm")

    @pytest.mark.parametrize(
        "name",
        [
            "test_resnet",
            "test_efficientnet",
            "test_vit",
            "test_convnext",
            "test_nfnet",
            "mobilenetv3_small_050",  # norm and activation after the pooling, functional dropout
            "regnetx_002",
        ],
    )
    def test_models_of_timm_are_cut(self, name):
        size = self.size(name)
        check(frozen(f"timm:{name}", size, dropout=0.3), size)

    @pytest.mark.soak
    @pytest.mark.parametrize("name", OF_TIMM.split())
    def test_model_of_each_module_of_timm_is_cut(self, name):
        size = self.size(name)
        check(frozen(f"timm:{name}", size, dropout=0.2), size)

    @pytest.mark.soak
    @pytest.mark.parametrize("name", REFUSED)
    def test_models_that_cannot_be_cut_have_a_reason(self, name):
        size = self.size(name)
        with pytest.raises(CutUnavailable, match=r"frozen part|dropped at random"):
            cut_network(frozen(f"timm:{name}", size, dropout=0.2), (3, size, size))

    def test_a_distilled_model_has_two_heads_with_features_each(self):
        size = self.size("deit_tiny_distilled_patch16_224")
        cut = check(frozen("timm:deit_tiny_distilled_patch16_224", size), size)

        assert cut.shapes == ((192,), (192,))

    def size(self, name: str) -> int:
        published = published_transform(f"timm:{name}")
        assert published is not None
        return published.height


class Backbone(nn.Module):
    """Small network, which subclasses modify."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(6, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).flatten(1))


class AcrossTheBatch(Backbone):
    def forward(self, images):
        features = self.body(images).flatten(1)
        return self.head(features - features.mean(dim=0))


class AroundTheHead(Backbone):
    def forward(self, images):
        return self.head(self.body(images).flatten(1)) + images.mean(dim=(1, 2, 3)).unsqueeze(1)


class CountsImages(Backbone):
    def forward(self, images):
        return self.head(self.body(images).flatten(1)).view(len(images), 5)


class DrawsInside(Backbone):
    def forward(self, images):
        features = functional.dropout(self.body(images), 0.5, self.training)
        return self.head(self.body[2](features * features).flatten(1))


class TwoAnswers(Backbone):
    def forward(self, images):  # type: ignore[override]
        answer = super().forward(images)
        return answer, answer


class HeadTwice(Backbone):
    def forward(self, images):
        features = self.body(images).flatten(1)
        return self.head(features) + self.head(features * 2)


class NoHead(Backbone):
    def forward(self, images):
        return self.body(images).flatten(1)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (AcrossTheBatch, "depend on the other images of its batch"),
        (AroundTheHead, "uses tensors of the frozen part in addition to its own inputs"),
        (CountsImages, "depends on the number of images"),
        (DrawsInside, "is a function, which has no hooks"),
        (TwoAnswers, "returns a tuple"),
        (HeadTwice, "its layer head runs more than once"),
        (NoHead, "does not come from a layer that trains"),
    ],
)
def test_network_that_cannot_be_cut_is_explained(kind, why):
    model = kind()
    freeze_backbone(model)

    with pytest.raises(CutUnavailable, match=why):
        cut_network(model, (3, 16, 16))


def test_cutting_does_not_change_network_or_generator():
    model = frozen("efficientnet_b0", dropout=0.2).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    generator = torch.get_rng_state()

    cut_network(model, (3, 64, 64))

    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), generator)


def test_cut_is_before_the_first_trained_layer():
    model = Backbone()
    freeze_backbone(model)
    model.body[1].requires_grad_(True)

    cut = cut_network(model, (3, 16, 16))

    assert cut.shapes == ((6, 14, 14),)
    assert set(frozen_tensors(model)) == {"body.0.weight", "body.0.bias"}


def test_head_trains_on_features_like_the_whole_network():
    model = frozen("mobilenet_v2")
    images = torch.randn(4, 3, 64, 64)
    cut = cut_network(model, (3, 64, 64))
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    features = features_of(cut, model, images)
    seen.clear()

    train_mode(model, frozen_backbone=True)
    with cut.head_alone(model):
        model(features).sum().backward()

    assert seen == [(4, 5)]
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {"classifier.1.weight", "classifier.1.bias"}
    assert model(images).shape == (4, 5)


def test_cut_fits_a_copy_of_the_network():
    model, copy = frozen("mobilenet_v2"), frozen("mobilenet_v2")
    with torch.no_grad():
        copy.get_submodule("classifier.1").weight.mul_(2)  # type: ignore[operator,union-attr]
    images = torch.randn(2, 3, 64, 64)
    cut = cut_network(model, (3, 64, 64))

    with torch.no_grad():
        torch.testing.assert_close(cut.logits(copy.eval(), features_of(cut, model, images)), copy(images))

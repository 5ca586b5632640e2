"""What every segmentation network promises, over the table; then what is special about each family."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from finesight.config import OptimSettings
from finesight.errors import ModelError, WeightsError
from finesight.models import build_model
from finesight.models.fcn import vgg16_features
from finesight.models.pretrained_segmenters import _fill
from finesight.models.segmenters import (
    SEGMENTERS,
    PaddedSegmenter,
    Segmenter,
    TorchvisionSegmenter,
    build_segmenter,
    carry_over_backbone,
)
from finesight.training.optim import learning_rate_scales

TINY = "fcn/timm/test_efficientnet"  # 0.4 million parameters
FAMILIES = [*SEGMENTERS, TINY, "fcn/timm/test_vit", "fcn/timm/swin_tiny_patch4_window7_224"]
SMALL = [TINY, "fcn/timm/test_convnext", "lraspp_mobilenet_v3_large"]
SIZES = [(64, 64), (33, 65), (1, 1)]


def on_meta(name: str, num_classes: int = 5) -> Segmenter:
    with torch.device("meta"):
        return build_segmenter(name, num_classes)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- contract


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_have_the_images_size_and_the_head_is_there(name: str) -> None:
    made = on_meta(name)
    seen: list[Tensor] = []
    made.network.get_submodule(made.head).register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    assert made.network.eval()(torch.empty(2, 3, 33, 65, device="meta")).shape == (2, 5, 33, 65)
    assert len(seen) == 1
    assert seen[0].ndim == 4
    if made.freeze_before:
        made.network.get_submodule(made.freeze_before)


@pytest.mark.parametrize("name", SMALL)
def test_real_images_of_any_size_give_the_same_finite_logits_twice(name: str) -> None:
    network = build_segmenter(name, 3).network.eval()
    for size in SIZES:
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            logits = network(images)
            assert logits.shape == (1, 3, *size)
            assert logits.isfinite().all()
            assert torch.equal(network(images), logits)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = build_segmenter(name, 3).network.train()
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not without


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg16_fcn32s", 40_118_087),
        ("vgg16_fcn8s", 14_736_997),
        ("vgg16_fcn32s_paper", 134_289_223 + 200_704),
        ("vgg16_fcn8s_paper", 134_294_613 + 14_112),
        # backbone without conv_head and classifier: laterals (24 + 40 + 112 + 320) · 128, norms, 3×3, 1×1, head
        ("fcn/efficientnet_lite0", 2_958_848 + 496 * 128 + 4 * 128 + 9 * 128 + 128 * 128 + 129 * 7),
    ],
)
def test_counts_at_seven_classes(name: str, expected: int) -> None:
    assert parameters(on_meta(name, 7).network) == expected


@pytest.mark.parametrize("name", ["fcn_efficientnet_lite0", "", "vgg16_fcn32", "resnet50"])
def test_an_unknown_name_is_one_sentence(name: str) -> None:
    with pytest.raises(ModelError, match="No segmentation model"):
        build_segmenter(name, 3)


# --- timm


def test_shifting_the_image_shifts_the_logits() -> None:
    network = build_segmenter(TINY, 2).network.eval()
    images = torch.zeros(1, 3, 224, 32)
    images[:, :, 96:104] = 3.0
    with torch.no_grad():
        logits, shifted = network(images), network(images.roll(32, dims=2))
    assert logits.std() > 0
    torch.testing.assert_close(shifted[:, :, 96:160], logits[:, :, 64:128], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_convnext", "test_resnet", "test_vit"])
def test_a_classifiers_weights_fill_the_backbone(name: str) -> None:
    """The carried-over backbone computes what timm's own cut of that classifier computes."""
    import timm

    classifier = timm.create_model(name, pretrained=False, num_classes=11)
    made = build_segmenter(f"fcn/timm/{name}", 3)
    new = made.carry_over(made.network, classifier.state_dict()) if made.carry_over else ()
    assert new
    assert not any(each.startswith("backbone.") for each in new)
    images = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        maps = made.network.backbone.eval()(images)
        theirs = classifier.eval().forward_intermediates(images, intermediates_only=True)
    deepest = min((each for each in theirs if each.shape == maps[-1].shape), key=lambda e: (e - maps[-1]).abs().max())
    torch.testing.assert_close(maps[-1], deepest)


def test_another_networks_weights_are_refused() -> None:
    made = build_segmenter(TINY, 3)
    before = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    state = {"conv_stem.weight": torch.zeros(24, 3, 3, 3), "blocks.0.0.conv.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="do not fit the backbone"):
        carry_over_backbone(made.network, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.network.state_dict().items())


def test_unknown_and_unfit_timm_names() -> None:
    with pytest.raises(ModelError, match=r"Did you mean 'resnet18'\?"):
        build_segmenter("fcn/timm/resnt18", 3)
    with pytest.raises(ModelError, match="images of any size"):
        build_segmenter("fcn/timm/mixer_s32_224", 3)


def test_only_what_the_weights_did_not_hold_is_new(tmp_path: Path) -> None:
    import timm

    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.safetensors")
    model = build_model("fcn/timm/test_resnet", 3, weights=str(tmp_path / "w.safetensors"))
    assert "head" in model.new_layers
    assert "laterals.0" in model.new_layers
    assert not any(name.startswith("backbone") for name in model.new_layers)
    scales = learning_rate_scales(model, OptimSettings(backbone_scale=0.1))
    assert {scales["head"], scales["laterals.0"], scales["smooth.1"]} == {1.0}
    assert scales["backbone.conv1"] == 0.1


# --- torchvision


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_logits_are_torchvisions(name: str) -> None:
    from torchvision.models import get_model

    theirs = get_model(name, weights=None, weights_backbone=None, num_classes=4).eval()
    ours = TorchvisionSegmenter(theirs).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images)["out"])


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_resnet101", "lraspp_mobilenet_v3_large"])
def test_torchvisions_classifiers_fit_the_backbones(name: str) -> None:
    from torchvision.models import get_model

    made = on_meta(name)
    state = {
        key: torch.zeros_like(tensor, device="meta")
        for key, tensor in get_model(made.starts_from, weights=None).state_dict().items()
    }
    new = carry_over_backbone(made.network, state)
    assert new
    assert all(each.startswith("classifier.") for each in new)


@pytest.mark.parametrize("prefix", ["", "model.", "state_dict.module.net."])
def test_a_segmenters_file_of_other_classes_fills_all_but_what_scores_them(
    tmp_path: Path, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = build_segmenter(TINY, 5).network
    save_file({f"{prefix}{name}": tensor for name, tensor in source.state_dict().items()}, tmp_path / "w.safetensors")
    model = build_model(TINY, 3, str(tmp_path / "w.safetensors"))
    assert torch.equal(model.network.laterals[0].weight, source.laterals[0].weight)
    assert model.new_layers == ("head",)
    assert "the weights have 5 classes, not 3; new and untrained: head." in capsys.readouterr().err
    same = build_model(TINY, 5, str(tmp_path / "w.safetensors"))
    assert torch.equal(same.network.head.weight, source.head.weight)


def test_torchvisions_published_segmenters_have_an_output_for_training_alone(tmp_path: Path) -> None:
    from torchvision.models import get_model

    source = get_model("deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, aux_loss=True)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = build_model("deeplabv3_mobilenet_v3_large", 4, str(tmp_path / "w.safetensors"))
    assert model.new_layers == ("classifier.4",)
    assert torch.equal(model.network.classifier[1].weight, source.classifier[1].weight)


# --- segmentation_models_pytorch


def test_a_file_of_another_network_for_one_that_starts_from_no_classifier() -> None:
    made = Segmenter(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)), "1")
    with pytest.raises(WeightsError, match="layer '1' is missing"):
        _fill(made, {"conv.weight": torch.zeros(1)}, None, 2)
    assert _fill(made, {f"net.{name}": tensor for name, tensor in made.network.state_dict().items()}, None, 2) == ()


def test_without_smp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ModelError, match=r"finesight\[zoo\]"):
        build_segmenter("smp/unet/resnet18", 3)


def test_smp_networks_take_any_size() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    made = build_segmenter("smp/unet/resnet18", 3)
    with torch.no_grad():
        assert made.network.eval()(torch.randn(1, 3, 33, 65)).shape == (1, 3, 33, 65)
    assert isinstance(made.network.get_submodule(made.head), nn.Conv2d)
    for wrong in ("smp/unet", "smp/nosuch/resnet18", "smp/unet/nosuch"):
        with pytest.raises(ModelError, match="cannot be made"):
            build_segmenter(wrong, 3)


def test_padding_goes_around_a_network_of_fixed_steps() -> None:
    class Halves(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[-2] % 32 == 0
            assert images.shape[-1] % 32 == 0
            return images[:, :2]

    images = torch.randn(1, 3, 40, 7)
    assert torch.equal(PaddedSegmenter(Halves())(images), images[:, :2])


def test_reference_weights_reach_the_network_through_the_table() -> None:
    made = build_segmenter("vgg16_fcn8s", 3)
    state = {f"features.{name}": torch.ones_like(tensor) for name, tensor in vgg16_features().state_dict().items()}
    assert made.carry_over is not None
    new = made.carry_over(made.network, state)
    assert {each.partition(".")[0] for each in new} == {
        "fcn6",
        "upsampling2",
        "upsampling8",
        "score_pool3",
        "score_pool4",
    }
    assert made.network.get_parameter("pool5.4.weight").eq(1).all()

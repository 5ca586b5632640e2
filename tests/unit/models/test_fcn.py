"""The VGG16-based FCNs: structure, any input size, starting weights. Geometry is in tests/parity."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import ModelError, WeightsError
from finesight.models.fcn import (
    PaperFCN8s,
    PaperFCN16s,
    PaperFCN32s,
    VGG16FCN8s,
    VGG16FCN32s,
    carry_over_vgg16,
    pad_to_multiple,
    start_from_coarser,
    vgg16_features,
)

HIDDEN = 8


def vgg16_state(hidden: int = HIDDEN) -> dict[str, Tensor]:
    """Random weights under the names and shapes of torchvision's vgg16, with narrow hidden linear layers."""
    state = {f"features.{name}": torch.randn_like(tensor) for name, tensor in vgg16_features().state_dict().items()}
    for index, inputs, outputs in ((0, 25088, hidden), (3, hidden, hidden), (6, hidden, 1000)):
        state[f"classifier.{index}.weight"] = torch.randn(outputs, inputs)
        state[f"classifier.{index}.bias"] = torch.randn(outputs)
    return state


@pytest.mark.parametrize(
    ("network", "children"),
    [
        (VGG16FCN32s, ["features", "fcn6", "fcn7", "score_fr", "upscore"]),
        (
            VGG16FCN8s,
            ["pool1_to_3", "pool4", "pool5", "fcn6", "upsampling2", "upsampling8", "score_pool3", "score_pool4"],
        ),
    ],
)
def test_reference_modules_in_printed_order(network: type[nn.Module], children: list[str]) -> None:
    with torch.device("meta"):
        made = network(7)
    assert [name for name, _ in made.named_children()] == children


def test_reference_dropout_drops_channels_and_the_papers_elements() -> None:
    with torch.device("meta"):
        assert type(VGG16FCN32s(7).fcn6[2]) is nn.Dropout2d
        assert type(PaperFCN32s(7).fc6[2]) is nn.Dropout


def test_features_follow_torchvisions_vgg16() -> None:
    from torchvision.models import vgg16

    with torch.device("meta"):
        theirs, ours = vgg16(weights=None).features, VGG16FCN32s(7).features
    assert str(theirs) == str(ours)


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (64, 64), (100, 31), (96, 160)])
@pytest.mark.parametrize("network", [VGG16FCN32s, VGG16FCN8s, PaperFCN32s, PaperFCN16s, PaperFCN8s])
def test_logits_have_the_images_size(network: type[nn.Module], size: tuple[int, int]) -> None:
    with torch.device("meta"):
        assert network(5)(torch.empty(2, 3, *size)).shape == (2, 5, *size)


def test_odd_sizes_are_the_padded_picture_cropped() -> None:
    network = VGG16FCN8s(3).eval()
    images = torch.randn(1, 3, 33, 50)
    with torch.no_grad():
        padded = nn.functional.pad(images, (0, 14, 0, 31), mode="replicate")
        assert torch.equal(network(images), network(padded)[..., :33, :50])


def test_padding_repeats_the_border_and_leaves_multiples_alone() -> None:
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(images, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(padded, 4) is padded
    assert pad_to_multiple(images, 4, least=8).shape == (1, 1, 8, 8)
    assert pad_to_multiple(torch.zeros(1, 1, 65, 9), 32, least=64).shape == (1, 1, 96, 64)


@pytest.mark.parametrize("make", [lambda: VGG16FCN32s(3, hidden=64), lambda: VGG16FCN8s(20)])
def test_every_parameter_gets_a_gradient(make: Callable[[], nn.Module]) -> None:
    network = make().eval()  # dropout may drop every channel
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_signals_reach_the_last_pool_untrained() -> None:
    """Torch's own start would leave a hundred-thousandth of the input's spread after 13 convolutions."""
    spread = VGG16FCN32s(3, hidden=HIDDEN).features(torch.randn(1, 3, 64, 64)).std()
    assert 0.05 < spread < 20


def test_papers_upsampling_is_never_trained_and_its_scores_start_at_zero() -> None:
    network = PaperFCN8s(3, hidden=HIDDEN)
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (not name.startswith("upscore"))
        assert getattr(parameter, "never_trained", False) == name.startswith("upscore")
        if name.startswith("score"):
            assert not parameter.any()


@pytest.mark.parametrize("network", [VGG16FCN32s(3, hidden=HIDDEN), VGG16FCN8s(3), PaperFCN8s(3, hidden=HIDDEN)])
def test_features_are_carried_over_and_the_rest_is_named(network: nn.Module) -> None:
    state = vgg16_state()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    new = carry_over_vgg16(network, state, with_classifier=False)
    stages = ("features.", "pool1_to_3.", "pool4.", "pool5.")
    for name, tensor in network.state_dict().items():
        if name.startswith(stages):
            assert torch.equal(tensor, state[f"features.{name.partition('.')[2]}"]), name
        else:
            assert torch.equal(tensor, before[name]), name
    assert set(new) == {name for name in before if not name.startswith(stages)}


def test_vgg16s_linear_layers_become_fc6_and_fc7() -> None:
    network, state = PaperFCN32s(3, hidden=HIDDEN), vgg16_state()
    new = carry_over_vgg16(network, state, with_classifier=True)
    assert set(new) == {"score_fr.weight", "score_fr.bias", "upscore.weight"}
    assert torch.equal(network.fc6[0].weight.flatten(1), state["classifier.0.weight"])
    assert torch.equal(network.fc7[0].bias, state["classifier.3.bias"])


def test_reference_networks_have_no_place_for_the_classifier() -> None:
    with pytest.raises(ModelError, match="VGG16FCN32s has no layers"):
        carry_over_vgg16(VGG16FCN32s(3, hidden=HIDDEN), vgg16_state(), with_classifier=True)


def test_weights_of_something_else_are_refused_and_nothing_is_loaded() -> None:
    network, state = PaperFCN32s(3, hidden=HIDDEN), vgg16_state(hidden=9)
    before = network.pool4[0].weight.clone()
    with pytest.raises(WeightsError, match=r"classifier\.0\.weight"):
        carry_over_vgg16(network, state, with_classifier=True)
    del state["features.28.bias"]
    with pytest.raises(WeightsError, match=r"features\.28\.bias"):
        carry_over_vgg16(network, state, with_classifier=False)
    assert torch.equal(network.pool4[0].weight, before)


def test_staged_training_keeps_everything_trained_and_adds_one_score() -> None:
    coarse, middle, fine = (network(3, hidden=HIDDEN) for network in (PaperFCN32s, PaperFCN16s, PaperFCN8s))
    nn.init.normal_(coarse.score_fr.weight)
    assert start_from_coarser(middle, coarse.state_dict()) == ("score_pool4.weight", "score_pool4.bias")
    nn.init.normal_(middle.score_pool4.weight)
    assert start_from_coarser(fine, middle.state_dict()) == ("score_pool3.weight", "score_pool3.bias")
    assert torch.equal(fine.score_fr.weight, coarse.score_fr.weight)
    assert torch.equal(fine.score_pool4.weight, middle.score_pool4.weight)
    assert torch.equal(fine.fc6[0].weight, coarse.fc6[0].weight)
    assert not fine.score_pool3.weight.any()


def test_staged_training_refuses_any_other_start() -> None:
    coarse, middle = PaperFCN32s(3, hidden=HIDDEN), PaperFCN16s(3, hidden=HIDDEN)
    with pytest.raises(WeightsError, match=r"score_pool4"):
        start_from_coarser(middle, middle.state_dict())
    with pytest.raises(WeightsError, match=r"score_fr\.weight"):
        start_from_coarser(PaperFCN16s(4, hidden=HIDDEN), coarse.state_dict())
    with pytest.raises(WeightsError, match=r"score_pool4"):
        start_from_coarser(PaperFCN8s(3, hidden=HIDDEN), coarse.state_dict())
    with pytest.raises(ModelError, match="no coarser"):
        start_from_coarser(coarse, coarse.state_dict())
    with pytest.raises(ModelError, match="at-once"):
        start_from_coarser(PaperFCN8s(3, hidden=HIDDEN, at_once=True), middle.state_dict())

"""The VGG16-based FCNs: structure, any input size, starting weights. Geometry is in tests/parity."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import ModelError, WeightsError
from finesight.models.fcn import (
    PaperFCN8s,
    PaperFCN16s,
    PaperFCN32s,
    Vgg16FCN8,
    Vgg16FCN32,
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


POOL = "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
DROPOUT = "Dropout2d(p=0.5, inplace=False)"


def printed_blocks(*blocks: tuple[int, ...]) -> list[str]:
    """What torch prints for VGG's blocks, each told by its channels, first those that come in."""
    return [
        layer
        for block in blocks
        for layer in [
            *(each for pair in itertools.pairwise(block) for each in (printed_conv(*pair, 3, 1), "ReLU(inplace=True)")),
            POOL,
        ]
    ]


def printed_conv(inputs: int, outputs: int, kernel: int, padding: int = 0) -> str:
    end = f", padding=({padding}, {padding}))" if padding else ")"
    return f"Conv2d({inputs}, {outputs}, kernel_size=({kernel}, {kernel}), stride=(1, 1){end}"


def printed_up(kernel: int, stride: int) -> str:
    return f"ConvTranspose2d(7, 7, kernel_size=({kernel}, {kernel}), stride=({stride}, {stride}), bias=False)"


BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
PRINTED = {  # the reference's two networks, as they were printed in its report; lists count from (0)
    Vgg16FCN32: {
        "features": printed_blocks(*BLOCKS),
        "fcn6": [printed_conv(512, 4096, 2), "ReLU(inplace=True)", DROPOUT],
        "fcn7": [printed_conv(4096, 4096, 1), "ReLU(inplace=True)", DROPOUT],
        "score_fr": printed_conv(4096, 7, 1),
        "upscore": printed_up(64, 32),
    },
    Vgg16FCN8: {
        "pool1_to_3": printed_blocks(*BLOCKS[:3]),
        "pool4": printed_blocks(BLOCKS[3]),
        "pool5": printed_blocks(BLOCKS[4]),
        "fcn6": [printed_conv(512, 7, 1), "ReLU()"],
        "upsampling2": printed_up(4, 2),
        "upsampling8": printed_up(16, 8),
        "score_pool3": printed_conv(256, 7, 1),
        "score_pool4": printed_conv(512, 7, 1),
    },
}


@pytest.mark.parametrize("network", PRINTED)
def test_the_references_networks_print_as_in_its_report(network: type[nn.Module]) -> None:
    with torch.device("meta"):
        made = network(7)
    expected = [f"{network.__name__}("]
    for name, layers in PRINTED[network].items():
        if isinstance(layers, str):
            expected.append(f"  ({name}): {layers}")
        else:
            inner = [f"    ({index}): {layer}" for index, layer in enumerate(layers)]
            expected += [f"  ({name}): Sequential(", *inner, "  )"]
    assert str(made).splitlines() == [*expected, ")"]
    assert network.__name__ in ("Vgg16FCN32", "Vgg16FCN8")


def test_reference_dropout_drops_channels_and_the_papers_elements() -> None:
    with torch.device("meta"):
        assert type(Vgg16FCN32(7).fcn6[2]) is nn.Dropout2d
        assert type(PaperFCN32s(7).fc6[2]) is nn.Dropout


def test_features_follow_torchvisions_vgg16() -> None:
    from torchvision.models import vgg16

    with torch.device("meta"):
        theirs, ours = vgg16(weights=None).features, Vgg16FCN32(7).features
    assert str(theirs) == str(ours)


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (64, 64), (100, 31), (96, 160)])
@pytest.mark.parametrize("network", [Vgg16FCN32, Vgg16FCN8, PaperFCN32s, PaperFCN16s, PaperFCN8s])
def test_logits_have_the_images_size(network: type[nn.Module], size: tuple[int, int]) -> None:
    with torch.device("meta"):
        assert network(5)(torch.empty(2, 3, *size)).shape == (2, 5, *size)


def test_odd_sizes_are_the_padded_image_cropped() -> None:
    network = Vgg16FCN8(3).eval()
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


@pytest.mark.parametrize("make", [lambda: Vgg16FCN32(3, hidden=64), lambda: Vgg16FCN8(20)])
def test_every_parameter_gets_a_gradient(make: Callable[[], nn.Module]) -> None:
    network = make().eval()  # dropout may drop every channel
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_signals_reach_the_last_pool_untrained() -> None:
    """Torch's own start would leave a hundred-thousandth of the input's spread after 13 convolutions."""
    spread = Vgg16FCN32(3, hidden=HIDDEN).features(torch.randn(1, 3, 64, 64)).std()
    assert 0.05 < spread < 20


def test_papers_upsampling_is_never_trained_and_its_scores_start_at_zero() -> None:
    network = PaperFCN8s(3, hidden=HIDDEN)
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (not name.startswith("upscore"))
        assert getattr(parameter, "never_trained", False) == name.startswith("upscore")
        if name.startswith("score"):
            assert not parameter.any()


@pytest.mark.parametrize("network", [Vgg16FCN32(3, hidden=HIDDEN), Vgg16FCN8(3), PaperFCN8s(3, hidden=HIDDEN)])
def test_features_are_carried_over_and_the_rest_is_named(network: nn.Module) -> None:
    state = vgg16_state()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    new = carry_over_vgg16(network, state, with_classifier=False)
    stages = ("features.", "pool1_to_3.", "pool4.", "pool5.")
    after = network.state_dict()
    assert set(new) == {name for name in before if not name.startswith(stages)}
    assert all(torch.equal(after[name], before[name]) for name in new)
    carried = [after[name] for name in after if name.startswith(stages)]  # in the order of VGG16's
    features = [state[name] for name in state if name.startswith("features.")]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(carried, features, strict=True))


@pytest.mark.parametrize("network", [Vgg16FCN8(3), PaperFCN16s(3, hidden=HIDDEN)])
def test_weights_of_runs_whose_stages_kept_vgg16s_indices_still_load(network: nn.Module) -> None:
    state = network.state_dict()
    starts = {"pool4": 17, "pool5": 24}

    def old(name: str) -> str:
        stage, index, rest = [*name.split(".", 2), "", ""][:3]
        return f"{stage}.{int(index) + starts[stage]}.{rest}" if stage in starts else name

    before = {old(name): torch.full_like(tensor, number) for number, (name, tensor) in enumerate(state.items())}
    assert "pool5.28.bias" in before
    network.load_state_dict(before)
    assert all(torch.equal(state[name], before[old(name)]) for name in state)
    network.load_state_dict(dict(state))
    assert type(network).rename_old_layer("pool4.19") == "pool4.2"
    assert type(network).rename_old_layer("pool1_to_3.16") == "pool1_to_3.16"


def test_vgg16s_linear_layers_become_fc6_and_fc7() -> None:
    network, state = PaperFCN32s(3, hidden=HIDDEN), vgg16_state()
    new = carry_over_vgg16(network, state, with_classifier=True)
    assert set(new) == {"score_fr.weight", "score_fr.bias", "upscore.weight"}
    assert torch.equal(network.fc6[0].weight.flatten(1), state["classifier.0.weight"])
    assert torch.equal(network.fc7[0].bias, state["classifier.3.bias"])


def test_reference_networks_have_no_place_for_the_classifier() -> None:
    with pytest.raises(ModelError, match="Vgg16FCN32 has no layers"):
        carry_over_vgg16(Vgg16FCN32(3, hidden=HIDDEN), vgg16_state(), with_classifier=True)


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
    with pytest.raises(ModelError, match="cannot start from a coarser network"):
        start_from_coarser(coarse, coarse.state_dict())
    with pytest.raises(ModelError, match="at-once"):
        start_from_coarser(PaperFCN8s(3, hidden=HIDDEN, at_once=True), middle.state_dict())

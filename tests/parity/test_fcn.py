"""FCN geometry and counts against figures derived by hand (arXiv:1411.4038, 1605.06211, the reference system's print).

Where a score cell is replaced by the row of the pixel it is centred at, right geometry makes every output pixel
name its own row: that checks strides, crops and upsampling at once, in absolute pixels.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.fcn import (
    PaperFCN,
    PaperFCN8s,
    PaperFCN16s,
    PaperFCN32s,
    Vgg16FCN8,
    Vgg16FCN32,
    bilinear_deconvolution,
    bilinear_kernel,
    carry_over_vgg16,
    start_from_coarser,
    vgg16_features,
)
from finesight.models.layers import trace_layers

PAPER = [PaperFCN32s, PaperFCN16s, PaperFCN8s]


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


def count(network: nn.Module, trained: bool) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad == trained)


# --- parameters


def test_reference_counts() -> None:
    assert count(on_meta(lambda: Vgg16FCN32(7)), trained=True) == 40_118_087
    assert count(on_meta(lambda: Vgg16FCN8(7)), trained=True) == 14_736_997


@pytest.mark.parametrize(
    ("network", "num_classes", "trained", "frozen"),
    [
        (PaperFCN32s, 21, 134_346_581, 1_806_336),
        (PaperFCN16s, 21, 134_357_354, 458_640),
        (PaperFCN8s, 21, 134_362_751, 127_008),
        (PaperFCN32s, 7, 134_289_223, 200_704),
        (PaperFCN8s, 7, 134_294_613, 14_112),
    ],
)
def test_paper_counts(network: type[PaperFCN], num_classes: int, trained: int, frozen: int) -> None:
    made = on_meta(lambda: network(num_classes))
    assert (count(made, trained=True), count(made, trained=False)) == (trained, frozen)


# --- bilinear kernels


def test_bilinear_kernel_vectors() -> None:
    assert torch.equal(bilinear_kernel(4).sum(0) / 2, torch.tensor([0.25, 0.75, 0.75, 0.25]))
    for size in (4, 16, 32, 64):
        kernel = bilinear_kernel(size)
        assert kernel.sum() == (size // 2) ** 2
        assert kernel[0, 0] == (1 / size) ** 2
        assert torch.equal(kernel, kernel.flip(0, 1))


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_bilinear_deconvolution_interpolates_each_class_by_itself(stride: int) -> None:
    scores = torch.randn(1, 3, 5, 6)
    upsampled = bilinear_deconvolution(3, stride)(scores)
    inner = slice(stride, -stride)  # one input cell off every border of the deconvolution's larger output
    whole = F.interpolate(scores, scale_factor=stride, mode="bilinear", align_corners=False)
    half = stride // 2
    torch.testing.assert_close(upsampled[..., inner, inner], whole[..., half:-half, half:-half])


# --- sizes on the way


@pytest.mark.parametrize(
    ("side", "pools", "score", "upsampled"),
    [(512, [355, 178, 89, 45, 23], 17, [576, 592, 600]), (500, [349, 175, 88, 44, 22], 16, [544, 560, 568])],
)
def test_paper_sizes(side: int, pools: list[int], score: int, upsampled: list[int]) -> None:
    names = ["pool1_to_3.4", "pool1_to_3.9", "pool1_to_3.16", "pool4.6", "pool5.6", "score_fr"]
    for network, last, expected in zip(PAPER, ["upscore", "upscore16", "upscore8"], upsampled, strict=True):
        made = on_meta(lambda network=network: network(2))
        widths = {layer.name: layer.output_shape[-1] for layer in trace_layers(made, (64, side))}
        assert [widths[name] for name in names] == [*pools, score]
        assert widths[last] == expected


@pytest.mark.parametrize("network", PAPER)
def test_paper_crops_fit_every_side(network: type[PaperFCN]) -> None:
    made = on_meta(lambda: network(1))
    for height in range(1, 201):
        width = 201 - height
        assert made(torch.empty(1, 3, height, width, device="meta")).shape[-2:] == (height, width)


# --- alignment in absolute pixels


class Rows(nn.Module):
    """Stands in for a score layer: each cell's answer is the image row its centre lies at, (stride · i + first)."""

    def __init__(self, stride: int, first: float) -> None:
        super().__init__()
        self.stride, self.first = stride, first

    def forward(self, cells: Tensor) -> Tensor:
        rows = self.stride * torch.arange(cells.shape[-2], dtype=torch.float32) + self.first
        return rows[:, None].expand(1, 1, *cells.shape[-2:])


class Zeros(Rows):
    def forward(self, cells: Tensor) -> Tensor:
        return torch.zeros(1, 1, *cells.shape[-2:])


def thin_paper(network: Callable[[int], nn.Module]) -> nn.Module:
    """The paper's geometry without convolutions: a 3×3 window on padding 100, pools that round up, a 7×7 window."""
    made = on_meta(lambda: network(1))
    pools = [nn.MaxPool2d(2, ceil_mode=True) for _ in range(3)]
    made.pool1_to_3 = nn.Sequential(nn.ZeroPad2d(99), *pools)
    made.pool4 = made.pool5 = nn.MaxPool2d(2, ceil_mode=True)
    made.fc6, made.fc7 = nn.AvgPool2d(7, stride=1), nn.Identity()
    for name, layer in made.named_children():
        if name.startswith("upscore"):
            setattr(made, name, bilinear_deconvolution(1, layer.stride[0]))
    return made


def assert_rows(output: Tensor, low: int, high: int) -> None:
    rows = torch.arange(output.shape[-2], dtype=torch.float32)[:, None].expand(output.shape[-2:])
    torch.testing.assert_close(output[0, 0, low:high, low:high], rows[low:high, low:high], atol=1e-3, rtol=0)


@pytest.mark.parametrize("side", [160, 173])
@pytest.mark.parametrize("network", PAPER)
def test_paper_scores_come_out_where_they_were_seen(network: type[PaperFCN], side: int) -> None:
    made = thin_paper(network)
    made.score_fr = Rows(32, 12.5)
    made.score_pool4 = made.score_pool3 = Zeros(0, 0)
    assert_rows(made(torch.zeros(1, 1, side, side)), 45, side - 45)


@pytest.mark.parametrize("side", [160, 173])
@pytest.mark.parametrize("network", [PaperFCN16s, PaperFCN8s])
def test_paper_pool4_skip_is_aligned(network: type[PaperFCN], side: int) -> None:
    made = thin_paper(network)
    made.score_fr = made.score_pool3 = Zeros(0, 0)
    made.score_pool4 = Rows(16, 7.5 - 99)
    assert_rows(made(torch.zeros(1, 1, side, side)), 8, side - 8)


@pytest.mark.parametrize("side", [160, 173])
def test_paper_pool3_skip_is_aligned(side: int) -> None:
    made = thin_paper(PaperFCN8s)
    made.score_fr = made.score_pool4 = Zeros(0, 0)
    made.score_pool3 = Rows(8, 3.5 - 99)
    assert_rows(made(torch.zeros(1, 1, side, side)), 0, side)


def test_at_once_scales_what_its_skips_see() -> None:
    made = thin_paper(partial(PaperFCN8s, at_once=True))
    made.score_fr = Zeros(0, 0)
    images = torch.full((1, 1, 64, 64), 5.0)
    for kept, other, scale in (("score_pool4", "score_pool3", 0.01), ("score_pool3", "score_pool4", 0.0001)):
        setattr(made, kept, nn.Identity())
        setattr(made, other, Zeros(0, 0))
        assert made(images)[0, 0, 32, 32].item() == pytest.approx(5 * scale)


def make_bilinear(layer: nn.ConvTranspose2d) -> None:
    layer.load_state_dict(bilinear_deconvolution(layer.in_channels, layer.stride[0]).state_dict())


def test_reference_32s_is_centred() -> None:
    made = Vgg16FCN32(1, hidden=4)
    make_bilinear(made.upscore)
    made.score_fr = Rows(32, 31.5)  # fcn6's 2×2 window sits between cells centred at 32i + 15.5
    assert_rows(made(torch.zeros(1, 3, 160, 96)), 32, 64)


@pytest.mark.parametrize(("name", "stride"), [("fcn6", 32), ("score_pool4", 16), ("score_pool3", 8)])
def test_reference_8s_is_centred(name: str, stride: int) -> None:
    made = Vgg16FCN8(1)
    make_bilinear(made.upsampling2)
    make_bilinear(made.upsampling8)
    for layer in ("fcn6", "score_pool4", "score_pool3"):
        setattr(made, layer, Zeros(0, 0))
    setattr(made, name, Rows(stride, stride / 2 - 0.5))
    assert_rows(made(torch.zeros(1, 3, 160, 160)), 32, 128)


@pytest.mark.parametrize("network", [Vgg16FCN32, Vgg16FCN8])
def test_reference_follows_a_shift_by_32_pixels(network: type[nn.Module]) -> None:
    """A patch on black, far enough from both ends that no border comes into sight."""
    made = (network(2, hidden=4) if network is Vgg16FCN32 else network(2)).eval()
    tall = torch.zeros(1, 3, 544, 32)
    tall[:, :, 256:272, 8:24] = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        scores, shifted = made(tall), made(tall.roll(32, dims=2))
    assert scores[:, :, 200:300].std() > 1e-4
    torch.testing.assert_close(shifted[:, :, 160:400], scores[:, :, 128:368])


# --- weights


def test_fc6_and_fc7_are_vgg16s_linear_layers() -> None:
    hidden = 16
    made = PaperFCN32s(2, hidden=hidden).eval()
    linear = nn.Sequential(nn.Linear(25088, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU())
    state = {f"classifier.{name}": tensor for name, tensor in linear.state_dict().items()}
    state |= {f"features.{name}": tensor for name, tensor in vgg16_features().state_dict().items()}
    carry_over_vgg16(made, state, with_classifier=True)
    pool5 = torch.randn(2, 512, 7, 7)
    with torch.no_grad():
        torch.testing.assert_close(made.fc7(made.fc6(pool5)).flatten(1), linear.eval()(pool5.flatten(1)))


def test_a_stage_starts_as_the_network_before_it() -> None:
    """New score layers are zero, so 16s and 8s begin by only upsampling what 32s says."""
    torch.manual_seed(0)
    coarse, middle, fine = (network(2, hidden=4).eval() for network in PAPER)
    nn.init.normal_(coarse.score_fr.weight)
    start_from_coarser(middle, coarse.state_dict())
    start_from_coarser(fine, middle.state_dict())
    images = torch.randn(1, 3, 32, 32)
    seen: list[Tensor] = []
    coarse.score_fr.register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        first = coarse(images)
        assert torch.equal(first, coarse.upscore(seen[0])[..., 19:51, 19:51])
        twice = middle.upscore16(middle.upscore2(seen[0]))[..., 27:59, 27:59]
        torch.testing.assert_close(middle(images), twice)
        thrice = fine.upscore8(fine.upscore_pool4(fine.upscore2(seen[0])))[..., 31:63, 31:63]
        torch.testing.assert_close(fine(images), thrice)
    assert (twice - first).abs().mean() < 0.3 * first.std()  # the same up to interpolation


def test_reference_8s_without_skips_is_its_deepest_score_upsampled() -> None:
    made = Vgg16FCN8(2).eval()
    for layer in (made.score_pool3, made.score_pool4):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        scores = made.fcn6(made.pool5(made.pool4(made.pool1_to_3(images))))
        twice = F.conv_transpose2d(scores, made.upsampling2.weight, stride=2, padding=1)
        twice = F.conv_transpose2d(twice, made.upsampling2.weight, stride=2, padding=1)
        expected = F.conv_transpose2d(twice, made.upsampling8.weight, stride=8, padding=4)
        torch.testing.assert_close(made(images), expected)

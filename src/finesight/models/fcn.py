"""VGG16-based fully convolutional networks: the reference system's two, and the paper's three.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038 and 1605.06211.
A stage counts its layers from 0, as the reference prints them: `pool4.0` is `features.17` of torchvision's `vgg16`.
Every forward takes normalised images n×3×h×w of any size and returns logits n×C×h×w.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import ModelError, WeightsError

VGG16_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # a pool after each tuple
STAGES = {"pool1_to_3": 0, "pool4": 17, "pool5": 24}  # index of each stage's first layer in VGG16's features


class VGG16Stages(nn.Module):
    """VGG16's features in three stages, as FCNs with skip connections need them."""

    def __init__(self, first_padding: int = 1, ceil_mode: bool = False) -> None:
        super().__init__()
        features = vgg16_features(first_padding, ceil_mode)
        self.pool1_to_3 = features[: STAGES["pool4"]]
        self.pool4 = nn.Sequential(*features[STAGES["pool4"] : STAGES["pool5"]])  # a new Sequential counts from 0
        self.pool5 = nn.Sequential(*features[STAGES["pool5"] :])
        self.register_load_state_dict_pre_hook(_rename_old_weights)  # type: ignore[no-untyped-call]

    @staticmethod
    def rename_old_layer(name: str) -> str:
        """Current name of a layer in older runs, whose stages kept the indices of VGG16's features."""
        stage, _, rest = name.partition(".")
        index, dot, rest = rest.partition(".")
        start = STAGES.get(stage, 0)
        is_old = start and re.fullmatch(r"[0-9]{2}", index) and int(index) >= start
        return f"{stage}.{int(index) - start}{dot}{rest}" if is_old else name


def _rename_old_weights(_network: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Reads weights of older runs, saved under the stages' old names."""
    for name in list(state):
        if name.startswith(prefix):
            renamed = prefix + VGG16Stages.rename_old_layer(name.removeprefix(prefix))
            state[renamed] = state.pop(name)


class Vgg16FCN32(nn.Module):
    """The reference system's baseline: one prediction every 32 pixels, upsampled by a learned deconvolution.

    fcn6 has a 2×2 kernel without padding, so its outputs lie between cells, where the 64/32 deconvolution's kernels
    are centred: the output has the input's size without a crop. That takes two cells, hence at least 64 pixels.
    """

    def __init__(self, num_classes: int, hidden: int = 4096) -> None:
        super().__init__()
        self.features = vgg16_features()
        self.fcn6 = nn.Sequential(nn.Conv2d(512, hidden, 2), nn.ReLU(inplace=True), nn.Dropout2d(0.5))
        self.fcn7 = nn.Sequential(nn.Conv2d(hidden, hidden, 1), nn.ReLU(inplace=True), nn.Dropout2d(0.5))
        self.score_fr = nn.Conv2d(hidden, num_classes, 1)
        self.upscore = nn.ConvTranspose2d(num_classes, num_classes, 64, stride=32, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        seen = pad_to_multiple(images, 32, least=64)
        scores = self.score_fr(self.fcn7(self.fcn6(self.features(seen))))
        return crop(self.upscore(scores), 0, images)


class Vgg16FCN8(VGG16Stages):
    """The reference system's improved network: logits of three depths, summed while upsampling to the input's size."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fcn6 = nn.Sequential(nn.Conv2d(512, num_classes, 1), nn.ReLU())
        self.upsampling2 = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, bias=False)  # used twice
        self.upsampling8 = nn.ConvTranspose2d(num_classes, num_classes, 16, stride=8, bias=False)
        self.score_pool3 = nn.Conv2d(256, num_classes, 1)
        self.score_pool4 = nn.Conv2d(512, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        pool3 = self.pool1_to_3(pad_to_multiple(images, 32))
        pool4 = self.pool4(pool3)
        scores = self.fcn6(self.pool5(pool4))
        scores = self.score_pool4(pool4) + crop(self.upsampling2(scores), 1, pool4)
        scores = self.score_pool3(pool3) + crop(self.upsampling2(scores), 1, pool3)
        return crop(self.upsampling8(scores), 4, images)


class PaperFCN(VGG16Stages):
    """Base of the paper's three networks: VGG16 with its linear layers as convolutions, and the coarsest logits.

    The first convolution pads by 100, so that an image of any size fills fc6's 7×7 window. With pools that
    round up, pool5's cell i has its centre at pixel 32i + 15.5 - 99; the crops below follow from such centres.
    Dropout is elementwise, score layers start at zero, upsampling is bilinear and never trained.
    """

    added_score = ""  # the score layer that the next coarser network lacks

    def __init__(self, num_classes: int, hidden: int = 4096) -> None:
        super().__init__(first_padding=100, ceil_mode=True)
        self.fc6 = nn.Sequential(nn.Conv2d(512, hidden, 7), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.fc7 = nn.Sequential(nn.Conv2d(hidden, hidden, 1), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.score_fr = zero_score(hidden, num_classes)

    def coarse_scores(self, pool4: Tensor) -> Tensor:
        """Logits of the deepest layer; cell i is centred at pixel 32i + 12.5."""
        scores: Tensor = self.score_fr(self.fc7(self.fc6(self.pool5(pool4))))
        return scores


class PaperFCN32s(PaperFCN):
    def __init__(self, num_classes: int, hidden: int = 4096) -> None:
        super().__init__(num_classes, hidden)
        self.upscore = bilinear_deconvolution(num_classes, 32)

    def forward(self, images: Tensor) -> Tensor:
        scores = self.coarse_scores(self.pool4(self.pool1_to_3(images)))
        return crop(self.upscore(scores), 19, images)


class PaperFCN16s(PaperFCN):
    added_score = "score_pool4"

    def __init__(self, num_classes: int, hidden: int = 4096) -> None:
        super().__init__(num_classes, hidden)
        self.upscore2 = bilinear_deconvolution(num_classes, 2)
        self.score_pool4 = zero_score(512, num_classes)
        self.upscore16 = bilinear_deconvolution(num_classes, 16)

    def forward(self, images: Tensor) -> Tensor:
        pool4 = self.pool4(self.pool1_to_3(images))
        scores = self.upscore2(self.coarse_scores(pool4))
        scores = scores + crop(self.score_pool4(pool4), 5, scores)
        return crop(self.upscore16(scores), 27, images)


class PaperFCN8s(PaperFCN):
    """at_once: trained from VGG16 directly, not from the 16s network; its skips are scaled down (arXiv:1605.06211)."""

    added_score = "score_pool3"

    def __init__(self, num_classes: int, hidden: int = 4096, *, at_once: bool = False) -> None:
        super().__init__(num_classes, hidden)
        self.upscore2 = bilinear_deconvolution(num_classes, 2)
        self.score_pool4 = zero_score(512, num_classes)
        self.upscore_pool4 = bilinear_deconvolution(num_classes, 2)
        self.score_pool3 = zero_score(256, num_classes)
        self.upscore8 = bilinear_deconvolution(num_classes, 8)
        self.at_once = at_once
        self.scale_pool4, self.scale_pool3 = (0.01, 0.0001) if at_once else (1.0, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        pool3 = self.pool1_to_3(images)
        pool4 = self.pool4(pool3)
        scores = self.upscore2(self.coarse_scores(pool4))
        scores = self.upscore_pool4(scores + crop(self.score_pool4(pool4 * self.scale_pool4), 5, scores))
        scores = scores + crop(self.score_pool3(pool3 * self.scale_pool3), 9, scores)
        return crop(self.upscore8(scores), 31, images)


def vgg16_features(first_padding: int = 1, ceil_mode: bool = False) -> nn.Sequential:
    """VGG16's 13 convolutions and 5 pools, 31 layers under torchvision's indices.

    Initialised as torchvision's VGG (Kaiming normal, fan out): with torch's default, signals vanish over 13 layers
    without normalisation.
    """
    layers: list[nn.Module] = []
    channels, padding = 3, first_padding
    for stage in VGG16_CHANNELS:
        for width in stage:
            convolution = nn.Conv2d(channels, width, 3, padding=padding)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU(inplace=True)]
            channels, padding = width, 1
        layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=ceil_mode))
    return nn.Sequential(*layers)


def zero_score(channels: int, num_classes: int) -> nn.Conv2d:
    """A 1×1 score layer initialised to zero, as in the paper."""
    layer = nn.Conv2d(channels, num_classes, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def bilinear_deconvolution(num_classes: int, stride: int) -> nn.ConvTranspose2d:
    """Bilinear upsampling by `stride` (even) of each class; its weights are constants and never trained."""
    layer = nn.ConvTranspose2d(num_classes, num_classes, 2 * stride, stride=stride, bias=False)
    kernel = bilinear_kernel(2 * stride)
    with torch.no_grad():
        layer.weight.zero_()
        for index in range(num_classes):
            layer.weight[index, index] = kernel
    layer.weight.requires_grad_(False)
    layer.weight.never_trained = True  # type: ignore[attr-defined]  # freezing and unfreezing skip it
    return layer


def bilinear_kernel(size: int) -> Tensor:
    """size×size (even) weights of bilinear upsampling by size / 2; their sum is (size / 2)²."""
    steps = 1 - (torch.arange(size) - (size - 1) / 2).abs() / (size / 2)
    return steps[:, None] * steps


def pad_to_multiple(images: Tensor, multiple: int, least: int = 1) -> Tensor:
    """Pads bottom and right to multiples of `multiple`, at least `least`, by repeating the border.

    Nothing shifts, so cropping the logits undoes it. Zeros would draw an edge that the image does not have; mirroring
    needs images larger than the padding.
    """
    height, width = images.shape[-2:]
    bottom, right = (-side % multiple if side >= least else least - side for side in (height, width))
    return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images


def crop(scores: Tensor, offset: int, like: Tensor) -> Tensor:
    """Crops `scores` to the size of `like`, `offset` pixels from the top and the left."""
    height, width = like.shape[-2:]
    return scores[..., offset : offset + height, offset : offset + width]


def carry_over_vgg16(network: nn.Module, state: Mapping[str, Tensor], with_classifier: bool) -> tuple[str, ...]:
    """Loads torchvision's `vgg16` weights into a network of this file; returns the names of the tensors that are new.

    with_classifier: also the paper's fc6 and fc7, from VGG16's two hidden linear layers.
    Raises ModelError for a network without such layers, WeightsError for a state that does not fit.
    """
    if with_classifier and not isinstance(network, PaperFCN):
        raise ModelError(f"{type(network).__name__} has no layers for VGG16's classifier; use weights without it.")
    own = network.state_dict()
    sources = {name: source for name in own if (source := _vgg16_name(name, with_classifier))}
    wrong = [
        source
        for name, source in sources.items()
        if source not in state or not _fits(source, state[source].shape, own[name].shape)
    ]
    if wrong:
        raise WeightsError(
            f"These are not VGG16's weights: {len(wrong)} of {len(sources)} tensors are missing or of another shape, "
            f"first {', '.join(wrong[:3])}. Use weights of torchvision's vgg16, or --weights none."
        )
    carried = {name: state[source].reshape(own[name].shape) for name, source in sources.items()}
    network.load_state_dict(carried, strict=False)
    return tuple(name for name in own if name not in sources)


def _vgg16_name(name: str, with_classifier: bool) -> str:
    """VGG16's name of a tensor of a network of this file; empty if VGG16 has none."""
    stage, _, rest = name.partition(".")
    if stage == "features":
        return name
    if stage in STAGES:
        index, _, tensor = rest.partition(".")
        return f"features.{STAGES[stage] + int(index)}.{tensor}"
    linear = {"fc6": "classifier.0", "fc7": "classifier.3"}.get(stage, "") if with_classifier else ""
    return f"{linear}.{rest.removeprefix('0.')}" if linear else ""


def _fits(source: str, given: torch.Size, own: torch.Size) -> bool:
    """Shapes are equal, or a linear layer's (out, channels·height·width) is a flattened convolution's."""
    return given == own or (source.startswith("classifier.") and given == (own[0], own[1:].numel()))


def is_finer(network: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether these are weights of the next coarser network, without the skip that `network` adds."""
    return isinstance(network, PaperFCN) and bool(network.added_score) and f"{network.added_score}.weight" not in state


def start_from_coarser(network: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Staged training: loads 32s into 16s, or 16s into 8s; returns the names of the trained tensors that are new.

    Raises ModelError for a network without a coarser one, WeightsError for weights that are not the coarser one's.
    """
    if not isinstance(network, PaperFCN) or not network.added_score:
        raise ModelError(
            f"{type(network).__name__} cannot start from a coarser network; only the paper's 16s and 8s can."
        )
    if isinstance(network, PaperFCN8s) and network.at_once:
        raise ModelError(
            "The at-once FCN8s scales its skips and starts from VGG16: use vgg16_fcn8s_paper for staged training."
        )
    state = {network.rename_old_layer(name): tensor for name, tensor in state.items()}
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("upscore")}
    expected = {name: tensor.shape for name, tensor in own.items() if not name.startswith(network.added_score + ".")}
    given = {name: tensor.shape for name, tensor in state.items() if not name.startswith("upscore")}
    if given != expected:
        differing = sorted({name for name, _ in given.items() ^ expected.items()})
        raise WeightsError(
            f"These are not weights of the next coarser network than {type(network).__name__} with the same classes: "
            f"they differ in {', '.join(differing[:6])}."
        )
    network.load_state_dict({name: state[name] for name in expected}, strict=False)
    return tuple(name for name in own if name not in expected)

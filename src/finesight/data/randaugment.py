"""torchvision's RandAugment and RandomErasing on whole batches, each image by its own random numbers.

torchvision changes all images of a batch alike, and on a GPU it waits at each operation that moves pixels. Here all
images whose pixels move are sampled at once, and those that another operation changes alike go together, so that the
number of kernels does not grow with the batch. Random numbers and pixels are torchvision's for each image alone.

Cubuk et al. 2019, arXiv:1909.13719; Zhong et al. 2017, arXiv:1708.04896.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from finesight.data.transfer import constant, send

NUM_OPERATIONS = 2  # of RandAugment for each image, one after the other
LEVELS = 31  # of magnitude, from 0
ERASED = 127.5  # grey of erased pixels

Operation = tuple[str, float]  # a name of OPERATIONS, and a magnitude
Theta = tuple[float, float, float, float, float, float]  # 2×3, from output to input, in pixels around the centre


def randaugment(images: Tensor, magnitude: int, seeds: Sequence[int]) -> Tensor:
    """Two random operations on each image. images: uint8 (n, 3, h, w), likewise returned; magnitude: 0 to 30."""
    size = images.shape[-2], images.shape[-1]
    for operations in zip(*(draw_operations(magnitude, size, seed) for seed in seeds), strict=True):
        images = _apply(images, operations)
    return images


def erase(pixels: Tensor, probability: float, seeds: Sequence[int]) -> Tensor:
    """A grey rectangle in some images, of 2 to 33 % of their area. pixels: float (n, 3, h, w) in 0-255."""
    erasing, (height, width) = v2.RandomErasing(probability), pixels.shape[-2:]
    boxes = []
    for seed in seeds:
        torch.default_generator.manual_seed(seed)
        found: dict[str, Any] = {"v": None} if torch.rand(1) >= probability else erasing.make_params([pixels[0]])
        is_found = found["v"] is not None  # ten tries may find no rectangle inside the image
        top, left, tall, wide = (int(found[name]) if is_found else 0 for name in "ijhw")
        boxes.append([top, top + tall, left, left + wide])
    first_row, end_row, first_column, end_column = send(torch.tensor(boxes), pixels.device).T[:, :, None]
    rows, columns = (torch.arange(side, device=pixels.device) for side in (height, width))
    in_rows, in_columns = (rows >= first_row) & (rows < end_row), (columns >= first_column) & (columns < end_column)
    inside = in_rows[:, :, None] & in_columns[:, None, :]  # (n, h, w)
    return pixels.masked_fill(inside[:, None], ERASED)


def draw_operations(magnitude: int, size: tuple[int, int], seed: int) -> list[Operation]:
    """Of an image of `size` (height, width), by the numbers that torchvision draws: a place in its table, and a sign.

    Leaves torch's generator where torchvision leaves it, as dropout goes on from there.
    """
    table, operations = _scale_operations(magnitude, *size), []
    torch.default_generator.manual_seed(seed)
    for _ in range(NUM_OPERATIONS):
        name, value, is_signed = table[int(torch.randint(len(table), ()))]
        is_negative = is_signed and bool(torch.rand(()) <= 0.5)
        operations.append((name, -value if is_negative else value))
    return operations


@lru_cache
def _scale_operations(magnitude: int, height: int, width: int) -> list[tuple[str, float, bool]]:
    """(name, magnitude in the operation's own unit, whether half of the images get it negated), of OPERATIONS."""
    scales = {
        "Posterize": (8 - torch.arange(LEVELS) / ((LEVELS - 1) / 4)).round(),  # bits that are kept
        "TranslateX": torch.linspace(0.0, 150.0 / 331.0 * width, LEVELS),
        "TranslateY": torch.linspace(0.0, 150.0 / 331.0 * height, LEVELS),
    }
    found = []
    for name, (first, last, is_signed) in OPERATIONS.items():
        scale = scales.get(name, torch.linspace(first, last, LEVELS))
        found.append((name, float(scale[magnitude]), is_signed))
    return found


def _apply(images: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Each image changed by its own operation: sorted by operation, changed in groups, and sorted back."""

    def find_group(row: int) -> Operation:
        name, value = operations[row]
        return ("", 0.0) if name in MOVES else (name, value)

    order = sorted(range(len(images)), key=find_group)
    there = torch.tensor(order)
    there, back = send(torch.stack([there, there.argsort()]), images.device)
    in_order, start, changed = images.index_select(0, there), 0, []
    for (name, value), rows in groupby(order, key=find_group):
        group = [operations[row] for row in rows]
        part = in_order[start : start + len(group)]
        changed.append(CHANGES[name](part, value) if name else _move(part, group))
        start += len(group)
    return torch.cat(changed).index_select(0, back)


def _move(images: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Each image sampled by its own matrix, at the nearest pixels; black outside."""
    height, width = images.shape[-2:]
    matrices = [MOVES[name](value, height, width) for name, value in operations]
    theta = send(torch.tensor(matrices), images.device).view(-1, 2, 3)
    x, y = (torch.linspace((1.0 - n) * 0.5, (n - 1.0) * 0.5, n, device=images.device) for n in (width, height))
    columns, rows = torch.meshgrid(x, y, indexing="xy")
    base = torch.stack([columns, rows, torch.ones_like(rows)], -1).view(1, -1, 3).expand(len(images), -1, 3)
    half = constant((0.5 * width, 0.5 * height), images.device)
    grid = base.bmm(theta.transpose(1, 2) / half).view(-1, height, width, 2)
    return F.grid_sample(images.float(), grid, "nearest", align_corners=False).round_().to(torch.uint8)


# -- operations that move pixels, as matrices


def _shear_x(value: float, height: int, width: int) -> Theta:
    slope = math.tan(math.radians(math.degrees(math.atan(value))))
    return 1.0, slope, slope * height * 0.5, 0.0, 1.0, 0.0


def _shear_y(value: float, height: int, width: int) -> Theta:
    slope = math.tan(math.radians(math.degrees(math.atan(value))))
    return 1.0, 0.0, 0.0, slope, 1.0, slope * width * 0.5


def _translate_x(value: float, height: int, width: int) -> Theta:
    return 1.0, 0.0, -float(int(value)), 0.0, 1.0, 0.0


def _translate_y(value: float, height: int, width: int) -> Theta:
    return 1.0, 0.0, 0.0, 0.0, 1.0, -float(int(value))


def _rotate(value: float, height: int, width: int) -> Theta:
    angle = math.radians(-(value % 360))
    return math.cos(angle), math.sin(angle), 0.0, -math.sin(angle), math.cos(angle), 0.0


# -- operations that change values


def _change_contrast(images: Tensor, value: float) -> Tensor:
    """As torchvision's of one image: sums over images of more than 256 × 256 round in another order in a batch."""
    red, green, blue = images.unbind(1)
    grey = red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).unsqueeze(1).floor_()
    means = torch.stack([each.mean((0, 1, 2), keepdim=True) for each in grey])
    factor = 1.0 + value
    return images.mul(factor).add_(means, alpha=1.0 - factor).clamp_(0, 255).to(torch.uint8)


def _change_sharpness(images: Tensor, value: float) -> Tensor:
    """torchvision's, but for its kernel, a list that it sends to the device each time."""
    if min(images.shape[-2:]) <= 2:
        return images
    edge, factor = 1.0 / 13.0, 1.0 + value
    kernel = constant((*(edge,) * 4, 5 * edge, *(edge,) * 4), images.device).view(1, 1, 3, 3).expand(3, 1, 3, 3)
    pixels = images.float()
    inner = pixels[..., 1:-1, 1:-1]
    inner.add_(F.conv2d(pixels, kernel, groups=3).round_().sub_(inner), alpha=1.0 - factor)
    return pixels.clamp_(0, 255).to(torch.uint8)


def _stretch_contrast(images: Tensor, value: float) -> Tensor:
    """torchvision's autocontrast, without masks as indices."""
    pixels = images.float()
    low, high = pixels.amin((2, 3), keepdim=True), pixels.amax((2, 3), keepdim=True)
    is_flat = low == high
    scale = high.sub_(low).mul_(1.0 / 255).masked_fill_(is_flat, 1.0)
    return pixels.sub_(low.masked_fill_(is_flat, 0.0)).div_(scale).clamp_(0, 255).to(torch.uint8)


MOVES: dict[str, Callable[[float, int, int], Theta]] = {
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
}
CHANGES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Identity": lambda images, value: images,
    "Brightness": lambda images, value: functional.adjust_brightness(images, 1.0 + value),
    "Color": lambda images, value: functional.adjust_saturation(images, 1.0 + value),
    "Contrast": _change_contrast,
    "Sharpness": _change_sharpness,
    "Posterize": lambda images, value: functional.posterize(images, int(value)),
    "Solarize": lambda images, value: functional.solarize(images, 255.0 * value),
    "AutoContrast": _stretch_contrast,
    "Equalize": lambda images, value: functional.equalize(images),
}
# In torchvision's order, as numbers are drawn: magnitude at the first and the last level, and whether it has a sign.
OPERATIONS: dict[str, tuple[float, float, bool]] = {
    "Identity": (0.0, 0.0, False),
    "ShearX": (0.0, 0.3, True),
    "ShearY": (0.0, 0.3, True),
    "TranslateX": (0.0, 0.0, True),  # by the image's size
    "TranslateY": (0.0, 0.0, True),
    "Rotate": (0.0, 30.0, True),
    "Brightness": (0.0, 0.9, True),
    "Color": (0.0, 0.9, True),
    "Contrast": (0.0, 0.9, True),
    "Sharpness": (0.0, 0.9, True),
    "Posterize": (8.0, 4.0, False),
    "Solarize": (1.0, 0.0, False),
    "AutoContrast": (0.0, 0.0, False),
    "Equalize": (0.0, 0.0, False),
}

"""From stored uint8 pictures to what the network sees: whole batches, on the device that trains.

Validation and prediction call `prepare`; training calls `augment`. Random numbers are functions of seed, epoch and
picture, so a picture is changed in the same way whatever batch it falls into and whatever ran before.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.config import AugmentSettings, Preprocessing

NUM_DRAWS = 10  # uniform numbers a picture and epoch; see `augment` for who uses which
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def prepare(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Stored pictures as the network sees them. images: uint8 (n, 3, h, w) → float32 (n, 3, *size), normalised."""
    return normalise(resize(images.float(), preprocessing.size, preprocessing.interpolation), preprocessing)


def augment(
    images: Tensor, settings: AugmentSettings, preprocessing: Preprocessing, draws: Tensor, size: tuple[int, int]
) -> Tensor:
    """Stored pictures, each randomly cropped, turned, flipped and coloured, then normalised.

    images: uint8 (n, 3, h, w); draws: (n, NUM_DRAWS) uniform in [0, 1) → float32 (n, 3, *size).
    """
    if settings.randaugment:
        images = _randaugment(images, settings.randaugment, draws[:, 8])
    pixels = images.float()
    if pixels.shape[-2] > 1.5 * size[0] and pixels.shape[-1] > 1.5 * size[1]:
        pixels = resize(pixels, (round(1.15 * size[0]), round(1.15 * size[1])), "bilinear")  # sampling would alias
    if is_geometric(settings):
        theta = _affine(settings, draws, pixels.shape).to(pixels.device)
        grid = F.affine_grid(theta, [len(pixels), 3, *size], align_corners=False)
        mode = preprocessing.interpolation  # validation's too: another one shifts all statistics of magnified pictures
        pixels = F.grid_sample(pixels.contiguous(), grid, mode, padding_mode="reflection", align_corners=False)
        if mode == "bicubic":
            pixels = pixels.clamp_(0, 255)
    else:
        pixels = resize(pixels, size, preprocessing.interpolation)
    if settings.colour:
        pixels = _colour(pixels, settings.colour, draws[:, 5:8])
    if settings.erase:
        pixels = _erase(pixels, settings.erase, draws[:, 9])
    return normalise(pixels, preprocessing)


def is_geometric(settings: AugmentSettings) -> bool:
    """Whether any setting moves pixels."""
    return bool(
        settings.flip
        or settings.vertical_flip
        or settings.quarter_turns
        or settings.rotate_degrees
        or settings.scale != (1.0, 1.0)
        or settings.ratio != 1.0
    )


def resize(pixels: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    """Interpolates float pictures (n, c, h, w) to (height, width); antialiased where that is smaller."""
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    smaller = pixels.shape[-2] > size[0] or pixels.shape[-1] > size[1]
    out = F.interpolate(pixels, size, mode=interpolation, align_corners=False, antialias=smaller)
    return out.clamp_(0, 255) if interpolation == "bicubic" else out


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(pixels / 255 - mean) / std, channels_last. pixels: float (n, 3, h, w) in 0-255."""
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(3, 1, 1) * 255
    std = torch.tensor(preprocessing.std, device=pixels.device).view(3, 1, 1) * 255
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def draw_uniform(seed: int, epoch: int, pictures: Sequence[int] | np.ndarray, count: int = NUM_DRAWS) -> Tensor:
    """Uniform float32 numbers in [0, 1), a row of `count` for each picture's index.

    A hash, not a stream: splitmix64's finaliser (Steele et al. 2014, doi:10.1145/2714064.2660195) over the four.
    """
    index = np.asarray(pictures, dtype=np.uint64)[:, None]
    column = np.arange(count, dtype=np.uint64)[None, :]
    with np.errstate(over="ignore"):
        state = _mix(_mix(_mix(np.uint64(seed) + column * np.uint64(0x9E3779B97F4A7C15)) + np.uint64(epoch)) + index)
    return torch.from_numpy((state >> np.uint64(40)).astype(np.float32) / np.float32(2**24))


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed


def _affine(settings: AugmentSettings, draws: Tensor, shape: torch.Size) -> Tensor:
    """(n, 2, 3) matrices from output to input coordinates, both in [-1, 1]: crop, rotate, flip, quarter turn."""
    low, high = settings.scale
    area = low + (high - low) * draws[:, 0]
    log_ratio = np.log(settings.ratio) * (2 * draws[:, 1] - 1)
    height = (area * torch.exp(-log_ratio)).sqrt()
    width = (area * torch.exp(log_ratio)).sqrt()
    if high <= 1:  # a crop stays inside the picture; a scale above 1 zooms out and reflects
        height, width = height.clamp(max=1), width.clamp(max=1)
    centre_x = (2 * draws[:, 2] - 1) * (1 - width).clamp(min=0)
    centre_y = (2 * draws[:, 3] - 1) * (1 - height).clamp(min=0)
    # one number for flips and quarter turns: its first bits are independent of each other
    turns = torch.floor(draws[:, 4] * 4) if settings.quarter_turns else torch.zeros_like(area)
    rest = torch.frac(draws[:, 4] * 4)
    flip = torch.where(rest < settings.flip, -1.0, 1.0)
    flip_down = torch.where(torch.frac(rest * 4096) < settings.vertical_flip, -1.0, 1.0)
    angle = turns * (torch.pi / 2) + torch.deg2rad((2 * torch.frac(rest * 64) - 1) * settings.rotate_degrees)
    cos, sin = torch.cos(angle), torch.sin(angle)
    aspect = shape[-2] / shape[-1]  # rotate in pixels, not in the stretched unit square
    rows = [
        torch.stack([width * flip * cos, -width * flip_down * sin * aspect, centre_x], dim=1),
        torch.stack([height * flip * sin / aspect, height * flip_down * cos, centre_y], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _colour(pixels: Tensor, strength: float, draws: Tensor) -> Tensor:
    """Brightness, contrast and saturation by factors in 1 ± strength. pixels 0-255."""
    brightness, contrast, saturation = (1 + strength * (2 * draws.to(pixels.device).T - 1)).view(3, -1, 1, 1, 1)
    pixels = pixels * brightness
    grey = (pixels * pixels.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    pixels = grey + (pixels - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    coloured: Tensor = (mean + (pixels - mean) * contrast).clamp_(0, 255)
    return coloured


def _randaugment(images: Tensor, magnitude: int, draws: Tensor) -> Tensor:
    from torchvision.transforms import v2

    change = v2.RandAugment(num_ops=2, magnitude=magnitude)
    return torch.stack([_seeded(change, image, draw) for image, draw in zip(images, draws, strict=True)])


def _erase(pixels: Tensor, chance: float, draws: Tensor) -> Tensor:
    from torchvision.transforms import v2

    change = v2.RandomErasing(p=chance, value=[127.5])
    return torch.stack([_seeded(change, image, draw) for image, draw in zip(pixels, draws, strict=True)])


def _seeded(change: torch.nn.Module, image: Tensor, draw: Tensor) -> Tensor:
    """torchvision draws from torch's global generator: set it from the picture's own number."""
    torch.manual_seed(int(draw.item() * 2**24))
    changed: Tensor = change(image)
    return changed

"""From stored uint8 images to what the network sees: whole batches, on the device that trains.

Validation and prediction call `prepare`; training calls `augment`. Random numbers are functions of seed, epoch and
image, so an image is changed in the same way whatever batch it falls into and whatever ran before.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.config import AugmentSettings, Preprocessing
from finesight.data.transfer import constant, send

NUM_DRAWS = 12  # uniform numbers an image and epoch; see `augment` for who uses which
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def prepare(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Stored images as the network sees them. images: uint8 (n, 3, h, w) → float32 (n, 3, *size), normalised.

    With fit = "native" images keep their size.
    """
    if preprocessing.fit == "native":
        return normalise(images.float(), preprocessing)
    return normalise(resize(images.float(), preprocessing.size, preprocessing.interpolation), preprocessing)


def augment(
    images: Tensor, settings: AugmentSettings, preprocessing: Preprocessing, draws: Tensor, size: tuple[int, int]
) -> Tensor:
    """Stored images, each randomly cropped, turned, flipped and coloured, then normalised.

    images: uint8 (n, 3, h, w); draws: (n, NUM_DRAWS) uniform in [0, 1) → float32 (n, 3, *size).
    """
    return _sample_images(
        images, choose_crops(images, settings, preprocessing, draws, size), settings, preprocessing, draws, size
    )


def augment_pairs(
    images: Tensor,
    masks: Tensor,
    settings: AugmentSettings,
    preprocessing: Preprocessing,
    draws: Tensor,
    size: tuple[int, int],
    class_counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """As `augment`, and the masks moved with their images.

    masks: class indices (n, H, W), any H and W over the same scene; class_counts: (C,), which classes are rare.
    Returns the images, and int64 masks (n, *size), IGNORE_INDEX where a crop reaches beyond its image.
    """
    crops = choose_crops(images, settings, preprocessing, draws, size)
    if crops is not None and settings.rare_fraction:
        crops = _centre_on_rare(crops, masks, class_counts, draws, settings.rare_fraction)
    images = _sample_images(images, crops, settings, preprocessing, draws, size)
    return images, _sample_masks(masks, crops, size)


def choose_crops(
    images: Tensor, settings: AugmentSettings, preprocessing: Preprocessing, draws: Tensor, size: tuple[int, int]
) -> Tensor | None:
    """(n, 2, 3) matrices from output to input coordinates, both in [-1, 1]; None where all of an image is seen.

    size: (height, width) of the output, in which images are turned.
    """
    fraction, is_native = (1.0, 1.0), preprocessing.fit == "native"
    if is_native:
        fraction = preprocessing.size[0] / images.shape[-2], preprocessing.size[1] / images.shape[-1]
    if not is_geometric(settings) and fraction == (1.0, 1.0):
        return None
    return send(_affine(settings, draws, fraction, size, is_native), images.device)


def _sample_images(
    images: Tensor,
    crops: Tensor | None,
    settings: AugmentSettings,
    preprocessing: Preprocessing,
    draws: Tensor,
    size: tuple[int, int],
) -> Tensor:
    if settings.randaugment:
        from finesight.data.randaugment import randaugment

        images = randaugment(images, settings.randaugment, _seeds(draws[:, 8]))
    pixels = images.float()
    is_native = preprocessing.fit == "native"
    seen = preprocessing.size if is_native else (pixels.shape[-2], pixels.shape[-1])
    if seen[0] > 1.5 * size[0] and seen[1] > 1.5 * size[1]:  # sampling would alias
        height, width = (
            round(1.15 * n * out / full) for n, out, full in zip(pixels.shape[-2:], size, seen, strict=True)
        )
        pixels = resize(pixels, (height, width), "bilinear")
    if crops is not None:
        grid = F.affine_grid(crops, [len(pixels), 3, *size], align_corners=False)
        mode = preprocessing.interpolation  # validation's too: another one shifts all statistics of magnified images
        pixels = F.grid_sample(pixels.contiguous(), grid, mode, padding_mode="reflection", align_corners=False)
        if mode == "bicubic":
            pixels = pixels.clamp_(0, 255)
    else:
        pixels = resize(pixels, size, preprocessing.interpolation)
    if settings.colour:
        pixels = _colour(pixels, settings.colour, draws[:, 5:8])
    if settings.erase:
        from finesight.data.randaugment import erase

        pixels = erase(pixels, settings.erase, _seeds(draws[:, 9]))
    return normalise(pixels, preprocessing)


def _sample_masks(masks: Tensor, crops: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Nearest pixels, int64 (n, *size). Sampled as their distance from IGNORE_INDEX, so that outside is ignored."""
    if crops is None and tuple(masks.shape[-2:]) == tuple(size):
        return masks.long()
    if crops is None:
        crops = torch.eye(2, 3, device=masks.device).expand(len(masks), 2, 3)
    grid = F.affine_grid(crops, [len(masks), 1, *size], align_corners=False)
    shifted = masks.float().unsqueeze(1) - IGNORE_INDEX
    sampled = F.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return (sampled + IGNORE_INDEX).long().squeeze(1)


def _centre_on_rare(crops: Tensor, masks: Tensor, class_counts: Tensor, draws: Tensor, fraction: float) -> Tensor:
    """Moves `fraction` of the crops so that a pixel of the rarest class in their image lies in the middle.

    The centre stays inside the image as far as the crop fits into it.
    """
    masks = masks[:, ::4, ::4]  # a class without a pixel on this grid is too small to be worth a crop
    num_classes = len(class_counts)
    flat = masks.flatten(1).long().clamp(max=num_classes)
    present = torch.zeros(len(flat), num_classes + 1, dtype=torch.bool, device=flat.device).scatter_(1, flat, True)
    frequencies = class_counts.float().masked_fill(class_counts == 0, torch.inf)
    frequency = constant(tuple(frequencies.tolist()), flat.device)
    rarest = frequency.where(present[:, :num_classes], torch.inf).argmin(1)
    hits = (flat == rarest[:, None]).int().cumsum(1)  # the k-th pixel of the class is where this reaches k
    draws = send(draws, flat.device)
    wanted = (draws[:, 11:12] * hits[:, -1:]).int() + 1
    where = torch.searchsorted(hits, wanted).squeeze(1).clamp(max=flat.shape[1] - 1)
    column, row = where % masks.shape[2], where // masks.shape[2]
    centre = torch.stack([(column + 0.5) / masks.shape[2], (row + 0.5) / masks.shape[1]], 1) * 2 - 1
    room = (1 - crops[:, :, :2].abs().sum(2)).clamp(min=0)
    centre = torch.minimum(torch.maximum(centre, -room), room)
    moved = crops.clone()
    moved[:, :, 2] = torch.where(((draws[:, 10] < fraction) & (hits[:, -1] > 0))[:, None], centre, crops[:, :, 2])
    return moved


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
    """Interpolates float images (n, c, h, w) to (height, width); antialiased where that is smaller."""
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    smaller = pixels.shape[-2] > size[0] or pixels.shape[-1] > size[1]
    pixels = pixels.contiguous()  # twice as fast, to the same bits
    out = F.interpolate(pixels, size, mode=interpolation, align_corners=False, antialias=smaller)
    return out.clamp_(0, 255) if interpolation == "bicubic" else out


def cut_centre(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """The centre of pixels (…, h, w), no side longer than `size`."""
    top, left = (max(0, have - want) // 2 for have, want in zip(pixels.shape[-2:], size, strict=True))
    return pixels[..., top : top + size[0], left : left + size[1]]


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(pixels / 255 - mean) / std, channels_last. pixels: float (n, 3, h, w) in 0-255."""
    mean, std = (constant(each, pixels.device).view(3, 1, 1) * 255 for each in (preprocessing.mean, preprocessing.std))
    return (pixels - mean).div_(std).contiguous(memory_format=torch.channels_last)


def to_pixels(images: Tensor, preprocessing: Preprocessing) -> np.ndarray:
    """Undoes `normalise`, to look at: uint8 (n, h, w, 3)."""
    mean, std = (constant(each, images.device).view(3, 1, 1) for each in (preprocessing.mean, preprocessing.std))
    pixels = ((images.float() * std + mean) * 255).round().clamp(0, 255)
    return pixels.byte().permute(0, 2, 3, 1).cpu().numpy()


def draw_uniform(seed: int, epoch: int, images: Sequence[int] | np.ndarray, count: int = NUM_DRAWS) -> Tensor:
    """Uniform float32 numbers in [0, 1), a row of `count` for each image's index.

    A hash, not a stream: splitmix64's finaliser (Steele et al. 2014, doi:10.1145/2714064.2660195) over the four.
    """
    index = np.asarray(images, dtype=np.uint64)[:, None]
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


def _affine(
    settings: AugmentSettings, draws: Tensor, fraction: tuple[float, float], size: tuple[int, int], is_native: bool
) -> Tensor:
    """Crop, rotate, flip, quarter turn. fraction: of height and width, what `scale` = 1 is.

    An output pixel is turned first, in the output's own pixels, then scaled to the crop: so turning changes no scale,
    and a stretched image is turned as it is seen.
    """
    low, high = settings.scale
    area = low + (high - low) * draws[:, 0]
    log_ratio = np.log(settings.ratio) * (2 * draws[:, 1] - 1)
    height = fraction[0] * (area * torch.exp(-log_ratio)).sqrt()
    width = fraction[1] * (area * torch.exp(log_ratio)).sqrt()
    if high <= 1:  # a crop stays inside the image; a scale above 1 zooms out and reflects
        height, width = height.clamp(max=1), width.clamp(max=1)
    # one number for flips and quarter turns: its first bits are independent of each other
    turns = torch.floor(draws[:, 4] * 4) if settings.quarter_turns else torch.zeros_like(area)
    rest = torch.frac(draws[:, 4] * 4)
    flip = torch.where(rest < settings.flip, -1.0, 1.0)
    flip_down = torch.where(torch.frac(rest * 4096) < settings.vertical_flip, -1.0, 1.0)
    angle = turns * (torch.pi / 2) + torch.deg2rad((2 * torch.frac(rest * 64) - 1) * settings.rotate_degrees)
    cos, sin = torch.cos(angle), torch.sin(angle)
    aspect = size[0] / size[1]
    lies = turns % 2 == 1  # its width runs along the image's height
    across, down = torch.where(lies, width * aspect, width), torch.where(lies, height / aspect, height)
    if high <= 1 and not is_native:  # native images keep their scale instead
        inside = 1 / torch.maximum(across, down).clamp(min=1)
        height, width, across, down = height * inside, width * inside, across * inside, down * inside
    centre_x = (2 * draws[:, 2] - 1) * (1 - across).clamp(min=0)
    centre_y = (2 * draws[:, 3] - 1) * (1 - down).clamp(min=0)
    rows = [
        torch.stack([width * flip * cos, -width * flip_down * sin * aspect, centre_x], dim=1),
        torch.stack([height * flip * sin / aspect, height * flip_down * cos, centre_y], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _colour(pixels: Tensor, strength: float, draws: Tensor) -> Tensor:
    """Brightness, contrast and saturation by factors in 1 ± strength. pixels 0-255."""
    brightness, contrast, saturation = (1 + strength * (2 * send(draws, pixels.device).T - 1)).view(3, -1, 1, 1, 1)
    pixels = pixels * brightness
    grey = (pixels * constant(LUMA, pixels.device).view(3, 1, 1)).sum(1, keepdim=True)
    pixels = grey + (pixels - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    coloured: Tensor = (mean + (pixels - mean) * contrast).clamp_(0, 255)
    return coloured


def _seeds(draws: Tensor) -> list[int]:
    """A seed for torch's generator of each image, from its number in [0, 1)."""
    seeds: list[int] = (draws * 2**24).long().tolist()
    return seeds

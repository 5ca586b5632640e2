"""Saliency maps as overlays of their images."""

import io

import numpy as np
from PIL import Image

from finesight.analysis.distance import Floats
from finesight.config import Preprocessing

STRENGTH = 0.6  # opacity where saliency is highest; the image shows through
RAMP = np.array(((18, 12, 70), (110, 25, 120), (215, 60, 80), (250, 150, 40), (252, 250, 180)), np.float32)  # low, high


def fit_to_image(saliency: Floats, size: tuple[int, int], preprocessing: Preprocessing) -> Floats:
    """A map (h', w') of what the network took, at the place of that in its image: float32 (height, width) of `size`.

    0 where the image was cropped before the network took it.
    """
    top, left, height, width = find_visible(size, preprocessing)
    image = Image.fromarray(saliency.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    fitted = np.zeros(size, np.float32)
    fitted[top : top + height, left : left + width] = np.asarray(image).clip(0, 1)
    return fitted


def find_visible(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int, int, int]:
    """(top, left, height, width) of what the network takes of an image of `size`, in the image's pixels."""
    height, width = size
    target = preprocessing.decoded_size()
    if preprocessing.fit == "stretch":
        return 0, 0, height, width
    if preprocessing.fit == "native":
        seen = min(height, target[0]), min(width, target[1])
    else:  # crop: the centre with the target's shape
        scale = min(height / target[0], width / target[1])
        seen = max(1, round(target[0] * scale)), max(1, round(target[1] * scale))
    return (height - seen[0]) // 2, (width - seen[1]) // 2, *seen


def overlay_saliency(image: np.ndarray, saliency: Floats) -> np.ndarray:
    """uint8 (h, w, 3): the image under its saliency map (h, w), greyed where that is 0."""
    steps = saliency * (len(RAMP) - 1)
    low = np.minimum(steps.astype(int), len(RAMP) - 2)
    colour = RAMP[low] + (RAMP[low + 1] - RAMP[low]) * (steps - low)[..., None]
    mixed: np.ndarray = (image * (1 - STRENGTH) + colour * STRENGTH).round().astype(np.uint8)
    return mixed


def encode_png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", compress_level=4)
    return content.getvalue()


def encode_webp(image: np.ndarray, side: int, quality: int = 75) -> bytes:
    """A thumbnail, no side longer than `side`."""
    pil = Image.fromarray(image)
    pil.thumbnail((side, side), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    pil.save(content, "WEBP", quality=quality, method=2)
    return content.getvalue()

"""Maps of attention as heat over the image they are of."""

import io

import numpy as np
from PIL import Image

from finesight.analysis.distance import Floats
from finesight.config import Preprocessing

STRENGTH = 0.6  # of the heat where it is hottest; the image shows through
RAMP = np.array(((18, 12, 70), (110, 25, 120), (215, 60, 80), (250, 150, 40), (252, 250, 180)), np.float32)  # cold, hot


def spread_map(attention: Floats, size: tuple[int, int], preprocessing: Preprocessing) -> Floats:
    """A map (h', w') of what the network saw, laid over the image it saw it of: float32 (height, width) of `size`.

    0 where the image was cut off before the network saw it.
    """
    top, left, height, width = find_seen(size, preprocessing)
    image = Image.fromarray(attention.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    heat = np.zeros(size, np.float32)
    heat[top : top + height, left : left + width] = np.asarray(image).clip(0, 1)
    return heat


def find_seen(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the part of an image of `size` that the network sees, in the image's pixels."""
    height, width = size
    target = preprocessing.stored or preprocessing.size
    if preprocessing.fit == "stretch":
        return 0, 0, height, width
    if preprocessing.fit == "native":
        seen = min(height, target[0]), min(width, target[1])
    else:  # crop: the centre with the target's shape
        scale = min(height / target[0], width / target[1])
        seen = max(1, round(target[0] * scale)), max(1, round(target[1] * scale))
    return (height - seen[0]) // 2, (width - seen[1]) // 2, *seen


def lay_heat(image: np.ndarray, heat: Floats) -> np.ndarray:
    """uint8 (h, w, 3): the image, greyed where there is no heat, under the heat where there is."""
    steps = heat * (len(RAMP) - 1)
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

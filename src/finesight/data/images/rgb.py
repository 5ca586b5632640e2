"""What Pillow has decoded to 8-bit RGB: transparency over white, and the colour models that Pillow does not convert."""

import numpy as np
from PIL import Image, ImageCms

from finesight.data.images.bands import EMPTY_ALPHA, NO_ALPHA, SPARE_BAND

WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """(RGB, what was left out) of an opened file. An alpha that is zero everywhere was never meant: it is ignored."""
    _mend_transparency(image)
    image.load()
    if image.mode == "LAB":
        return _from_lab(image), ()
    if image.mode not in WITH_ALPHA and "transparency" not in image.info:
        return image if image.mode == "RGB" else image.convert("RGB"), ()
    rgba = image.convert("RGBA")
    if remark := _doubt_alpha(image, rgba.getchannel("A").histogram()):
        image.info.pop("transparency", None)
        return image.convert("RGBA").convert("RGB"), (remark,)
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), ()


def _doubt_alpha(image: Image.Image, counts: list[int]) -> str:
    """Why an alpha band is not transparency, or "". counts: pixels of each of its values. As `data.bands` judges it."""
    if image.format == "TIFF":
        extra = getattr(image, "tag_v2", {}).get(338, (0,))
        if extra[-1] not in (1, 2):
            return SPARE_BAND
        if any(counts[1:255]):
            return NO_ALPHA
    return "" if any(counts[1:]) else EMPTY_ALPHA


def _mend_transparency(image: Image.Image) -> None:
    """Of a grey PNG of two or four bits Pillow 13 widens the values, but not the one that is transparent."""
    key, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    steps = {"L;2": 85, "L;4": 17}
    if isinstance(key, int) and tiles and tiles[0].args in steps:
        image.info["transparency"] = key * steps[tiles[0].args]


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b* as TIFF stores it."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    rgb = ImageCms.applyTransform(image, transform)
    assert rgb is not None
    return Image.fromarray(np.array(rgb))

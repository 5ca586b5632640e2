"""Class indices to mask files: colours for people, indices for programs."""

import colorsys
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from finesight.classes import IGNORE_INDEX, ClassList, Colour
from finesight.data.masks.named import TEXT
from finesight.data.masks.png import encode_png
from finesight.data.masks.rule import MaskRule

RUNS = 3  # zlib's Z_RLE
GOLDEN = 0.618034  # turning the hue by this fraction keeps any number of colours distinct


def mask_colours(classes: ClassList) -> tuple[Colour, ...]:
    """The class list's colours, or black for the first class and hues for the others."""
    if classes.colours is not None:
        return classes.colours
    return ((0, 0, 0), *(pick_hue(index) for index in range(len(classes))))[: len(classes)]


def pick_hue(index: int) -> Colour:
    """A colour that differs from those of the indices near it, never black, white or grey."""
    red, green, blue = colorsys.hsv_to_rgb(index * GOLDEN % 1, 0.65 + 0.35 * (index % 2), 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def encode_mask(indices: np.ndarray, classes: ClassList) -> bytes:
    """PNG bytes of class indices uint8 (h, w): palette PNG whose values are the indices and whose colours the classes'.

    IGNORE_INDEX is black.
    """
    return _png(_colour(indices, classes))


def encode_colours(indices: np.ndarray, classes: ClassList) -> bytes:
    """RGB PNG bytes: every pixel has its class's colour."""
    return encode_png(indices, _list_colours(classes))


def encode_values(indices: np.ndarray, classes: ClassList, rule: MaskRule | None = None) -> bytes:
    """Grey PNG bytes: class ids where those are numbers up to 255, as in masks of values, else indices.

    rule: of the training masks; where they hold a value up to 255 for every class, it is that.
    """
    ids = [int(id_) if id_.isascii() and id_.isdigit() else 256 for id_ in classes.ids]
    values = list(ids) if max(ids) < 256 else list(range(len(classes)))
    if rule is not None and rule.palette_as == "value":
        trained = {index: value for value, index in reversed(rule.values) if 0 <= value < 256}
        if classes.ignore is not None and IGNORE_INDEX in trained:
            trained.setdefault(classes.ignore, trained[IGNORE_INDEX])
        if set(range(len(classes))) <= trained.keys():
            values = [trained[index] for index in range(len(classes))]
    greys = np.zeros(256, np.uint8)
    greys[: len(values)] = values
    return encode_png(indices, greys)


def encode_overlay(indices: np.ndarray, image: np.ndarray, classes: ClassList) -> bytes:
    """JPEG bytes of `overlay_colours`."""
    content = io.BytesIO()
    Image.fromarray(overlay_colours(image, indices, classes)).save(content, "JPEG", quality=88)
    return content.getvalue()


def overlay_colours(image: np.ndarray, indices: np.ndarray, classes: ClassList) -> np.ndarray:
    """The image uint8 (h, w, 3) under its classes' colours, half and half; where it is IGNORE_INDEX, the image alone.

    indices: uint8 (h, w).
    """
    colours = np.zeros((IGNORE_INDEX + 1, 3), np.uint16)
    colours[: len(classes)] = mask_colours(classes)
    mixed = (image.astype(np.uint16) + colours[indices]) // 2
    return np.where((indices == IGNORE_INDEX)[..., None], image, mixed).astype(np.uint8)


def encode_named(mask: np.ndarray, names: Sequence[str], facts: Mapping[str, int]) -> bytes:
    """PNG bytes of a palette PNG that names its classes: uint8 (h, w) of indices into names, IGNORE_INDEX for no class.

    facts: what else is kept beside the names.
    """
    info = PngInfo()
    info.add_text(TEXT, json.dumps({"names": list(names), **facts}))
    return _png(_colour(mask, ClassList(tuple(names), tuple(names))), info)


def _colour(indices: np.ndarray, classes: ClassList) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(_list_colours(classes).tobytes())
    return image


def _list_colours(classes: ClassList) -> np.ndarray:
    """uint8 (256, 3), of every index."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes)] = mask_colours(classes)
    colours[IGNORE_INDEX] = 0
    return colours


def _png(image: Image.Image, info: PngInfo | None = None) -> bytes:
    content = io.BytesIO()
    # of even areas smaller and sooner written than by zlib's default
    image.save(content, "PNG", pnginfo=info, compress_type=RUNS)
    return content.getvalue()

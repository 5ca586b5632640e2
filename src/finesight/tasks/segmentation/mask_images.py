"""Images, masks and the differences of masks, as small images inside a page."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.data.images.image import UnreadableImage, place_whole, read_image
from finesight.data.masks.encoding import encode_mask, mask_colours
from finesight.data.masks.looks import read_mask
from finesight.reporting.originals import Size
from finesight.reporting.thumbnails import data_uri
from finesight.run import schema

if TYPE_CHECKING:
    from finesight.analysis.evidence import Evidence

SIDE = 256  # pixels of the longest side of an image in the page, as of a mask snapshot
QUALITY = 78  # WebP
WRONG, UNKNOWN, VEIL = (210, 48, 44, 255), (138, 143, 152, 255), (16, 18, 22, 205)  # RGBA
OUTLINE = (255, 0, 128, 255)
CLEAR = (0, 0, 0, 0)


def list_colours(classes: ClassList) -> list[str]:
    """CSS colours of the classes in masks."""
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in mask_colours(classes)]


def read_mask_indices(path: Path) -> np.ndarray | None:
    """uint8 (h, w) of a mask that a run wrote; None where it is missing or broken."""
    try:
        mask = read_mask(path)
    except UnreadableImage:
        return None
    is_index = mask.kind != "colour" and mask.codes.max(initial=0) <= IGNORE_INDEX
    return mask.codes.astype(np.uint8) if is_index else None


def read_prediction(evidence: "Evidence", key: str) -> np.ndarray | None:
    """The saved mask of one image, class indices uint8 (h, w)."""
    folder = evidence.run / schema.evaluation(evidence.split) / schema.PREDICTED_MASKS
    path = folder / schema.mask_file(key)
    is_inside = path.resolve().is_relative_to(folder.resolve())  # a key of a stranger's run can lead anywhere
    return read_mask_indices(path) if is_inside else None


def shrink(indices: np.ndarray) -> np.ndarray:
    """Every n-th pixel, so that no side is longer than SIDE; a mask cannot be blended."""
    step = -(-max(indices.shape) // SIDE)
    return np.ascontiguousarray(indices[::step, ::step])


def image_uri(path: Path | None, evidence: "Evidence", size: Size) -> str:
    """The image under its mask, which `shrink` brought to `size`; "" where it is missing or broken.

    Masks of runs from before they kept their images' own size are cut or padded to one size, and so is the image.
    """
    if path is None:
        return ""
    try:
        image = read_image(path, scale=evidence.scale)
    except UnreadableImage:
        return ""
    stored = evidence.model.preprocessing.stored
    step = -(-max(image.shape[:2]) // SIDE)
    if evidence.fit == "native" and stored and (-(-image.shape[0] // step), -(-image.shape[1] // step)) != size:
        image = place_whole(image, stored, fill=0)
    pil = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    pil.save(file, "WEBP", quality=QUALITY, method=2)
    return data_uri("image/webp", file.getvalue())


def mask_uri(indices: np.ndarray, classes: ClassList) -> str:
    return data_uri("image/png", encode_mask(indices, classes))


def error_uri(truth: np.ndarray, prediction: np.ndarray) -> str:
    """Red where the prediction is wrong, grey where the truth is unknown, clear elsewhere."""
    return _palette_uri(np.where(truth == IGNORE_INDEX, 2, truth != prediction), (CLEAR, WRONG, UNKNOWN))


def change_uri(before: np.ndarray, after: np.ndarray) -> str:
    """A veil over every pixel that stayed, so that those that changed shine through."""
    return _palette_uri(before == after, (CLEAR, VEIL))


def outline_uri(region: np.ndarray) -> str:
    """A line two pixels wide along the inside of a region, bool (h, w)."""
    padded = np.pad(region, 2)
    inner = region.copy()
    for step in (0, 1, 3, 4):
        inner &= padded[step : step + region.shape[0], 2:-2] & padded[2:-2, step : step + region.shape[1]]
    return _palette_uri(region & ~inner, (CLEAR, OUTLINE))


def _palette_uri(values: np.ndarray, colours: tuple[tuple[int, int, int, int], ...]) -> str:
    image = Image.fromarray(values.astype(np.uint8))
    image.putpalette([part for colour in colours for part in colour[:3]])
    file = io.BytesIO()
    alphas = bytes(colour[3] for colour in colours)
    image.save(file, "PNG", transparency=alphas, bits=(len(colours) - 1).bit_length(), optimize=False)
    return data_uri("image/png", file.getvalue())

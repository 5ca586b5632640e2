"""Image files to uint8 RGB arrays, and what is wrong with those that cannot be read. Nothing else decodes them."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from finesight.config import PixelScale
from finesight.data.file_facts import find_facts
from finesight.data.images.bands import explain_image, read_bands, read_rgb
from finesight.data.images.image_files import find_orientation, open_image
from finesight.data.images.jxl import LYING, read_jxl_header
from finesight.data.images.optional_formats import OPTIONAL_FORMATS, READ
from finesight.data.images.scaling import AS_STORED, scale_bands
from finesight.data.images.tiff import read_tags
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError

ENDINGS = "png apng jpg jpeg jpe jfif mpo webp tif tiff gif bmp dib ppm pgm pbm pnm"
OPTIONAL_ENDINGS = " ".join(OPTIONAL_FORMATS[noun].endings for noun in READ)
IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in f"{ENDINGS} {OPTIONAL_ENDINGS}".split())
SIZE = struct.Struct("<ii")  # height and width, as they are remembered
MAX_STRETCH = 16  # how many times longer than the crop an image may be before its ends are cut off

Fit = Literal["crop", "stretch", "native"]
Interpolation = Literal["bilinear", "bicubic"]
Progress = Callable[[int], object]  # receives the number of images done since its last call
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class UnreadableImage(DataError):
    """An image that cannot be decoded. key: which; reason: the rest of the sentence, such as `is empty`."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)  # both, so that it travels between processes
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"Image {self.key!r} {self.reason}. {self.advice}".rstrip()

    @property
    def advice(self) -> str:
        """Empty where the reason itself says what to do, behind a semicolon or a colon."""
        return "" if "; " in self.reason or ": " in self.reason else "Repair or remove it."


@dataclass(frozen=True)
class BadImage:
    """An image that was left out, and why: `key reason` reads as a sentence."""

    key: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """An image as it is seen. pixels: uint8 RGB (h, w, 3), upright. type_name: of its values as stored.

    outside: fraction of its values beyond the range of the scale. remarks: what was left out, of `images.bands`.
    """

    pixels: np.ndarray
    type_name: str = "uint8"
    outside: float = 0.0
    remarks: tuple[str, ...] = ()


def read_image(path: Path, key: str = "", least: int = 0, scale: PixelScale | None = AS_STORED) -> np.ndarray:
    """Decodes an image to uint8 RGB (h, w, 3), upright as EXIF says; of several frames the first.

    Transparent pixels lie over white. scale: what becomes 0 and 255 of each type beside uint8, one for a data set and
    its run (Preprocessing.scale); an image of a type that it does not name is refused.
    least: of a JPEG only a half, quarter or eighth is decoded as long as no side gets shorter than
    that, which is several times quicker; 0: always all of it.
    Raises UnreadableImage, which calls the image `key`, or by its path.
    """
    return decode_image(path, key, least, scale).pixels


def decode_image(path: Path, key: str = "", least: int = 0, scale: PixelScale | None = AS_STORED) -> Decoded:
    """As `read_image`, with what there is to say about it."""
    try:
        bands = read_bands(path)
        if bands is not None:
            pixels, outside = scale_bands(bands, scale)
            return Decoded(pixels, bands.values.dtype.name, outside, bands.remarks)
        with open_image(path) as image:
            _draft(image, least)
            rgb, remarks = read_rgb(image, path)
            return Decoded(np.array(rgb), remarks=remarks)
    except Exception as error:  # a broken file can raise anything, from struct.error to ZeroDivisionError
        raise UnreadableImage(key or str(path), explain_image(error, path)) from error


def read_fitted(
    path: Path,
    key: str,
    size: tuple[int, int],
    fit: Fit,
    interpolation: Interpolation,
    least: int = 0,
    scale: PixelScale | None = AS_STORED,
) -> np.ndarray:
    """`fit_image` of `read_image`; a third quicker, as most images stay with Pillow in between."""
    try:
        if (bands := read_bands(path)) is not None:
            return fit_image(scale_bands(bands, scale)[0], size, fit, interpolation)
        with open_image(path) as image:
            _draft(image, least)
            rgb, _ = read_rgb(image, path)
            return _fit(rgb, size, fit, interpolation)
    except Exception as error:  # as in decode_image
        raise UnreadableImage(key or str(path), explain_image(error, path)) from error


def _draft(image: Image.Image, least: int) -> None:
    """Only of a JPEG: HEIC would give a thumbnail of another quality."""
    if least and image.format in ("JPEG", "MPO"):
        image.draft(None, (least, least))


def fit_image(image: np.ndarray, size: tuple[int, int], fit: Fit, interpolation: Interpolation) -> np.ndarray:
    """Brings a uint8 RGB image to `size` (height, width), antialiased; as it is if it has that size.

    crop: the short side to size, then the centre, rounded as torchvision's Resize and CenterCrop do. stretch: both
    sides. native: as `place_whole`.
    """
    return image if image.shape[:2] == tuple(size) else _fit(Image.fromarray(image), size, fit, interpolation)


def _fit(image: Image.Image, size: tuple[int, int], fit: Fit, interpolation: Interpolation) -> np.ndarray:
    if fit == "native":
        return place_whole(np.asarray(image), size, fill=0)
    if fit == "crop":
        image = _trim(image, size)
    height, width = image.height, image.width
    resized = tuple(size)
    if fit == "crop" and height * size[1] <= width * size[0]:
        resized = size[0], size[0] * width // height
    elif fit == "crop":
        resized = size[1] * height // width, size[1]
    if resized != (height, width):
        image = image.resize((resized[1], resized[0]), RESAMPLING[interpolation])
    if resized != tuple(size):
        top, left = round((resized[0] - size[0]) / 2), round((resized[1] - size[1]) / 2)
        image = image.crop((left, top, left + size[1], top + size[0]))
    return np.array(image)


def place_whole(pixels: np.ndarray, size: tuple[int, int], fill: int) -> np.ndarray:
    """Pixels (h, w, …) unscaled: the centre of a side that is too long, `fill` below or right of one too short."""
    top, left = (max(0, have - want) // 2 for have, want in zip(pixels.shape, size, strict=False))
    pixels = pixels[top : top + size[0], left : left + size[1]]
    placed = np.full((*size, *pixels.shape[2:]), fill, pixels.dtype)
    placed[: pixels.shape[0], : pixels.shape[1]] = pixels
    return placed


def _trim(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The centre of a ribbon: what is cut off here would fill the memory when enlarged, and be cut off then."""
    height, width = image.height, image.width
    most = max(1, MAX_STRETCH * width * size[0] // size[1]), max(1, MAX_STRETCH * height * size[1] // size[0])
    if height <= most[0] and width <= most[1]:
        return image
    top, left = max(0, height - most[0]) // 2, max(0, width - most[1]) // 2
    return image.crop((left, top, min(width, left + most[1]), min(height, top + most[0])))


def image_sizes(items: Sequence[Item]) -> Iterator[tuple[int, int] | None]:
    """(height, width) of each image as `read_image` gives it, from headers only; None where there is none."""

    def find_out(file: str) -> bytes | None:
        try:
            return SIZE.pack(*_read_size(Path(file)))
        except Exception:  # as in read_image; decoding says what is wrong
            return None

    for found in find_facts("size", SIZE.size, find_out, items, [item.file for item in items]):
        yield None if found is None else SIZE.unpack(found)


def _read_size(path: Path) -> tuple[int, int]:
    tiff = read_tags(path)
    if tiff and not tiff.is_pillows:
        return tiff.size[::-1] if tiff.orientation in LYING else tiff.size
    if path.suffix.lower() == ".jxl":  # which Pillow decodes as it opens it
        with path.open("rb") as file:
            return read_jxl_header(file).size
    with open_image(path) as image:
        return image.size if find_orientation(image) in LYING else image.size[::-1]


def check_images(
    items: Sequence[Item],
    decode: Callable[[Item], object] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[BadImage]:
    """Decodes every image and returns all that cannot be read. workers: threads; None: one a core."""

    def check(item: Item) -> BadImage | None:
        try:
            decode(item) if decode else read_image(item.path, item.key)
        except UnreadableImage as error:
            return BadImage(error.key, error.reason)
        return None

    bad: list[BadImage] = []
    for result in map_in_threads(check, items, workers):
        bad += [result] if result else []
        if progress:
            progress(1)
    return bad

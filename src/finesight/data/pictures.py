"""Picture files to uint8 RGB arrays, and what is wrong with those that cannot be read. Nothing else decodes them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

from finesight.data.image_files import explain, open_picture
from finesight.data.sample import Item
from finesight.errors import DataError

PICTURE_SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".dib"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
MAX_STRETCH = 16  # how many times longer than the crop a picture may be before its ends are cut off

Fit = Literal["crop", "squash", "whole"]
Interpolation = Literal["bilinear", "bicubic"]
Progress = Callable[[int], object]  # told how many pictures have been done since it was last called
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
UPRIGHT = {  # EXIF orientation (TIFF 6.0, tag 274) → what turns the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
T = TypeVar("T")
R = TypeVar("R")


class UnreadablePicture(DataError):
    """A picture that cannot be decoded. key: which; reason: the rest of the sentence, such as `is empty`."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)  # both, so that it travels between processes
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"Picture {self.key!r} {self.reason}. Repair or remove it."


@dataclass(frozen=True)
class BadPicture:
    """A picture that was left out, and why: `key reason` reads as a sentence."""

    key: str
    reason: str


def read_picture(path: Path, key: str = "", least: int = 0) -> np.ndarray:
    """Decodes a picture to uint8 RGB (h, w, 3), upright as EXIF says; of several frames the first.

    Transparent pixels lie over white. 16-bit values are divided by 257. 32-bit and float greys are divided by the
    first of 1 (floats only), 255, 65535 and their own maximum that holds all of them; negative ones are 0.
    least: for a thumbnail, of a JPEG only a half, quarter or eighth is decoded as long as no side gets shorter than
    that, which is several times quicker; 0: always all of it.
    Raises UnreadablePicture, which calls the picture `key`, or by its path.
    """
    try:
        with open_picture(path) as image:
            if least:
                image.draft(None, (least, least))
            image.load()
            rgb = _to_rgb(image)
            orientation = _orientation(image)
            return np.array(rgb.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else rgb)
    except Exception as error:  # a broken file can raise anything, from struct.error to ZeroDivisionError
        raise UnreadablePicture(key or str(path), explain(error, path)) from error


def fit_picture(picture: np.ndarray, size: tuple[int, int], fit: Fit, interpolation: Interpolation) -> np.ndarray:
    """Brings a uint8 RGB picture to `size` (height, width), antialiased; as it is if it has that size.

    crop: the short side to size, then the centre, rounded as torchvision's Resize and CenterCrop do. squash: both.
    whole: as `place_whole`.
    """
    if picture.shape[:2] == tuple(size):
        return picture
    if fit == "whole":
        return place_whole(picture, size, fill=0)
    if fit == "crop":
        picture = _trim(picture, size)
    height, width = picture.shape[:2]
    resized = tuple(size)
    if fit == "crop" and height * size[1] <= width * size[0]:
        resized = size[0], size[0] * width // height
    elif fit == "crop":
        resized = size[1] * height // width, size[1]
    image = Image.fromarray(picture)
    if resized != (height, width):
        image = image.resize((resized[1], resized[0]), RESAMPLING[interpolation])
    top, left = round((resized[0] - size[0]) / 2), round((resized[1] - size[1]) / 2)
    return np.array(image.crop((left, top, left + size[1], top + size[0])))


def place_whole(pixels: np.ndarray, size: tuple[int, int], fill: int) -> np.ndarray:
    """Pixels (h, w, …) unscaled: the centre of a side that is too long, `fill` below or right of one too short."""
    top, left = (max(0, have - want) // 2 for have, want in zip(pixels.shape, size, strict=False))
    pixels = pixels[top : top + size[0], left : left + size[1]]
    placed = np.full((*size, *pixels.shape[2:]), fill, pixels.dtype)
    placed[: pixels.shape[0], : pixels.shape[1]] = pixels
    return placed


def _trim(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The centre of a ribbon: what is cut off here would fill the memory when enlarged, and be cut off then."""
    height, width = picture.shape[:2]
    most = max(1, MAX_STRETCH * width * size[0] // size[1]), max(1, MAX_STRETCH * height * size[1] // size[0])
    top, left = max(0, height - most[0]) // 2, max(0, width - most[1]) // 2
    return picture[top : top + most[0], left : left + most[1]]


def picture_sizes(items: Sequence[Item]) -> Iterator[tuple[int, int] | None]:
    """(height, width) of each picture as `read_picture` gives it, from headers only; None where there is none."""

    def size(item: Item) -> tuple[int, int] | None:
        try:
            with open_picture(item.path) as image:
                lies_on_side = _orientation(image) in (5, 6, 7, 8)
                return (image.width, image.height) if lies_on_side else (image.height, image.width)
        except Exception:  # as in read_picture; decoding says what is wrong
            return None

    return map_in_threads(size, items)


def check_pictures(
    items: Sequence[Item],
    decode: Callable[[Item], object] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[BadPicture]:
    """Decodes every picture and returns all that cannot be read. workers: threads; None: one a core."""

    def check(item: Item) -> BadPicture | None:
        try:
            decode(item) if decode else read_picture(item.path, item.key)
        except UnreadablePicture as error:
            return BadPicture(error.key, error.reason)
        return None

    bad = []
    for result in map_in_threads(check, items, workers):
        if result:
            bad.append(result)
        if progress:
            progress(1)
    return bad


def map_in_threads(
    function: Callable[[T], R], values: Iterable[T], workers: int | None = None, chunk: int = 32
) -> Iterator[R]:
    """`map` in threads, in order, with a bounded number of results waiting. Reading and Pillow release the GIL."""
    workers = workers or min(os.cpu_count() or 1, 16)
    rest = iter(values)
    waiting: deque[Future[list[R]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while some := list(islice(rest, chunk)):
            waiting.append(pool.submit(lambda some: [function(value) for value in some], some))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _orientation(image: Image.Image) -> int | None:
    """A key of UPRIGHT, if the picture has to be turned. Pillow itself turns TIFFs, which keep no EXIF block."""
    if "exif" not in image.info:
        return None
    try:
        return image.getexif().get(274)
    except Exception:  # a broken EXIF block says nothing; the picture itself may be whole
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image) / 257)
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, np.float64), nan=0, posinf=0, neginf=0).clip(min=0)
        scales = [scale for scale in (1, 255, 65535) if image.mode == "F" or scale > 1]
        highest = values.max(initial=0)
        return _from_grey(values * (255 / next((scale for scale in scales if highest <= scale), highest)))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _from_grey(values: np.ndarray) -> Image.Image:
    """values: float (h, w) in 0-255."""
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")

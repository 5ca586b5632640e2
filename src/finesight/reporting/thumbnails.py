"""Thumbnails of many images in a few sprite sheets: one WebP image each, inlined into the page."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from finesight.config import PixelScale
from finesight.data.images.image import UnreadableImage, fit_image, read_image
from finesight.data.images.scaling import AS_STORED
from finesight.data.threads import map_in_threads
from finesight.progress import track

FindImage = Callable[[str], Path | None]
DrawTile = Callable[[str, int], np.ndarray | None]  # (key, most pixels of a side) → uint8 RGB square, None: hatched

TILE, SMALL_TILE = 96, 64  # pixels of a side; small from MANY images
MANY = 3000
SHEET_SIDE = 4096  # pixels, which every browser can decode
MAX_IMAGES = 8192  # the others show their key only
QUALITY = 72  # WebP: about 1.8 kB per tile of 96 pixels, 0.9 kB of 64


@dataclass(frozen=True)
class Sheet:
    """columns, rows: in tiles. uri: a data: URI."""

    columns: int
    rows: int
    uri: str


@dataclass(frozen=True)
class Sprites:
    """places: key → (sheet, column, row). missing: keys of unreadable images. left_out: number beyond MAX_IMAGES."""

    sheets: tuple[Sheet, ...]
    places: dict[str, tuple[int, int, int]]
    missing: tuple[str, ...]
    left_out: int


def make_sprites(keys: Sequence[str], find_image: FindImage, scale: PixelScale | None = AS_STORED) -> Sprites:
    """Thumbnails of the first MAX_IMAGES of `keys`, none larger than its image. scale: as in Preprocessing."""
    return draw_sprites(keys, lambda key, most: read_tile(find_image(key), most, scale))


def draw_sprites(keys: Sequence[str], draw: DrawTile) -> Sprites:
    """As `make_sprites`, of whatever `draw` makes of a key."""
    chosen = keys[:MAX_IMAGES]
    most = TILE if len(chosen) < MANY else SMALL_TILE
    tiles = map_in_threads(lambda key: draw(key, most), chosen)
    made = dict(zip(chosen, track(tiles, "Thumbnails", len(chosen), "images"), strict=True))
    readable = {key: tile for key, tile in made.items() if tile is not None}
    missing = tuple(key for key in made if key not in readable)
    sheets: list[Sheet] = []
    places: dict[str, tuple[int, int, int]] = {}
    side = max((len(tile) for tile in readable.values()), default=most)
    across = SHEET_SIDE // side
    for start in range(0, len(readable), across**2):
        chunk = list(readable)[start : start + across**2]
        columns = min(math.ceil(math.sqrt(len(chunk))), across)
        places |= {key: (len(sheets), i % columns, i // columns) for i, key in enumerate(chunk)}
        sheets.append(_make_sheet([readable[key] for key in chunk], side, columns))
    return Sprites(tuple(sheets), places, missing, len(keys) - len(chosen))


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def read_tile(path: Path | None, most: int, scale: PixelScale | None) -> np.ndarray | None:
    """A square uint8 RGB (h, w, 3) of at most `most` pixels a side; None for an unreadable image."""
    if path is None:
        return None
    try:
        image = read_image(path, least=2 * most, scale=scale)
    except UnreadableImage:
        return None
    side = min(most, *image.shape[:2])
    return fit_image(image, (side, side), "crop", "bicubic")


def cut_tile(drawn: np.ndarray, most: int) -> np.ndarray:
    """The same of an image whose colours must not be mixed, such as a mask; always of `most` pixels a side."""
    side = min(drawn.shape[:2])
    top, left = (drawn.shape[0] - side) // 2, (drawn.shape[1] - side) // 2
    places = (np.arange(most) + 0.5) * side // most
    rows, columns = (top + places).astype(int), (left + places).astype(int)
    tile: np.ndarray = drawn[rows[:, None], columns]
    return tile


def _make_sheet(tiles: Sequence[np.ndarray], side: int, columns: int) -> Sheet:
    rows = math.ceil(len(tiles) / columns)
    canvas = np.zeros((rows * side, columns * side, 3), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * side, i % columns * side
        canvas[top : top + side, left : left + side] = fit_image(tile, (side, side), "crop", "bicubic")
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "WEBP", quality=QUALITY, method=2)
    return Sheet(columns, rows, data_uri("image/webp", file.getvalue()))

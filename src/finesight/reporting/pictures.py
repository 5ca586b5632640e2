"""Thumbnails of many pictures in a few sprite sheets: one WebP image each, inlined into the page."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from finesight.data.pictures import UnreadablePicture, fit_picture, map_in_threads, read_picture
from finesight.progress import track

FindPicture = Callable[[str], Path | None]

TILE = 64  # pixels a side of a thumbnail
SHEET_TILES = 64  # tiles a side of a sheet: 4096 pixels, which every browser can decode
MAX_PICTURES = 2 * SHEET_TILES**2  # about 14 MB of page; more are told apart by their key alone
QUALITY = 72  # WebP


@dataclass(frozen=True)
class Sheet:
    """columns, rows: in tiles. uri: the sheet as a data: address."""

    columns: int
    rows: int
    uri: str


@dataclass(frozen=True)
class Sprites:
    """places: key → (sheet, column, row). missing: keys whose picture is gone or unreadable. left_out: one too many."""

    sheets: tuple[Sheet, ...]
    places: dict[str, tuple[int, int, int]]
    missing: tuple[str, ...]
    left_out: int


def make_sprites(keys: Sequence[str], find_picture: FindPicture) -> Sprites:
    """Thumbnails of the first MAX_PICTURES of `keys` that can be read."""
    chosen = keys[:MAX_PICTURES]
    tiles = map_in_threads(lambda key: _make_tile(find_picture(key)), chosen)
    made = dict(zip(chosen, track(tiles, "Thumbnails", len(chosen), "pictures"), strict=True))
    there = {key: tile for key, tile in made.items() if tile is not None}
    missing = tuple(key for key in made if key not in there)
    sheets: list[Sheet] = []
    places: dict[str, tuple[int, int, int]] = {}
    for start in range(0, len(there), SHEET_TILES**2):
        part = list(there)[start : start + SHEET_TILES**2]
        columns = min(math.ceil(math.sqrt(len(part))), SHEET_TILES)
        places |= {key: (len(sheets), i % columns, i // columns) for i, key in enumerate(part)}
        sheets.append(_make_sheet([there[key] for key in part], columns))
    return Sprites(tuple(sheets), places, missing, len(keys) - len(chosen))


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _make_tile(path: Path | None) -> np.ndarray | None:
    """uint8 RGB (TILE, TILE, 3); None where there is no picture that can be read."""
    if path is None:
        return None
    try:
        return fit_picture(read_picture(path), (TILE, TILE), "crop", "bicubic")
    except UnreadablePicture:
        return None


def _make_sheet(tiles: Sequence[np.ndarray], columns: int) -> Sheet:
    rows = math.ceil(len(tiles) / columns)
    canvas = np.zeros((rows * TILE, columns * TILE, 3), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * TILE, i % columns * TILE
        canvas[top : top + TILE, left : left + TILE] = tile
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "WEBP", quality=QUALITY, method=2)
    return Sheet(columns, rows, data_uri("image/webp", file.getvalue()))

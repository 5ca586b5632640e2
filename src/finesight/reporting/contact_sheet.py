"""Images with captions in one PNG: to be looked at without a browser, and shown in the report."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from finesight.data.images.image_files import open_image
from finesight.progress import sanitise
from finesight.reporting.thumbnails import data_uri

COLUMNS = 4
LEAST_SIDE, MOST_SIDE = 160, 256  # pixels of a tile's longer side: smaller images are repeated, larger ones reduced
GAP, LETTER = 10, 13  # pixels between tiles, and of a line of text
QUALITY = 80  # WebP, in a page
LINES = 2  # of a caption; the rest is cut off
PAPER, INK = (255, 255, 255), (34, 38, 46)
DESCRIPTION = "Description"  # keyword of the PNG standard: all captions, whole


@dataclass(frozen=True)
class Tile:
    """image: uint8 (h, w, 3), of one size for all tiles of a sheet."""

    image: np.ndarray
    caption: str


def draw_sheet(title: str, tiles: Sequence[Tile], legend: Sequence[tuple[str, str]] = ()) -> bytes:
    """PNG bytes. legend: (CSS colour, name) of what colours in the tiles mean."""
    font = _load_font()
    legend = [(colour, sanitise(name)) for colour, name in legend]
    images = [_resize(tile.image) for tile in tiles]
    width, height = images[0].size
    columns = min(COLUMNS, len(tiles))
    pitch = width + GAP, height + LINES * (LETTER + 4) + GAP
    across = max(columns * pitch[0] + GAP, 2 * MOST_SIDE)
    top = LETTER + 2 * GAP
    keys = _place_legend(legend, font, across)
    rows = -(-len(tiles) // columns)
    below = top + rows * pitch[1]
    sheet = Image.new("RGB", (across, below + (keys[-1][1] + LETTER + 2 * GAP if keys else 0)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), title, INK, font)
    for number, (tile, image) in enumerate(zip(tiles, images, strict=True)):
        left, upper = GAP + number % columns * pitch[0], top + number // columns * pitch[1]
        sheet.paste(image, (left, upper))
        for line, text in enumerate(wrap(sanitise(tile.caption), font, width)):
            pen.text((left, upper + height + 3 + line * (LETTER + 3)), text, INK, font)
    for (colour, name), (left, upper) in zip(legend, keys, strict=True):
        pen.rectangle((left, below + upper, left + LETTER, below + upper + LETTER), colour, INK)
        pen.text((left + LETTER + 5, below + upper), name, INK, font)
    captions = sanitise("; ".join(tile.caption for tile in tiles))
    return _encode(sheet, f"{title} {captions}")


@dataclass(frozen=True)
class Shown:
    """A sheet inside a page. description: its title and all captions; empty where the PNG says nothing."""

    uri: str
    description: str


def show_sheet(path: Path) -> Shown | None:
    """A PNG of `draw_sheet`; None where it is missing or broken."""
    try:
        with open_image(path) as sheet:
            sheet.load()
            file = io.BytesIO()
            sheet.convert("RGB").save(file, "WEBP", quality=QUALITY, method=2)
            return Shown(data_uri("image/webp", file.getvalue()), str(sheet.info.get(DESCRIPTION, "")))
    except Exception:  # a broken file of a stranger's run can raise anything
        return None


def wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """At most LINES lines of `width` pixels, broken at spaces where that is possible; an ellipsis ends what is cut."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < LINES:
        count = len(rest)
        while count > 1 and font.getlength(rest[:count]) > width:
            count -= 1
        if count < len(rest) and len(lines) == LINES - 1:
            lines.append(f"{rest[: max(count - 1, 1)]}…")
            break
        if count < len(rest) and " " in rest[:count]:
            count = rest.rindex(" ", 0, count)
        lines.append(rest[:count])
        rest = rest[count:].lstrip()
    return lines


def _place_legend(
    legend: Sequence[tuple[str, str]], font: ImageFont.FreeTypeFont, across: int
) -> list[tuple[int, int]]:
    """(left, top) of each entry, in lines of at most `across` pixels."""
    places: list[tuple[int, int]] = []
    left, top = GAP, 0
    for _, name in legend:
        width = LETTER + 5 + round(font.getlength(name)) + 2 * GAP
        if places and left + width > across:
            left, top = GAP, top + LETTER + GAP
        places.append((left, top))
        left += width
    return places


def _resize(image: np.ndarray) -> Image.Image:
    """Small images pixel by pixel, so that each pixel the network gets can be seen."""
    side = max(image.shape[:2])
    tile = Image.fromarray(image)
    if side < LEAST_SIDE:
        times = -(-LEAST_SIDE // side)
        return tile.resize((tile.width * times, tile.height * times), Image.Resampling.NEAREST)
    tile.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    return tile


def _load_font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows more scripts than Pillow's own font."""
    package = find_spec("matplotlib")
    path = Path((package and package.origin) or "").parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(path, LETTER)


def _encode(sheet: Image.Image, description: str) -> bytes:
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt(DESCRIPTION, description)
    file = io.BytesIO()
    sheet.save(file, "PNG", pnginfo=notes, compress_level=4)
    return file.getvalue()

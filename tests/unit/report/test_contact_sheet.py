"""A sheet of images with captions: every pixel is there, every caption whole in the description."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from finesight.reporting.contact_sheet import GAP, LETTER, LINES, Tile, draw_sheet, show_sheet, wrap


@pytest.fixture
def font() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(LETTER)  # type: ignore[return-value]


def test_a_tile_holds_its_image_pixel_by_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(draw_sheet("Title.", [Tile(image, "cat")]))))
    top, left = LETTER + 2 * GAP, GAP
    assert np.array_equal(sheet[top : top + 160 : 2, left : left + 160 : 2], image)


def test_captions_and_legend_are_in_the_page(tmp_path: Path) -> None:
    tiles = [Tile(np.zeros((40, 60, 3), np.uint8), f"狼 {number} \n\udc80") for number in range(9)]
    path = tmp_path / "sheet.png"
    path.write_bytes(draw_sheet("Nine.", tiles, [("#ff0000", "roof"), ("rgb(0,0,0)", "soil")] * 9))
    shown = show_sheet(path)
    assert shown is not None
    assert shown.description.startswith("Nine. 狼 0 ��; 狼 1")
    assert shown.uri.startswith("data:image/webp")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_a_broken_sheet_is_left_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sheet.png"
    assert show_sheet(path) is None
    path.write_bytes(content)
    assert show_sheet(path) is None


@pytest.mark.parametrize("text", ["", "cat", "seventy percent cat, thirty percent dog, and more", "x" * 90, " a b "])
def test_lines_fit(font: ImageFont.FreeTypeFont, text: str) -> None:
    lines = wrap(text, font, 100)
    assert len(lines) <= LINES
    assert all(font.getlength(line) <= 110 for line in lines)
    assert "".join("".join(lines).split()).rstrip("…") in "".join(text.split())

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from finesight.reporting import thumbnails as images
from finesight.reporting.thumbnails import TILE, make_sprites

SIDE = 30  # of the images of `folder`, the shorter one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(7):
        Image.new("RGB", (90, 30), (30 * number, 120, 250 - 30 * number)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    return tmp_path


def open_sheet(uri: str) -> Image.Image:
    kind, content = uri.split(",", 1)
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")


def test_each_place_shows_its_image(folder: Path) -> None:
    sprites = make_sprites([f"{number}.png" for number in range(7)], lambda key: folder / key)
    assert (sprites.sheets[0].columns, sprites.sheets[0].rows) == (3, 3)
    sheet = open_sheet(sprites.sheets[0].uri)
    assert sheet.size == (3 * SIDE, 3 * SIDE)  # no larger than the images are
    for number in range(7):
        _, column, row = sprites.places[f"{number}.png"]
        seen = sheet.getpixel((column * SIDE + SIDE // 2, row * SIDE + SIDE // 2))
        assert all(
            abs(a - b) < 12
            for a, b in zip(seen, (30 * number, 120, 250 - 30 * number), strict=True)  # type: ignore[arg-type]
        )


def test_gone_and_broken_images_have_no_place(folder: Path) -> None:
    sprites = make_sprites(["1.png", "broken.png", "gone.png"], lambda key: None if key == "gone.png" else folder / key)
    assert list(sprites.places) == ["1.png"]
    assert sprites.missing == ("broken.png", "gone.png")


def test_more_images_than_a_sheet_or_a_page_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "SHEET_SIDE", 2 * SIDE)
    monkeypatch.setattr(images, "MAX_IMAGES", 6)
    sprites = make_sprites([f"{number}.png" for number in range(7)], lambda key: folder / key)
    assert len(sprites.sheets) == 2
    assert sprites.places["5.png"] == (1, 1, 0)
    assert sprites.left_out == 1


def test_tiles_are_as_large_as_the_largest_image_and_smaller_where_there_are_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (300, 200), "red").save(folder / "large.png")
    keys = ["0.png", "1.png", "2.png", "large.png"]
    assert open_sheet(make_sprites(keys, lambda key: folder / key).sheets[0].uri).size == (2 * TILE, 2 * TILE)
    monkeypatch.setattr(images, "MANY", 4)
    small = 2 * images.SMALL_TILE
    assert open_sheet(make_sprites(keys, lambda key: folder / key).sheets[0].uri).size == (small, small)


def test_no_image_at_all() -> None:
    sprites = make_sprites([], lambda key: None)
    assert sprites.sheets == ()

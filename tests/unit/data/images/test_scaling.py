from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finesight.data.images.bands import Bands
from finesight.data.images.image import UnreadableImage, decode_image, read_image
from finesight.data.images.scaling import choose_scale, find_range, find_valid, measure_values, scale_bands
from finesight.data.sample import Item
from tiffs import write_tiff

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80))


def as_items(folder: Path, *arrays: np.ndarray, **options: Any) -> list[Item]:
    return [Item(f"{i}.tif", write_tiff(folder / f"{i}.tif", array, **options)) for i, array in enumerate(arrays)]


def read_all(items: list[Item]) -> list[np.ndarray]:
    scale = choose_scale(measure_values(items), len(items))
    return [read_image(item.path, item.key, scale=scale)[..., 0].astype(float) for item in items]


def test_fractions_are_scaled_alike_whatever_their_highest(tmp_path: Path) -> None:
    clear = (NOISE / 255).astype(np.float32)
    cloudy = clear.copy()
    cloudy[0, 0] = 1.01
    for some in ([clear, cloudy], [clear], [cloudy]):
        assert all(abs(each.mean() - 127) < 2 for each in read_all(as_items(tmp_path, *some)))


def test_whole_numbers_are_scaled_alike_whatever_their_highest(tmp_path: Path) -> None:
    plain = NOISE.astype(np.int32)
    bright = plain.copy()
    bright[0, 0] = 256
    for some in ([plain, bright], [plain], [bright]):
        read = read_all(as_items(tmp_path, *some))
        np.testing.assert_array_equal(read[0][1:], plain[1:])


@pytest.mark.parametrize("outlier", [1.2, 3.4e38, -9999, np.nan, np.inf, -np.inf, -3.4e38, -32768])
def test_one_outlier_changes_nothing_else(tmp_path: Path, outlier: float) -> None:
    values = (NOISE / 255 * 0.3).astype(np.float32)
    odd = values.copy()
    odd[0, 0] = outlier
    clear, cloudy = read_all(as_items(tmp_path, values, odd))
    np.testing.assert_array_equal(clear[1:], cloudy[1:])
    assert len(np.unique(clear)) > 200
    assert cloudy[0, 0] in (0, 255)


def test_twelve_bits_keep_their_grey_levels(tmp_path: Path) -> None:
    dim = (NOISE * 16 + NOISE // 16).astype(np.uint16)  # 0-4095
    (read,) = read_all(as_items(tmp_path, dim))
    assert len(np.unique(read)) == 256
    (stats,) = measure_values(as_items(tmp_path, dim))
    assert (stats.type_name, stats.low, stats.high, stats.lowest, stats.highest) == ("uint16", 0, 4095, 0, 4095)
    filled = dim.copy()
    filled[:20] = 65535
    (stats,) = measure_values(as_items(tmp_path, filled))
    assert (stats.low, stats.high) == (0, 4095)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.arange(65536), "u", (0, 65535)),
        (np.arange(0, 10000), "u", (0, 16383)),
        (np.arange(0, 61), "u", (0, 255)),
        (np.linspace(0, 1, 999), "f", (0, 1)),
        (np.linspace(0, 200, 999), "f", (0, 255)),
        (np.linspace(-25, -1, 1001), "f", (-24.976, -1.024)),
        (np.arange(28000, 32001), "u", (28004, 31996)),
        (np.full(5, 0.25), "f", (0.25, 1.25)),
    ],
)
def test_ranges(values: np.ndarray, kind: str, expected: tuple[float, float]) -> None:
    assert find_range(values.astype(float), kind) == pytest.approx(expected)


@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=2, max_size=50))
def test_scaling_keeps_the_order_and_stays_in_range(values: list[float]) -> None:
    array = np.sort(np.array(values, np.float32))[None, :, None]
    pixels, _ = scale_bands(Bands(array), {"float32": find_range(array.astype(float), "f")})
    assert pixels.shape == (1, len(values), 3)
    assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize(("type_name", "fill"), [("int32", -(2**31)), ("int16", -32768), ("uint32", 2**32 - 1)])
def test_fill_values_of_whole_numbers(tmp_path: Path, type_name: str, fill: int) -> None:
    values = (NOISE * 4).astype(type_name)
    values[:20] = fill
    (stats,) = measure_values(as_items(tmp_path, values))
    assert (stats.low, stats.high) == (0, 1023)


def test_a_tag_says_what_was_not_measured(tmp_path: Path) -> None:
    values = np.where(NOISE < 128, 0, NOISE * 100).astype(np.uint16)
    (stats,) = measure_values(as_items(tmp_path, values, nodata="0"))
    assert stats.lowest >= 12800
    assert 0.4 < stats.missing < 0.6
    assert "of pixels hold no value" in stats.describe()
    assert not find_valid(Bands(np.float32([[[1, np.nan, 1]]]))).any()
    assert find_valid(Bands(np.float32([[[-3.4e5]]]), nodata=-3.4028234663852886e38)).all()
    assert find_valid(Bands(np.uint16([[[7]]]), nodata=-9999.0)).all()


@pytest.mark.parametrize("deep", [False, True])
def test_white_is_zero(tmp_path: Path, deep: bool) -> None:
    values = RAMP.astype(np.uint16) * 257 if deep else RAMP
    path = write_tiff(tmp_path / "a.tif", values, photometric=0)
    np.testing.assert_array_equal(read_image(path, scale={"uint16": (0, 65535)})[..., 0], 255 - RAMP)


DEEP = {
    "grey.png": lambda: Image.fromarray(RAMP.astype(np.uint16) * 257),
    "grey.pgm": lambda: Image.fromarray(RAMP.astype(np.int32) * 257).convert("I"),
    "grey.tif": lambda: Image.fromarray(RAMP.astype(np.uint16) * 257),
}


@pytest.mark.parametrize("name", DEEP)
def test_the_whole_of_sixteen_bits_is_as_eight(tmp_path: Path, name: str) -> None:
    image = DEEP[name]()
    image.save(tmp_path / name)
    item = Item(name, tmp_path / name)
    bright = Item("b.tif", write_tiff(tmp_path / "b.tif", np.full((9, 9), 65535, np.uint16)))
    assert choose_scale(measure_values([item, bright]), 2) == {"uint16": (0.0, 65535.0)}
    decoded = decode_image(item.path, scale={"uint16": (0, 65535)})
    assert decoded.type_name == "uint16"
    np.testing.assert_array_equal(decoded.pixels, np.repeat(RAMP[..., None], 3, axis=2))


def test_no_range_no_image(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", RAMP.astype(np.float32))
    for scale, known in (({}, "uint8"), ({"uint16": (0, 9)}, "uint16")):
        with pytest.raises(UnreadableImage, match=f"holds float32, for which no range is known: .* are {known}"):
            read_image(path, scale=scale)
    np.testing.assert_array_equal(read_image(path, scale=None)[..., 0], RAMP)  # as older runs did


def test_older_runs_scale_each_image_by_itself(tmp_path: Path) -> None:
    for factor, expected in ((1 / 255, RAMP), (1, RAMP), (257, RAMP), (10**6, np.rint(RAMP * (255 / 230)))):
        path = write_tiff(tmp_path / "a.tif", RAMP.astype(np.float64) * factor)
        np.testing.assert_array_equal(read_image(path, scale=None)[..., 0], expected)
    path = write_tiff(tmp_path / "a.tif", RAMP.astype(np.uint16) * 16)
    np.testing.assert_array_equal(read_image(path, scale=None)[..., 0], np.rint(RAMP * (16 / 257)))


def test_values_beyond_the_range_are_counted(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.uint16([[0, 100, 200, 300]]))
    assert decode_image(path, scale={"uint16": (100, 200)}).outside == 0.5


def test_every_band_of_a_large_image_is_sampled(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 1000, (600, 700, 3)) + np.array([20000, 22000, 24000])
    (stats,) = measure_values(as_items(tmp_path, bands.astype(np.uint16)))
    assert stats.low < 20100
    assert stats.high > 24900


def test_heavy_tails_lose_much(tmp_path: Path) -> None:
    (stats,) = measure_values(as_items(tmp_path, np.exp(NOISE / 4).astype(np.float32)))
    assert stats.loses_much
    (stats,) = measure_values(as_items(tmp_path, (NOISE % 5).astype(np.uint16)))
    assert not stats.loses_much  # it has no more


def test_an_image_without_any_value_is_black(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.full((4, 5), np.nan, np.float32))
    assert not read_image(path).any()
    assert measure_values([Item("a", path)]) == ()

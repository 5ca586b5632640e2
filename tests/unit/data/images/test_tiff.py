from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finesight.data.images.image import read_image
from finesight.data.images.image_files import open_image
from finesight.data.images.tiff import read_tags, read_values, turn_upright
from finesight.errors import DataError
from tiffs import write_tiff

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"order": ">"},
    "planar": {"planar": True},
    "tiled": {"tile": (16, 32)},
    "big-endian BigTIFF, tiled": {"big": True, "order": ">", "tile": (16, 16)},
    "tiled planar deflate": {"tile": (16, 16), "planar": True, "deflate": True},
    "BigTIFF": {"big": True, "deflate": True},
    "big-endian BigTIFF": {"big": True, "order": ">"},
    "predictor 2": {"deflate": True, "predictor": 2},
    "predictor 2, big-endian, tiled": {"deflate": True, "predictor": 2, "order": ">", "tile": (16, 16)},
}
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "int64", "float64", "float16"]


def draw(type_name: str, bands: int, size: tuple[int, int] = (19, 37)) -> np.ndarray:
    values = np.random.default_rng(bands).integers(-100, 120, (*size, bands))
    return (values * 0.37 if type_name.startswith("float") else np.abs(values)).astype(type_name)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("type_name", TYPES)
def test_any_type_in_any_form(tmp_path: Path, type_name: str, form: str) -> None:
    for bands in (1, 3, 5):
        array = draw(type_name, bands)
        path = write_tiff(tmp_path / "a.tif", array, **FORMS[form])
        tags = read_tags(path)
        assert tags is not None
        assert (tags.type_name, tags.size, tags.num_bands) == (type_name, (19, 37), bands)
        np.testing.assert_array_equal(read_values(path, tags), array)


@pytest.mark.parametrize("type_name", ["float32", "float64"])
def test_predictor_of_fractions(tmp_path: Path, type_name: str) -> None:
    array = draw(type_name, 3)
    path = write_tiff(tmp_path / "a.tif", array, deflate=True, predictor=3, tile=(16, 16))
    tags = read_tags(path)
    assert tags is not None
    np.testing.assert_array_equal(read_values(path, tags), array)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 7, 9, 10, 12, 14, 15])
def test_odd_numbers_of_bits(tmp_path: Path, bits: int) -> None:
    array = np.random.default_rng(0).integers(0, 1 << bits, (9, 13, 3)).astype(np.uint16)
    path = write_tiff(tmp_path / "a.tif", array, bits=bits)
    tags = read_tags(path)
    assert tags is not None
    assert tags.type_name == ("uint8" if bits < 8 else "uint16")
    np.testing.assert_array_equal(read_values(path, tags), array)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "zstd", "lzma", "tiff_adobe_deflate"])
def test_compressions(tmp_path: Path, compression: str) -> None:
    array = draw("uint16", 1)[..., 0]
    Image.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    tags = read_tags(tmp_path / "a.tif")
    assert tags is not None
    np.testing.assert_array_equal(read_values(tmp_path / "a.tif", tags)[..., 0], array)


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", draw("float32", 2), compression=34887)
    tags = read_tags(path)
    assert tags is not None
    with pytest.raises(DataError, match=r"^holds 2 bands of float32 compressed by LERC, which is not read"):
        read_values(path, tags)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_half_a_file_is_damaged(tmp_path: Path, share: float, deflate: bool) -> None:
    path = write_tiff(tmp_path / "a.tif", draw("uint16", 3), deflate=deflate)
    tags = read_tags(path)
    assert tags is not None
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"^is damaged"):
        read_values(path, tags)
    assert read_tags(path) is None


def test_missing_values_and_what_is_no_tiff(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", draw("int16", 1), nodata="-9999")
    tags = read_tags(path)
    assert tags is not None
    assert tags.nodata == -9999
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    assert read_tags(tmp_path / "b.tif") is None


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_as_pillow_turns(tmp_path: Path, orientation: int, deflate: bool) -> None:
    array = draw("uint8", 1)
    path = write_tiff(tmp_path / "a.tif", array, orientation=orientation, deflate=deflate)
    with open_image(path) as image:
        image.load()
        np.testing.assert_array_equal(turn_upright(array[..., 0], orientation), np.asarray(image))


def test_plain_images_that_pillow_does_not_open(tmp_path: Path) -> None:
    array = draw("uint8", 3)
    path = write_tiff(tmp_path / "a.tif", array, photometric=2, big=True, order=">")
    np.testing.assert_array_equal(read_image(path), array)

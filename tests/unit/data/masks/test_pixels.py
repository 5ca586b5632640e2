"""Mask files of every type that is met: the values that a GIS shows, or a sentence on why there is no telling."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data.masks.codes import NODATA, pack
from finesight.data.masks.looks import UnreadableMask, read_mask
from finesight.data.masks.pixels import AS_STORED, CLEAR_ENTRY, EMPTY_ALPHA, SPARE_BAND
from tiffs import write_tiff

TRUTH = np.array([[0, 1, 2, 2], [2, 1, 0, 0], [1, 1, 1, 2]])
COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 255)], np.uint8)
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64", "float32", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("deflate", [False, True])
def test_whole_numbers_of_any_type(dtype: str, deflate: bool, tmp_path: Path) -> None:
    raw = read_mask(write_tiff(tmp_path / "a.tif", TRUTH.astype(dtype), deflate=deflate))
    np.testing.assert_array_equal(raw.codes, TRUTH)
    assert (raw.kind, raw.codes.dtype, raw.remarks) == ("value", np.int32, ())


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_not_stretched(bits: int, tmp_path: Path) -> None:
    values = np.minimum(TRUTH, (1 << bits) - 1).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(write_tiff(tmp_path / "a.tif", values, bits=bits)).codes, values)


@pytest.mark.parametrize(
    ("dtype", "value", "code"),
    [
        ("float32", np.nan, NODATA),
        ("float32", -3.4028234e38, NODATA),
        ("float64", np.inf, NODATA),
        ("float32", -9999, -9999),
        ("int16", -1, -1),
        ("int8", -1, -1),
        ("int32", -(2**31), NODATA),
        ("uint32", 2**32 - 1, NODATA),
        ("uint16", 65535, 65535),
    ],
)
def test_what_stands_for_no_value(dtype: str, value: float, code: int, tmp_path: Path) -> None:
    values = TRUTH.astype(dtype)
    values[0, 0] = value
    raw = read_mask(write_tiff(tmp_path / "a.tif", values))
    np.testing.assert_array_equal(raw.codes.ravel(), [code, *TRUTH.ravel()[1:]])
    assert raw.nodata is None


@pytest.mark.parametrize(
    ("nodata", "dtype", "code"), [("255", "uint8", 255), ("-9999", "float32", -9999), ("0", "uint8", 0)]
)
def test_nodata_is_told_by_its_tag(nodata: str, dtype: str, code: int, tmp_path: Path) -> None:
    assert read_mask(write_tiff(tmp_path / "a.tif", TRUTH.astype(dtype), nodata=nodata)).nodata == code
    assert read_mask(write_tiff(tmp_path / "b.tif", TRUTH.astype(dtype), nodata="nan")).nodata is None


def test_a_nodata_beyond_all_classes_is_no_value(tmp_path: Path) -> None:
    values = TRUTH.astype(np.float64)
    values[0, 0] = -1e10
    assert read_mask(write_tiff(tmp_path / "a.tif", values, nodata="-1e10")).codes[0, 0] == NODATA
    with pytest.raises(UnreadableMask, match="too large for classes"):
        read_mask(write_tiff(tmp_path / "b.tif", values))


def deep_png(path: Path, colours: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, bands = colours.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[bands], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def deep_tiff(path: Path, colours: np.ndarray) -> Path:
    return write_tiff(path, colours, photometric=2)


@pytest.mark.parametrize("write", [deep_png, deep_tiff])
def test_sixteen_bit_colours(write: Callable[[Path, np.ndarray], Path], tmp_path: Path) -> None:
    wide = COLOURS[TRUTH].astype(np.uint16)
    for colours in (wide * 257, wide):
        raw = read_mask(write(tmp_path / "a", colours))
        np.testing.assert_array_equal(raw.codes, pack(COLOURS[TRUTH]))
    with pytest.raises(UnreadableMask, match="16-bit colours that are not 8-bit colours times 257"):
        read_mask(write(tmp_path / "b", wide * 256 + 1))


def test_transparent_pixels_hold_no_value(tmp_path: Path) -> None:
    clear = TRUTH == 2
    for opaque in (255, 128):
        alpha = np.where(clear, 0, opaque).astype(np.uint8)
        Image.fromarray(np.dstack([COLOURS[TRUTH], alpha])).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png").codes == NODATA, clear)
    alpha = np.zeros(TRUTH.shape, np.uint8)
    Image.fromarray(np.dstack([COLOURS[TRUTH], alpha])).save(tmp_path / "b.png")
    raw = read_mask(tmp_path / "b.png")
    np.testing.assert_array_equal(raw.codes, pack(COLOURS[TRUTH]))
    assert raw.remarks == (EMPTY_ALPHA,)
    Image.fromarray(np.dstack([COLOURS[TRUTH], TRUTH.astype(np.uint8) * 100])).save(tmp_path / "c.png")
    with pytest.raises(UnreadableMask, match="transparent in parts and to different degrees"):
        read_mask(tmp_path / "c.png")


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    image = Image.fromarray(TRUTH.astype(np.uint8))
    image.putpalette(COLOURS.tobytes())
    image.save(tmp_path / "a.png", transparency=0)
    assert read_mask(tmp_path / "a.png").remarks == (CLEAR_ENTRY,)
    raw = read_mask(write_tiff(tmp_path / "b.tif", TRUTH.astype(np.uint8), photometric=0))
    np.testing.assert_array_equal(raw.codes, TRUTH)
    assert raw.remarks == (AS_STORED,)
    bands = np.dstack([COLOURS[TRUTH], np.full(TRUTH.shape, 255, np.uint8)])
    raw = read_mask(write_tiff(tmp_path / "c.tif", bands, photometric=2, extra=[0]))
    assert (raw.kind, raw.remarks) == ("colour", (SPARE_BAND,))


def test_a_pgm_keeps_its_values(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n4 3\n2\n" + TRUTH.astype(np.uint8).tobytes())
    np.testing.assert_array_equal(read_mask(tmp_path / "a.pgm").codes, TRUTH)


def test_what_cannot_be_classes(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMask, match=r"holds fractions such as 0\.5"):
        read_mask(write_tiff(tmp_path / "a.tif", TRUTH.astype(np.float32) / 2))
    with pytest.raises(UnreadableMask, match=r"has 5 bands of uint8; a mask has one band"):
        read_mask(write_tiff(tmp_path / "b.tif", np.zeros((3, 4, 5), np.uint8), photometric=1))

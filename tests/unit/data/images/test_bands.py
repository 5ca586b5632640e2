import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data.images.bands import EMPTY_ALPHA, NO_ALPHA, SPARE_BAND, SPARE_GREY_BAND, SPARE_PAGES, read_header
from finesight.data.images.image import UnreadableImage, decode_image, image_sizes, read_image
from finesight.data.sample import Item
from tiffs import write_tiff

SCALE = {"uint16": (0.0, 65535.0), "float32": (0.0, 255.0)}
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
NIR = RNG.integers(20, 200, (9, 13, 1), dtype=np.uint8)
HALF = np.where(np.arange(13) < 6, 255, 0).astype(np.uint8)[None, :, None].repeat(9, 0)
HALF_SEEN = np.where(HALF > 0, RGB, 255)
NONE = np.zeros_like(NIR)


def png(values: np.ndarray, colour: int, bits: int = 16, key: tuple[int, ...] = ()) -> bytes:
    """values: uint16 (h, w, bands), or rows of bytes where there are fewer bits."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = values.astype(">u2") if bits == 16 else values
    width = values.shape[1] if bits == 16 else values.shape[1] * 8 // bits
    header = struct.pack(">IIBBBBB", width, len(values), bits, colour, 0, 0, 0)
    content = chunk(b"IHDR", header)
    content += chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    content += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


@pytest.mark.parametrize("factor", [1, 257])
@pytest.mark.parametrize(
    ("alpha", "extra", "expected", "remarks"),
    [
        (NIR, [2], RGB, (NO_ALPHA,)),
        (NIR, [1], RGB, (NO_ALPHA,)),
        (NIR, None, RGB, (SPARE_BAND,)),
        (NIR, [0], RGB, (SPARE_BAND,)),
        (HALF, [2], HALF_SEEN, ()),
        (HALF, [1], HALF_SEEN, ()),
        (HALF, [0], RGB, (SPARE_BAND,)),
        (NONE, [2], RGB, (EMPTY_ALPHA,)),
        (NONE + 255, [2], RGB, ()),
    ],
)
def test_a_fourth_band(
    tmp_path: Path,
    alpha: np.ndarray,
    extra: list[int] | None,
    expected: np.ndarray,
    remarks: tuple[str, ...],
    factor: int,
) -> None:
    array = np.dstack([RGB, alpha])
    array = array.astype(np.uint16) * 257 if factor > 1 else array
    for planar in (False, True):
        path = write_tiff(tmp_path / "a.tif", array, photometric=2, extra=extra, planar=planar)
        decoded = decode_image(path, scale=SCALE)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.remarks == remarks


def test_grey_and_another_band(tmp_path: Path) -> None:
    grey = np.repeat(RGB[..., :1], 3, axis=2)
    for extra, other, expected, remarks in (
        ([2], HALF, np.where(HALF > 0, grey, 255), ()),
        ([2], NIR, grey, (NO_ALPHA,)),
        ([0], NIR, grey, (SPARE_GREY_BAND,)),
    ):
        path = write_tiff(tmp_path / "a.tif", np.dstack([RGB[..., :1], other]), extra=extra)
        decoded = decode_image(path)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.remarks == remarks


def test_three_bands_as_rasterio_writes_them(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", RGB.astype(np.uint16) * 257, photometric=1, extra=[0, 0])
    np.testing.assert_array_equal(read_image(path, scale=SCALE), RGB)
    assert list(image_sizes([Item("a", path)])) == [(9, 13)]
    path = write_tiff(tmp_path / "a.tif", RGB.astype(np.float32), photometric=1, orientation=6)
    np.testing.assert_array_equal(read_image(path, scale=SCALE), np.rot90(RGB, -1))
    assert list(image_sizes([Item("a", path)])) == [(13, 9)]


@pytest.mark.parametrize(("bands", "type_name"), [(5, "uint8"), (13, "uint16"), (6, "float32")])
def test_more_bands_are_refused_with_what_to_do(tmp_path: Path, bands: int, type_name: str) -> None:
    path = write_tiff(tmp_path / "a.tif", np.zeros((4, 5, bands), type_name), photometric=1)
    with pytest.raises(UnreadableImage, match=f"has {bands} bands of {type_name}, where .*gdal_translate"):
        read_image(path, scale=SCALE)


PNGS: dict[str, tuple[Callable[[], bytes], np.ndarray]] = {
    "grey": (lambda: png(RGB[..., :1].astype(np.uint16) * 257, 0), RGB[..., [0, 0, 0]]),
    "grey, alpha": (
        lambda: png(np.dstack([RGB[..., :1], HALF]).astype(np.uint16) * 257, 4),
        np.where(HALF > 0, RGB[..., [0, 0, 0]], 255),
    ),
    "colour": (lambda: png(RGB.astype(np.uint16) * 257, 2), RGB),
    "colour, alpha": (lambda: png(np.dstack([RGB, HALF]).astype(np.uint16) * 257, 6), HALF_SEEN),
    "colour, no alpha": (lambda: png(np.dstack([RGB, NONE]).astype(np.uint16) * 257, 6), RGB),
    "colour, key": (
        lambda: png(RGB.astype(np.uint16) * 257, 2, key=tuple(int(v) * 257 for v in RGB[2, 3])),
        np.where((RGB[2, 3] == RGB).all(axis=2, keepdims=True), 255, RGB),
    ),
    "grey, key": (
        lambda: png(RGB[..., :1].astype(np.uint16) * 257, 0, key=(int(RGB[2, 3, 0]) * 257,)),
        np.where(RGB[..., [0, 0, 0]] == RGB[2, 3, 0], 255, RGB[..., [0, 0, 0]]),
    ),
}


@pytest.mark.parametrize("name", PNGS)
def test_png_of_sixteen_bits(tmp_path: Path, name: str) -> None:
    make, expected = PNGS[name]
    (tmp_path / "a.png").write_bytes(make())
    decoded = decode_image(tmp_path / "a.png", scale=SCALE)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert decoded.type_name == "uint16"
    assert decoded.remarks == ((EMPTY_ALPHA,) if "no alpha" in name else ())


def test_png_keeps_the_low_bytes_too(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (9, 13, 3)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(png(values, 2))
    image = read_image(tmp_path / "a.png", scale={"uint16": (0, 4095)})
    np.testing.assert_array_equal(image, np.rint(values * (255 / 4095)))


def test_png_of_sixteen_bits_interlaced(tmp_path: Path) -> None:
    """Adam7: seven images of every n-th pixel, one behind the other."""
    values = RNG.integers(0, 65536, (9, 13, 3)).astype(np.uint16)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [values[top::down, left::across].astype(">u2") for top, left, down, across in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    plain = png(values, 2)
    content = bytearray(plain[: plain.index(b"IDAT") - 4])
    content[28] = 1
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    data = zlib.compress(rows)
    content += struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    (tmp_path / "a.png").write_bytes(content + plain[-12:])
    image = read_image(tmp_path / "a.png", scale=SCALE)
    np.testing.assert_array_equal(image, np.rint(values * (255 / 65535)))


@pytest.mark.parametrize("bits", [2, 4])
def test_the_transparent_value_of_few_bits(tmp_path: Path, bits: int) -> None:
    (tmp_path / "a.png").write_bytes(
        png(np.array([[0b11100100]], np.uint8), 0, bits, key=(0b1110 if bits == 4 else 3,))
    )
    expected = [255, 170, 85, 0] if bits == 2 else [255, 68]
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == expected
    (tmp_path / "b.png").write_bytes(png(np.array([[0b00001110]], np.uint8), 0, bits, key=(0,)))
    assert read_image(tmp_path / "b.png")[0, :, 0].tolist() == ([255, 255, 255, 170] if bits == 2 else [255, 238])


@pytest.mark.parametrize("maxval", [1023, 65535])
def test_ppm_of_sixteen_bits(tmp_path: Path, maxval: int) -> None:
    values = np.rint(RGB.astype(float) * maxval / 255).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 # a word\n13 9\n%d\n" % maxval + values.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm", scale=SCALE), RGB)
    assert read_header(tmp_path / "a.ppm").type_name == "uint16"
    (tmp_path / "a.pgm").write_bytes(b"P5 13 9 %d\n" % maxval + values[..., 0].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm", scale=SCALE)[..., 0], RGB[..., 0])
    (tmp_path / "a.ppm").write_bytes(b"P6 13 9 65535\n" + bytes(100))
    with pytest.raises(UnreadableImage, match="is damaged"):
        read_image(tmp_path / "a.ppm", scale=SCALE)


def test_bmp_whose_alpha_was_never_set(tmp_path: Path) -> None:
    head = struct.pack("<IiiHHIIiiII", 108, 13, 9, 1, 32, 3, 13 * 9 * 4, 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    pixels = np.dstack([RGB[..., ::-1], NONE])[::-1].tobytes()
    file = struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head))
    (tmp_path / "a.bmp").write_bytes(b"BM" + file + head + pixels)
    decoded = decode_image(tmp_path / "a.bmp")
    np.testing.assert_array_equal(decoded.pixels, RGB)
    assert decoded.remarks == (EMPTY_ALPHA,)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_that_is_zero_everywhere_is_ignored(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.dstack([RGB, NONE]))
    image.save(tmp_path / f"a.{suffix}", **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    decoded = decode_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(decoded.pixels, RGB)
    assert decoded.remarks == (EMPTY_ALPHA,)
    assert read_header(tmp_path / f"a.{suffix}").has_extra


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 7])
def test_few_bits_as_a_viewer_shows_them(tmp_path: Path, bits: int) -> None:
    values = RNG.integers(0, 1 << bits, (5, 9, 3)).astype(np.uint8)
    expected = np.rint(values * (255 / ((1 << bits) - 1)))
    for photometric, shown in ((1, expected), (0, 255 - expected)):
        grey = write_tiff(tmp_path / "a.tif", values[..., 0], bits=bits, photometric=photometric)
        np.testing.assert_array_equal(read_image(grey)[..., 0], shown[..., 0])
    colour = write_tiff(tmp_path / "b.tif", values, bits=bits, photometric=2)
    np.testing.assert_array_equal(read_image(colour), expected)


@pytest.mark.parametrize("photometric", [0, 1])
def test_one_bit(tmp_path: Path, photometric: int) -> None:
    values = RNG.integers(0, 2, (5, 9)).astype(np.uint8)
    path = write_tiff(tmp_path / "a.tif", values, bits=1, photometric=photometric)
    np.testing.assert_array_equal(read_image(path)[..., 0], 255 * (values if photometric else 1 - values))


def test_lab(tmp_path: Path) -> None:
    lab = np.zeros((4, 5, 3), np.uint8)
    lab[..., 0], lab[..., 1], lab[..., 2] = 138, 81, 70  # 54 %, +81, +70: pure red is 53.2, 80.1, 67.2
    read = read_image(write_tiff(tmp_path / "a.tif", lab, photometric=8)).astype(int)
    assert np.abs(read - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("name", ["cmyk.tif", "ycc.tif", "palette16.tif", "palette256.tif"])
def test_colour_models(tmp_path: Path, name: str) -> None:
    flat = Image.new("RGB", (32, 16), (220, 40, 60))
    path = tmp_path / name
    if name == "cmyk.tif":
        flat.convert("CMYK").save(path)
    elif name == "ycc.tif":
        flat.save(path, compression="jpeg")
    else:
        flat.quantize(16 if "16" in name else 256).save(path)
    assert np.abs(read_image(path).astype(int) - (220, 40, 60)).max() < 6


def test_a_whole_file_of_a_strange_kind_is_not_called_unknown(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.zeros((4, 5), np.uint16), photometric=3)
    with pytest.raises(UnreadableImage, match="is a TIFF of 1 band of uint16"):
        read_image(path)
    for compression, words in ((7, "TIFF of 3 bands of uint16 .*compression 7"), (34887, "compressed by LERC, which")):
        path = write_tiff(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint16), compression=compression)
        with pytest.raises(UnreadableImage, match=words):
            read_image(path, scale=SCALE)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    with pytest.raises(UnreadableImage, match="is a JPEG image that is damaged or of a kind that is not read"):
        read_image(tmp_path / "a.jpg")


def test_a_fourth_band_in_jpeg(tmp_path: Path) -> None:
    """Which Pillow decodes, and takes for alpha."""
    image = Image.fromarray(np.dstack([RGB, NIR]))
    image.save(tmp_path / "a.tif", compression="jpeg", quality=100)
    decoded = decode_image(tmp_path / "a.tif")
    assert decoded.remarks == (NO_ALPHA,)
    assert np.abs(decoded.pixels.astype(int) - RGB).max() < 9


def test_more_than_one_page_is_said(tmp_path: Path) -> None:
    for name, array, scale in (("a.tif", RGB, {}), ("b.tif", RGB.astype(np.uint16)[..., 0], SCALE)):
        first = Image.fromarray(array)
        first.save(tmp_path / name, save_all=True, append_images=[first, first])
        decoded = decode_image(tmp_path / name, scale=scale)
        assert decoded.remarks == (SPARE_PAGES,)
        assert read_header(tmp_path / name).has_extra

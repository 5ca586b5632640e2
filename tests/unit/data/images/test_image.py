import io
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode, functional

from finesight.data.images.image import (
    BadImage,
    Fit,
    Interpolation,
    UnreadableImage,
    check_images,
    fit_image,
    image_sizes,
    read_fitted,
    read_image,
)
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)
GREY = np.repeat(RAMP[..., None], 3, axis=2)
SPOT, SPOT_OFF = COLOUR.copy(), COLOUR.copy()
SPOT[1, 2], SPOT_OFF[1, 2] = (255, 0, 0), 255


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def _half_transparent(mode: str) -> Image.Image:
    """The left half is opaque, the right half transparent, so white."""
    image = Image.fromarray(COLOUR).convert(mode)
    image.putalpha(Image.fromarray(np.where(np.arange(6) < 3, 255, 0).astype(np.uint8)[None].repeat(4, 0)))
    return image


LOSSLESS: dict[str, tuple[Callable[[], Image.Image], dict[str, Any], np.ndarray]] = {
    "rgb.png": (lambda: Image.fromarray(COLOUR), {}, COLOUR),
    "rgb.bmp": (lambda: Image.fromarray(COLOUR), {}, COLOUR),
    "rgb.tiff": (lambda: Image.fromarray(COLOUR), {"compression": "tiff_lzw"}, COLOUR),
    "rgb.webp": (lambda: Image.fromarray(COLOUR), {"lossless": True}, COLOUR),
    "rgb.ppm": (lambda: Image.fromarray(COLOUR), {}, COLOUR),
    "grey.png": (lambda: Image.fromarray(RAMP), {}, GREY),
    "palette.png": (lambda: Image.fromarray(COLOUR).quantize(256), {}, COLOUR),
    "first_frame.gif": (
        lambda: Image.fromarray(RAMP),
        {"save_all": True, "append_images": [Image.new("L", (6, 4), 9)]},
        GREY,
    ),
    "first_frame.apng": (
        lambda: Image.fromarray(COLOUR),
        {"format": "PNG", "save_all": True, "append_images": [Image.new("RGB", (6, 4), "red")]},
        COLOUR,
    ),
    "bits.png": (lambda: Image.fromarray(RAMP > 100), {}, np.where(GREY > 100, 255, 0)),
    "cmyk.tif": (lambda: Image.new("CMYK", (6, 4), (0, 255, 255, 0)), {}, np.full((4, 6, 3), (255, 0, 0))),
    "one_colour_off.png": (lambda: Image.fromarray(SPOT), {"transparency": (255, 0, 0)}, SPOT_OFF),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_kind_becomes_the_same_rgb(tmp_path: Path, name: str) -> None:
    make, options, expected = LOSSLESS[name]
    image = read_image(_save(tmp_path / name, make(), **options))
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_transparent_pixels_lie_over_white(tmp_path: Path, mode: str) -> None:
    pil = _half_transparent(mode)
    image = read_image(_save(tmp_path / "a.png", pil))
    opaque = np.array(Image.fromarray(COLOUR).convert(mode).convert("RGB"))
    np.testing.assert_array_equal(image[:, :3], opaque[:, :3])
    assert (image[:, 3:] == 255).all()


def test_transparent_palette(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    expected = [[[10, 20, 30], [255, 255, 255]]]
    assert read_image(_save(tmp_path / "index.png", image, transparency=1)).tolist() == expected
    assert read_image(_save(tmp_path / "bytes.png", image, transparency=b"\xff\x00")).tolist() == expected


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(tmp_path: Path, mode: str, options: dict[str, bool]) -> None:
    pil = Image.new("RGB", (16, 16), (200, 30, 60)).convert(mode)
    image = read_image(_save(tmp_path / "a.jpg", pil, quality=95, **options))
    assert np.abs(image.astype(int) - np.array(pil.convert("RGB")).astype(int)).max() < 4


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path: Path, suffix: str, orientation: int) -> None:
    corner = np.zeros((16, 32, 3), np.uint8)
    corner[:8, :8] = 255  # of the upright image; what the camera stores is it turned back
    turn: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: _same,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = turn[orientation](corner)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _save(tmp_path / f"a.{suffix}", Image.fromarray(np.ascontiguousarray(stored)), exif=exif, quality=95)
    image = read_image(path)
    assert np.abs(image.astype(int) - corner).max() < 40
    assert list(image_sizes([Item("a", path)])) == [(16, 32)]


def test_broken_exif_does_not_matter(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpg", Image.new("RGB", (8, 8)), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\3")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_image(path).shape == (8, 8, 3)
    assert not caught


def _png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(100)))
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"hello", "is not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is a PostScript image, which finesight does not read"),
        (_png_header(20_000, 10_001), "has more than 200 million pixels"),
        (_png_header(2**31 - 1, 2**31 - 1), "has more than 200 million pixels"),
        (_png_header(100, 100), "is damaged"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=f"^Image 'sub/a.png' {says}") as error:
        read_image(path, "sub/a.png")
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.key, again.reason, str(again)) == ("sub/a.png", error.value.reason, str(error.value))


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp", "gif", "tiff", "bmp"])
def test_half_a_image_is_unreadable(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    content = io.BytesIO()
    noise.save(content, suffix)
    path = tmp_path / f"a.{suffix}"
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(content.getvalue()[: int(share * content.tell())])
        with pytest.raises(UnreadableImage):
            read_image(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="does not exist"):
        read_image(tmp_path / "a.png")
    with pytest.raises(UnreadableImage, match="is damaged"):
        read_image(tmp_path)


@pytest.mark.parametrize("shape", [(50, 80), (80, 50), (33, 32), (32, 33), (300, 301), (32, 32), (7, 9)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fit_is_torchvision_s(shape: tuple[int, int], interpolation: Interpolation) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    mode = InterpolationMode(interpolation)
    pil = functional.resize(Image.fromarray(image), 32, mode)
    expected = np.array(functional.center_crop(pil, [32, 32]))
    np.testing.assert_array_equal(fit_image(image, (32, 32), "crop", interpolation), expected)
    squashed = np.array(functional.resize(Image.fromarray(image), [20, 40], mode))
    np.testing.assert_array_equal(fit_image(image, (20, 40), "stretch", interpolation), squashed)


@pytest.mark.parametrize("shape", [(10, 100), (100, 10), (33, 64)])
def test_crop_to_any_shape(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    for size in [(32, 64), (64, 32), (1, 1)]:
        fitted = fit_image(image, size, "crop", "bicubic")
        assert fitted.shape == (*size, 3)
        assert (fitted == 77).all()


def test_a_ribbon_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ribbon = np.full((1, 100_000, 3), 9, np.uint8)
    ribbon[:, 49_990:50_010] = 200
    resize, sizes = Image.Image.resize, []

    def record(pil: Image.Image, size: tuple[int, int], *rest: Any) -> Image.Image:
        sizes.append(size)
        assert size[0] * size[1] < 1_000_000
        return resize(pil, size, *rest)

    monkeypatch.setattr(Image.Image, "resize", record)
    for image in (ribbon, ribbon.transpose(1, 0, 2)):
        fitted = fit_image(image, (224, 224), "crop", "bilinear")
        assert (fitted == 200).all()
        assert fitted.shape == (224, 224, 3)
    assert len(sizes) == 2


def test_a_image_of_the_right_size_stays_as_it_is() -> None:
    assert fit_image(COLOUR, (4, 6), "crop", "bilinear") is COLOUR
    cropped = fit_image(COLOUR, (4, 4), "crop", "bilinear")
    np.testing.assert_array_equal(cropped, COLOUR[:, 1:5])


@pytest.mark.parametrize("fit", ["crop", "stretch", "native"])
@pytest.mark.parametrize("name", ["lying.jpg", "alpha.png", "deep.png", "ribbon.png"])
def test_an_image_that_is_read_and_fitted_at_once_is_the_same(tmp_path: Path, name: str, fit: Fit) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    images = {
        "lying.jpg": lambda: _save(tmp_path / name, Image.fromarray(colours), exif=exif),
        "alpha.png": lambda: _save(tmp_path / name, Image.fromarray(colours).convert("P"), transparency=3),
        "deep.png": lambda: _save(tmp_path / name, Image.fromarray(colours[..., 0].astype(np.uint16) * 200)),
        "ribbon.png": lambda: _save(tmp_path / name, Image.fromarray(colours[:2].repeat(40, 1))),
    }
    path, scale = images[name](), {"uint16": (0.0, 51000.0)}
    whole = read_image(path, scale=scale)
    for size in ((32, 24), whole.shape[:2]):
        fitted = read_fitted(path, name, size, fit, "bicubic", scale=scale)
        np.testing.assert_array_equal(fitted, fit_image(whole, size, fit, "bicubic"))


def test_all_bad_images_are_found_at_once(tmp_path: Path, draw: Callable[..., Path]) -> None:
    items = [Item(f"{i}.png", draw(f"{i}.png")) for i in range(70)]
    for index in (3, 69):
        items[index].path.write_bytes(b"")
    done: list[int] = []
    expected = [BadImage("3.png", "is empty (0 bytes)"), BadImage("69.png", "is empty (0 bytes)")]
    assert check_images(items, workers=2, progress=done.append) == expected
    assert sum(done) == 70
    assert list(image_sizes(items))[2:4] == [(4, 6), None]


def test_map_in_threads_keeps_order_and_raises() -> None:
    assert list(map_in_threads(abs, range(-100, 0), workers=3, chunk=7)) == list(range(100, 0, -1))
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(lambda value: 1 / value, [1, 0]))


def test_a_thumbnail_needs_only_a_part_of_a_large_jpeg(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.integers(0, 255, (8, 12, 3), np.uint8)).resize((1200, 800), Image.Resampling.BICUBIC)
    path = _save(tmp_path / "large.jpg", large, quality=90)
    whole, part = read_image(path), read_image(path, least=150)
    assert whole.shape == (800, 1200, 3)
    assert part.shape == (200, 300, 3)  # a quarter: an eighth would be 100 high
    thumbnails = [fit_image(each, (75, 75), "crop", "bicubic").astype(int) for each in (whole, part)]
    assert np.abs(thumbnails[0] - thumbnails[1]).mean() < 2

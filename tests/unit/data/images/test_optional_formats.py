"""HEIC, AVIF and JPEG XL: read as a viewer shows them, refused with what to install where nothing reads them."""

import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import ExifTags, Image

from finesight.data.images import image_files, optional_formats
from finesight.data.images.bands import read_header
from finesight.data.images.image import UnreadableImage, decode_image, image_sizes, read_image
from finesight.data.images.jxl import read_jxl_header
from finesight.data.images.optional_formats import DEEP, OPTIONAL_FORMATS
from finesight.data.sample import Item
from finesight.errors import DataError

pillow_heif = pytest.importorskip("pillow_heif")
pillow_jxl = pytest.importorskip("pillow_jxl")
pillow_heif.register_heif_opener()
FORMATS = {"heic": {"quality": 95}, "avif": {"quality": 95}, "jxl": {"lossless": True}}
QUARTERS = np.zeros((24, 48, 3), np.uint8)
QUARTERS[:12, :24], QUARTERS[12:, 24:] = (255, 0, 0), (0, 0, 255)


def write(path: Path, pixels: np.ndarray = QUARTERS, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, exif=exif.tobytes(), **FORMATS[path.suffix[1:]])
    return path


def size_of(path: Path) -> tuple[int, int] | None:
    return next(image_sizes([Item(path.name, path)]))


@pytest.mark.parametrize("ending", FORMATS)
def test_pixels_are_those_that_were_written(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{ending}")
    assert np.abs(read_image(path).astype(int) - QUARTERS).mean() < 6
    assert size_of(path) == (24, 48)
    assert read_header(path).type_name == "uint8"
    grey = write(tmp_path / f"grey.{ending}", QUARTERS[..., 0])
    assert np.abs(read_image(grey).astype(int) - QUARTERS[..., :1]).mean() < 6


@pytest.mark.parametrize("ending", ["heic", "avif"])
def test_images_that_lie_are_turned_once(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{ending}", orientation=6)
    upright = read_image(path)
    assert upright.shape == (48, 24, 3)
    assert size_of(path) == (48, 24)
    assert upright[4, 18, 0] > 200  # turned clockwise: the red quarter is at the top on the right
    assert upright[44, 4, 2] > 200


def test_a_jpeg_xl_is_turned_by_its_own_header_and_as_the_jpeg_it_was_made_of(tmp_path: Path) -> None:
    assert read_image(write(tmp_path / "a.jxl", orientation=6)).shape == (24, 48, 3)  # Exif has no say, ISO 18181-2
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(QUARTERS).save(tmp_path / "a.jpg", exif=exif.tobytes())
    with Image.open(tmp_path / "a.jpg") as image, pytest.warns(UserWarning, match="JPEG reconstruction"):
        image.save(tmp_path / "b.jxl")
    assert np.array_equal(read_image(tmp_path / "b.jxl"), read_image(tmp_path / "a.jpg"))
    assert size_of(tmp_path / "b.jxl") == (48, 24)


def test_deep_images_are_said(tmp_path: Path) -> None:
    ramp = (np.arange(48 * 24, dtype=np.uint16).reshape(24, 48, 1) * np.ones((1, 1, 3), np.uint16)) << 5
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(48, 24), data=ramp.tobytes())
    deep.save(tmp_path / "ten.heic", quality=-1)
    decoded = decode_image(tmp_path / "ten.heic")
    assert decoded.remarks == (DEEP,)
    assert np.abs(decoded.pixels[..., 0].astype(int) - (ramp[..., 0] >> 8)).max() <= 2
    assert read_header(tmp_path / "ten.heic").has_extra
    assert decode_image(write(tmp_path / "eight.heic")).remarks == ()
    avif = write(tmp_path / "a.avif").read_bytes()
    assert decode_image(tmp_path / "a.avif").remarks == ()
    place = avif.find(b"av1C") + 6
    content = io.BytesIO(avif[:place] + bytes([avif[place] | 0x40]) + avif[place + 1 :])
    assert optional_formats.is_deep(mock.Mock(format="AVIF", mode="RGB"), content)


def test_grey_of_sixteen_bits_keeps_its_values(tmp_path: Path) -> None:
    values = np.arange(24 * 48, dtype=np.uint16).reshape(24, 48) * 50
    Image.fromarray(values).save(tmp_path / "a.jxl", lossless=True)
    assert read_header(tmp_path / "a.jxl").type_name == "uint16"
    scaled = read_image(tmp_path / "a.jxl", scale={"uint16": (0, 65535)})
    assert np.abs(scaled[..., 0].astype(int) - values // 257).max() <= 1


def test_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    pixels = np.dstack([QUARTERS, np.full((24, 48), 255, np.uint8)])
    pixels[:, 30:, 3] = 0
    for ending, options in FORMATS.items():
        Image.fromarray(pixels).save(tmp_path / f"a.{ending}", **options)
        assert read_image(tmp_path / f"a.{ending}")[2, 44].min() > 245, ending


@pytest.mark.parametrize("size", [(1, 1), (8, 256), (9, 256), (300, 400), (513, 7), (20, 9000)])
@pytest.mark.parametrize("use_container", [True, False])
def test_the_size_of_a_jpeg_xl_is_in_its_header(size: tuple[int, int], use_container: bool) -> None:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "JXL", lossless=True, use_container=use_container)
    assert read_jxl_header(file).size == size[::-1]
    for end in range(0, 4 if use_container else 3):
        with pytest.raises(ValueError, match=r"cut off|damaged"):
            read_jxl_header(io.BytesIO(file.getvalue()[:end]))


@pytest.mark.parametrize("ending", FORMATS)
def test_what_would_fill_the_memory_is_refused_before_it_is_decoded(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / f"a.{ending}")
    monkeypatch.setattr(image_files, "MAX_PIXELS", 1000)
    refuse = mock.Mock(side_effect=AssertionError)
    monkeypatch.setattr(pillow_jxl.JpegXLImagePlugin, "Decoder", refuse)
    with pytest.raises(UnreadableImage, match="more than 0 million pixels"):
        read_image(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_files_are_named(ending: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = write(tmp_path / f"a.{ending}", pixels).read_bytes()
    for end in (3, 20, 40, len(content) // 2, len(content) - 40):
        path = tmp_path / f"cut{end}.{ending}"
        path.write_bytes(content[:end])
        with pytest.raises(UnreadableImage, match=r"damaged|not an image|cut off"):
            read_image(path)


def test_a_missing_package_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write(tmp_path / f"a.{ending}") for ending in FORMATS]
    monkeypatch.setattr(optional_formats, "READ", frozenset())
    for path, noun in zip(paths, OPTIONAL_FORMATS, strict=True):
        with pytest.raises(UnreadableImage, match=rf"is an? {noun}, which needs .*pip install 'finesight\[formats\]'"):
            read_image(path)
    monkeypatch.setattr(optional_formats, "READ", frozenset(OPTIONAL_FORMATS))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match="pillow_heif cannot be loaded"):
        read_image(paths[0])


def test_without_the_packages_the_files_are_counted_and_no_data(tmp_path: Path) -> None:
    for ending in FORMATS:
        write(tmp_path / f"a.{ending}")
    code = (
        "import importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n in ('pillow_heif', 'pillow_jxl', 'PIL._avif') else find(n, *a);"
        "from finesight.data.layouts.survey import survey_folder; s = survey_folder(r'" + str(tmp_path) + "');"
        "print(s.images, *(note.text for note in s.notes))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("() ")
    for noun in OPTIONAL_FORMATS:
        assert f"1 {noun} (" in said
    assert said.count("pip install 'finesight[formats]'") == 3


@pytest.mark.parametrize(
    ("start", "noun"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF image"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC image"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp41isom", ""),
        (b"\xff\x0a\x00", "JPEG XL image"),
        (b"\x89PNG", ""),
    ],
)
def test_formats_are_known_by_their_first_bytes(start: bytes, noun: str) -> None:
    assert optional_formats.name_format(start) == noun


def test_what_rust_raises_is_an_unreadable_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):  # as pyo3 calls it
        pass

    path = write(tmp_path / "a.jxl")
    monkeypatch.setattr(pillow_jxl.JpegXLImagePlugin, "Decoder", mock.Mock(side_effect=PanicException("CMYK")))
    with pytest.raises(UnreadableImage, match=r"of a kind that is not read \(CMYK\)"):
        read_image(path)

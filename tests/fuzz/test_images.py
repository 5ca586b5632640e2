"""Image files of every decoder: uint8 RGB of a sane size, or one sentence; the same for masks."""

import io
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from fuzzing import COUNTS, feed
from hostility import damaged
from PIL import Image

from finesight.data.images.image import fit_image, image_sizes, read_image
from finesight.data.images.image_files import MAX_PIXELS
from finesight.data.masks.looks import count_codes, read_mask
from finesight.data.sample import Item
from reliability import Tally
from tiffs import write_tiff

TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # EXIF orientation 6
KINDS = {  # format → modes and options it is written with
    "PNG": [("RGB", {}), ("P", {}), ("RGBA", {}), ("I;16", {}), ("1", {}), ("LA", {})],
    "JPEG": [("RGB", {"exif": TURNED}), ("L", {"progressive": True}), ("CMYK", {})],
    "WEBP": [("RGB", {}), ("RGBA", {"lossless": True})],
    "TIFF": [
        ("RGB", {}),
        ("F", {}),
        ("I;16", {"compression": "tiff_lzw"}),
        ("P", {"compression": "tiff_adobe_deflate"}),
        ("1", {"compression": "group4"}),
        ("LAB", {}),
    ],
    "GIF": [("P", {}), ("P", {"save_all": True, "append_images": [Image.new("P", (9, 7), 3)]})],
    "BMP": [("RGB", {}), ("P", {}), ("1", {})],
    "PPM": [("RGB", {}), ("L", {}), ("I;16", {})],
}
SIZES = [struct.pack(order + kind, number) for order in "<>" for kind in "IH" for number in (0, 1, 2**15, 2**16 - 1)]
SIZES += [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"99999 99999\n"]


def write(kind: str, mode: str, options: dict[str, object]) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 4, (7, 9, 3), dtype=np.uint8) * 80
    grey = Image.fromarray(pixels[..., 0])
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16))
    elif mode in ("P", "1", "L", "F"):
        image = grey.convert(mode)
    else:
        image = Image.fromarray(pixels).convert("RGB" if mode == "LAB" else mode)
    if mode == "LAB":
        image = Image.frombytes("LAB", image.size, image.tobytes())
    image.save(content, kind, **options)
    return content.getvalue()


SEEDS = {kind: [write(kind, mode, options) for mode, options in ways] for kind, ways in KINDS.items()}
FORMS: list[dict[str, object]] = [
    {}, {"planar": True, "deflate": True}, {"tile": (16, 16), "predictor": 2, "deflate": True, "order": ">"},
    {"big": True, "nodata": "0"}, {"photometric": 2, "extra": [2], "orientation": 6},
]  # fmt: skip


def write_bands(type_name: str, bands: int, options: dict[str, object]) -> bytes:
    with TemporaryDirectory() as folder:
        array = np.random.default_rng(0).integers(0, 99, (7, 9, bands)).astype(type_name)
        return write_tiff(Path(folder) / "a.tif", array, **options).read_bytes()  # type: ignore[arg-type]


SEEDS["BANDS"] = [write_bands(name, 4, form) for name in ("uint8", "uint16") for form in FORMS]
SEEDS["BANDS"] += [write_bands(name, 1, form) for name in ("int32", "float32", "float64") for form in FORMS[:4]]
SEEDS["BANDS"] += [write_bands("uint16", 3, {"bits": 12}), write_bands("float32", 3, {"predictor": 3, "deflate": True})]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", SEEDS)
def test_images_and_masks(kind: str, count: int, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / f"image.{kind.lower()}"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        (size,) = image_sizes([Item(path.name, path)])
        try:
            codes = read_mask(path).codes
            assert codes.size <= MAX_PIXELS
            assert sum(count_codes(codes).values()) == codes.size
        finally:
            image = read_image(path, scale=None)  # of any type
            assert image.dtype == np.uint8
            assert image.shape == (*(size or image.shape[:2]), 3)
            assert image.size <= 3 * MAX_PIXELS
            assert fit_image(image, (8, 8), "crop", "bilinear").shape == (8, 8, 3)

    other = b"".join(seeds[0] for seeds in SEEDS.values())
    assert 0 < feed(damaged(*SEEDS[kind], tokens=[*SIZES, other[:40]]), read, count, tmp_path) < count
    reliability("input", "images and masks", count)

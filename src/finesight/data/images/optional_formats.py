"""Formats that Pillow reads with a plugin, or only if it was built so: HEIC, AVIF, JPEG XL. The extra `formats`."""

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import BinaryIO

from PIL import Image

from finesight.data.images.jxl import is_jxl, read_jxl_header
from finesight.errors import DataError

INSTALL = "install it with `pip install 'finesight[formats]'`, or convert it to JPEG or PNG"
DEEP = "more than 8 bits a value; the highest 8 are read"
BOX_BYTES = 1 << 16  # of a file that may hold the box with its bits


@dataclass(frozen=True)
class OptionalFormat:
    """endings: of its files. decoder: Pillow's name. module: what reads it."""

    endings: str
    decoder: str
    module: str

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None


OPTIONAL_FORMATS = {
    "HEIC image": OptionalFormat("heic heif hif", "HEIF", "pillow_heif"),
    "AVIF image": OptionalFormat("avif avifs", "AVIF", "PIL._avif"),
    "JPEG XL image": OptionalFormat("jxl", "JXL", "pillow_jxl"),
}
READ = frozenset(noun for noun, each in OPTIONAL_FORMATS.items() if each.is_installed)
# What Pillow keeps for the whole process: one thread an image, as several images are decoded at once.
AVIF_LIMITS = (
    ((importlib.import_module("PIL.AvifImagePlugin"), "DEFAULT_MAX_THREADS", 1),) if "AVIF image" in READ else ()
)


def name_format(start: bytes) -> str:
    """The optional format of a file with these first bytes, or ""."""
    if is_jxl(start):
        return "JPEG XL image"
    if start[4:8] != b"ftyp":
        return ""
    brands = [start[each : each + 4] for each in (8, *range(16, min(len(start), int.from_bytes(start[:4])) - 3, 4))]
    if any(brand in (b"avif", b"avis") for brand in brands):
        return "AVIF image"
    return "HEIC image" if any(brand[:2] in (b"he", b"mi", b"ms") for brand in brands) else ""


def load_decoder(noun: str, file: BinaryIO, most_pixels: int) -> str:
    """Pillow's name of the format, which it knows from now on. Raises DataError, the end of a sentence on the file."""
    if noun not in READ:
        raise DataError(f"is {'an' if noun[0] == 'A' else 'a'} {noun}, which needs a package: {INSTALL}")
    chosen = OPTIONAL_FORMATS[noun]
    try:
        if noun == "HEIC image":
            importlib.import_module("pillow_heif").register_heif_opener()
        elif noun == "JPEG XL image":
            plugin = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
            plugin.DECODE_THREADS = 0  # type: ignore[attr-defined]  # a thread of ours an image is enough
    except ImportError as error:
        raise DataError(f"is a {noun}, but {chosen.module} cannot be loaded ({error}); install it again") from error
    if noun == "JPEG XL image":
        _refuse_large(file, most_pixels)
    return chosen.decoder


def _refuse_large(file: BinaryIO, most_pixels: int) -> None:
    """The plugin decodes a JPEG XL as it opens it."""
    try:
        height, width = read_jxl_header(file).size
    except ValueError as error:
        raise DataError(f"is a damaged JPEG XL image ({error})") from None
    if height * width > most_pixels:
        raise Image.DecompressionBombError


def is_deep(image: Image.Image, file: BinaryIO) -> bool:
    """Whether an opened image of these formats has more than 8 bits a value, of which Pillow keeps the highest."""
    if image.format == "HEIF":
        return bool(image.info.get("bit_depth", 8) > 8)
    if image.format not in ("AVIF", "JXL") or image.mode in ("I;16", "F"):
        return False
    file.seek(0)
    if image.format == "JXL":
        return read_jxl_header(file).bits > 8
    content = file.read(BOX_BYTES)
    place = content.find(b"av1C")  # AV1CodecConfigurationBox: the second bit of its third byte is high_bitdepth
    return 0 <= place < len(content) - 7 and bool(content[place + 6] & 0x40)

"""TIFF files of any number of bands and any type of value, most of which Pillow has no mode for.

Pillow's libtiff decompresses each strip or tile as if it were rows of bytes; what the bytes mean is read from the tags.
"""

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image

from finesight.data.images.image_files import MAX_PIXELS, open_image
from finesight.errors import DataError

Order = Literal["<", ">"]  # little-endian, big-endian
PREFIXES: dict[bytes, Order] = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}  # + marks BigTIFF
FIELDS = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 7: "c", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
MAX_COUNT = 1 << 24  # of the values of a tag: strips of an image of MAX_PIXELS in rows of a dozen pixels
MAX_BYTES = 8 * MAX_PIXELS  # four bands of uint16, one of float64
BLACK_IS_HIGH, GREY, RGB = 0, 1, 2  # photometric interpretations that are read here
COMPRESSIONS = {  # that leave the bytes as they are; the names are GDAL's
    1: "none", 5: "LZW", 8: "DEFLATE", 32946: "DEFLATE", 32773: "PACKBITS", 34925: "LZMA", 50000: "ZSTD",
}  # fmt: skip
PILLOWS = (2, 3, 4, 6, 7, 32771, 32809, 34676, 34677)  # fax, JPEG and the like: bytes are not values
OTHERS = {34887: "LERC", 34712: "JPEG 2000", 50001: "WebP", 50002: "JPEG XL"}


@dataclass(frozen=True)
class Tiff:
    """What the tags of a file's first image say. segment: (height, width) of a strip or tile.

    kind: `u`, `i`, `f` or `c`, as NumPy calls whole numbers without and with sign, fractions and complex numbers.
    has_pages: there are more images than this one and smaller copies of it, or its mask.
    extra: meaning of each band beyond those of the colour model: 0 unspecified, 1 or 2 alpha.
    """

    order: Order
    is_big: bool
    size: tuple[int, int]
    num_bands: int
    bits: int
    kind: str
    photometric: int
    extra: tuple[int, ...]
    planar: bool
    compression: int
    predictor: int
    fill_order: int
    segment: tuple[int, int]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    orientation: int
    nodata: float | None
    has_pages: bool

    @property
    def type_name(self) -> str:
        """As NumPy calls it; of bits without a type of their own the next larger."""
        bits = 8 if self.kind in "ui" and self.bits <= 8 else max(16, 1 << (self.bits - 1).bit_length())
        return {"u": "uint", "i": "int", "f": "float", "c": "complex"}[self.kind] + str(bits)

    @property
    def is_alpha(self) -> bool:
        """Whether the last band is tagged as transparency."""
        return bool(self.extra) and self.extra[-1] in (1, 2)

    @property
    def is_pillows(self) -> bool:
        """Whether it holds eight bits or fewer a band, in a colour model that Pillow turns into RGB by itself."""
        if self.photometric not in (BLACK_IS_HIGH, GREY, RGB) or self.compression in PILLOWS:
            return True
        if self.compression not in COMPRESSIONS or (self.is_big and self.order == ">"):
            return False
        if self.kind != "u" or self.num_bands != (3 if self.photometric == RGB else 1):
            return False
        return self.bits in ((8,) if self.photometric == RGB else (1, 2, 4, 8))

    def describe(self) -> str:
        return f"{self.num_bands} band{'' if self.num_bands == 1 else 's'} of {self.type_name}"


def is_tiff(start: bytes) -> bool:
    """Of a file's first four bytes or more."""
    return start[:4] in PREFIXES


def read_tags(path: Path) -> Tiff | None:
    """Of the first image; None where the file is not a TIFF, or so damaged that Pillow may say it better."""
    with path.open("rb") as file:
        order = PREFIXES.get(prefix := file.read(4))
        if order is None:
            return None
        try:
            tags, following = _read_directory(file, order, b"+" in prefix)
            has_pages = bool(following) and _is_page(file, following, order, b"+" in prefix)
            return _interpret(tags, order, b"+" in prefix, has_pages)
        except (struct.error, KeyError, IndexError, ValueError, ZeroDivisionError, OverflowError):
            return None


def read_values(path: Path, tiff: Tiff) -> np.ndarray:
    """(h, w, bands) as stored, turned upright; bands of less than eight bits, or of 9 to 15, in the next larger type.

    Raises DataError, whose text is the rest of a sentence on the file, for what is not read or is damaged.
    """
    _check(tiff)
    height, width = tiff.size
    dtype, bands = np.dtype(tiff.type_name), 1 if tiff.planar else tiff.num_bands
    down, across = math.ceil(height / tiff.segment[0]), math.ceil(width / tiff.segment[1])
    planes = tiff.num_bands // bands
    if not len(tiff.offsets) == len(tiff.counts) == planes * down * across:
        raise DataError("is damaged (its table of strips or tiles is incomplete)")
    values = np.zeros((height, width, tiff.num_bands), dtype)
    with path.open("rb") as file:
        for index, (offset, count) in enumerate(zip(tiff.offsets, tiff.counts, strict=True)):
            plane, place = divmod(index, down * across)
            top, left = place // across * tiff.segment[0], place % across * tiff.segment[1]
            window = values[top : top + tiff.segment[0], left : left + tiff.segment[1], plane : plane + bands]
            if count == 0:  # GDAL leaves out what is empty
                window[:] = 0 if tiff.nodata is None or not _holds(dtype, tiff.nodata) else tiff.nodata
                continue
            rows = tiff.segment[0] if across > 1 or tiff.segment[1] > width else window.shape[0]
            file.seek(offset)
            block = _decode(file.read(count), tiff, rows, bands, dtype)
            window[:] = block[: window.shape[0], : window.shape[1]]
    return turn_upright(values, tiff.orientation)


def turn_upright(values: np.ndarray, orientation: int | None) -> np.ndarray:
    """An array (h, w, …) as the orientation tag (TIFF 6.0, 274) wants it to be shown; the array itself if it does."""
    if orientation not in range(2, 9):
        return values
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(values[::down, ::across])


def _is_page(file: BinaryIO, start: int, order: Order, is_big: bool) -> bool:
    """Whether a directory is an image of its own: not a smaller copy (bit 0 of tag 254), nor a mask (bit 2)."""
    try:
        (kind,) = _read_directory(file, order, is_big, start)[0].get(254, (0,))
    except (struct.error, ValueError, OverflowError):
        return False
    return isinstance(kind, int) and not kind & 5


def _read_directory(
    file: BinaryIO, order: Order, is_big: bool, start: int = 0
) -> tuple[dict[int, tuple[object, ...]], int]:
    """(tag → its values, where the next directory starts or 0). start: 0 of the first. Texts are single bytes."""
    entry, pointer, number = ("HHQ8s", "Q", "Q") if is_big else ("HHI4s", "I", "H")
    file.seek(8 if is_big else 4)
    (first,) = struct.unpack(order + pointer, file.read(struct.calcsize(order + pointer)))
    file.seek(start or first)
    (num_tags,) = struct.unpack(order + number, file.read(struct.calcsize(order + number)))
    size = struct.calcsize(order + entry)
    entries = [struct.unpack(order + entry, file.read(size)) for _ in range(min(num_tags, 1 << 16))]
    after = file.read(struct.calcsize(order + pointer))
    following = struct.unpack(order + pointer, after)[0] if len(after) == struct.calcsize(order + pointer) else 0
    found: dict[int, tuple[object, ...]] = {}
    for tag, kind, count, content in entries:
        if kind not in FIELDS or count > MAX_COUNT:
            continue
        form = f"{order}{count}{FIELDS[kind]}"
        length = struct.calcsize(form)
        if length > len(content):
            file.seek(struct.unpack(order + pointer, content)[0])
            content = file.read(length)
        found[tag] = struct.unpack(form, content[:length])
    return found, following


def _interpret(tags: Mapping[int, tuple[object, ...]], order: Order, is_big: bool, has_pages: bool) -> Tiff:
    def find(tag: int, default: int | None = None) -> int:
        value = tags[tag][0] if default is None or tag in tags else default
        assert isinstance(value, int)
        return value

    def find_all(*options: int) -> tuple[int, ...]:
        return next((tuple(int(str(value)) for value in tags[tag]) for tag in options if tag in tags), ())

    width, height = find(256), find(257)
    bits, kinds = find_all(258) or (1,), find_all(339) or (1,)
    if len(set(bits)) > 1 or len(set(kinds)) > 1:
        raise ValueError("bands of different types")
    is_tiled = 322 in tags
    segment = (find(323), find(322)) if is_tiled else (min(find(278, height), height), width)
    planar = find(284, 1) == 2
    num_bands = find(277, 1)
    row = math.ceil(width * (1 if planar else num_bands) * bits[0] / 8)
    offsets, counts = find_all(324, 273), find_all(325, 279)
    if not counts and len(offsets) == 1:  # some writers leave them out
        counts = (row * height,)
    try:
        nodata = float(b"".join(tags[42113]).rstrip(b"\0 ").decode()) if 42113 in tags else None  # type: ignore[arg-type]
    except (ValueError, TypeError):
        nodata = None
    return Tiff(
        order=order,
        is_big=is_big,
        size=(height, width),
        num_bands=num_bands,
        bits=bits[0],
        kind={1: "u", 2: "i", 3: "f", 4: "u", 5: "c", 6: "c"}[kinds[0]],
        photometric=find(262, GREY),
        extra=find_all(338),
        planar=planar and num_bands > 1,
        compression=find(259, 1),
        predictor=find(317, 1),
        fill_order=find(266, 1),
        segment=segment,
        offsets=offsets,
        counts=counts,
        orientation=find(274, 1),
        nodata=nodata,
        has_pages=has_pages,
    )


def _check(tiff: Tiff) -> None:
    """Raises DataError for what is not read, and for a file that would fill the memory."""
    if tiff.size[0] * tiff.size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError
    area = max(tiff.size[0] * tiff.size[1], tiff.segment[0] * tiff.segment[1])
    if (
        min(*tiff.size, *tiff.segment, tiff.num_bands, tiff.bits) < 1
        or area * tiff.num_bands * tiff.bits > MAX_BYTES * 8
    ):
        raise DataError(f"has an implausible size in its header ({tiff.size[0]}x{tiff.size[1]}, {tiff.describe()})")
    if tiff.compression not in COMPRESSIONS:
        name = OTHERS.get(tiff.compression, f"method {tiff.compression}")
        raise DataError(
            f"holds {tiff.describe()} compressed by {name}, which is not read; "
            "write it again with another compression, such as DEFLATE"
        )
    known = {"u": range(1, 65), "i": (8, 16, 32, 64), "f": (16, 32, 64), "c": ()}[tiff.kind]
    odd = tiff.bits not in (8, 16, 32, 64)
    if tiff.bits not in known or (odd and (tiff.bits > 16 or tiff.predictor != 1)) or tiff.predictor not in (1, 2, 3):
        raise DataError(
            f"holds {tiff.describe()} in {tiff.bits} bits, which is not read; "
            "write it again as uint8, uint16 or float32"
        )


def _holds(dtype: np.dtype, value: float) -> bool:
    return dtype.kind == "f" or bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _decode(content: bytes, tiff: Tiff, rows: int, bands: int, dtype: np.dtype) -> np.ndarray:
    """One strip or tile, (rows, width of a segment, bands)."""
    columns = tiff.segment[1] * bands
    row_bytes = math.ceil(columns * tiff.bits / 8)
    if tiff.compression != 1 or tiff.fill_order == 2:
        content = _decompress(content, tiff, rows, row_bytes)
    if len(content) < rows * row_bytes:
        raise DataError("is damaged (it ends before its last row)")
    lines = np.frombuffer(content, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    if tiff.bits not in (8, 16, 32, 64):
        ones = np.unpackbits(lines, axis=1)[:, : columns * tiff.bits].reshape(rows, columns, tiff.bits)
        places = 1 << np.arange(tiff.bits - 1, -1, -1)
        return (ones @ places).astype(dtype).reshape(rows, -1, bands)
    if tiff.predictor == 3:
        steps = lines.reshape(rows, -1, bands)
        parts = np.add.accumulate(steps, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, columns)
        big_endian = np.ascontiguousarray(parts.swapaxes(1, 2))
        return big_endian.view(dtype.newbyteorder(">")).astype(dtype).reshape(rows, -1, bands)
    whole = np.dtype(f"u{dtype.itemsize}")
    values = lines.view(whole.newbyteorder(tiff.order)).astype(whole).reshape(rows, -1, bands)
    if tiff.predictor == 2:
        values = np.add.accumulate(values, axis=1, dtype=whole)
    return values.view(dtype)


def _decompress(content: bytes, tiff: Tiff, rows: int, row_bytes: int) -> bytes:
    """The bytes of a strip or tile, decoded as grey pixels."""
    start = 8 + len(content) + len(content) % 2
    tags = {256: row_bytes, 257: rows, 258: 8, 259: tiff.compression, 262: GREY, 266: tiff.fill_order, 273: 8, 277: 1}
    tags |= {278: rows, 279: len(content)}
    file = b"II*\0" + struct.pack("<I", start) + content + bytes(len(content) % 2) + struct.pack("<H", len(tags))
    file += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()) + bytes(4)
    try:
        with open_image(io.BytesIO(file)) as image:
            return image.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"is damaged ({error})") from None

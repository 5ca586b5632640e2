"""The header of a JPEG XL file, as ISO/IEC 18181-1 defines it: its size and bits without decoding it.

The plugin for Pillow decodes a file as soon as it opens it: too late to refuse one that would fill the memory.
"""

from dataclasses import dataclass
from typing import BinaryIO

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
MOST_BOXES = 1000
HEADER_BYTES = 64  # of the codestream; a header without preview takes at most 40
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height
SIZES = ((1, 9), (1, 13), (1, 18), (1, 30))  # (offset, bits) by selector; no bits: the offset itself
LYING = (5, 6, 7, 8)  # orientations that swap height and width


@dataclass(frozen=True)
class JxlHeader:
    """size: (height, width), upright. bits: of a value."""

    size: tuple[int, int]
    bits: int = 8


def is_jxl(start: bytes) -> bool:
    return start.startswith((CODESTREAM, CONTAINER))


def read_jxl_header(file: BinaryIO) -> JxlHeader:
    """Raises ValueError, the end of a sentence, where the file has no whole header."""
    bits = _Bits(_read_codestream(file))
    bits.take(16)
    height, width = _read_size(bits)
    if bits.take(1):  # all else is default
        return JxlHeader((height, width))
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _read_size(bits)
        if bits.take(1):  # a preview, whose header is not worth reading
            return JxlHeader(_turn(height, width, orientation))
        if bits.take(1):
            _skip_animation(bits)
    is_float = bits.take(1)
    found = bits.choose(((32, 0), (16, 0), (24, 0), (1, 6)) if is_float else ((8, 0), (10, 0), (12, 0), (1, 6)))
    return JxlHeader(_turn(height, width, orientation), found)


class _Bits:
    """Bits of bytes, the lowest first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "little")
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("its header is cut off")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choose(self, ways: tuple[tuple[int, int], ...]) -> int:
        offset, count = ways[self.take(2)]
        return offset + self.take(count)


def _read_size(bits: _Bits) -> tuple[int, int]:
    """(height, width) as stored."""
    is_small = bits.take(1)

    def read_side() -> int:
        return 8 * (1 + bits.take(5)) if is_small else bits.choose(SIZES)

    height = read_side()
    ratio = bits.take(3)
    if not ratio:
        return height, read_side()
    across, up = RATIOS[ratio - 1]
    return height, height * across // up


def _turn(height: int, width: int, orientation: int) -> tuple[int, int]:
    return (width, height) if orientation in LYING else (height, width)


def _skip_animation(bits: _Bits) -> None:
    bits.choose(((100, 0), (1000, 0), (1, 10), (1, 30)))
    bits.choose(((1, 0), (1001, 0), (1, 8), (1, 10)))
    bits.choose(((0, 0), (0, 3), (0, 16), (0, 32)))
    bits.take(1)


def _read_codestream(file: BinaryIO) -> bytes:
    """Its first bytes, of which a container may hold parts in several boxes."""
    file.seek(0)
    start = file.read(len(CONTAINER))
    if start.startswith(CODESTREAM):
        return start + file.read(HEADER_BYTES)
    found = b""
    for _ in range(MOST_BOXES):
        head = file.read(8)
        if len(head) < 8:
            break
        size, kind, taken = int.from_bytes(head[:4]), head[4:], 8
        if size == 1:
            size, taken = int.from_bytes(file.read(8)), 16
        if size and size < taken:
            raise ValueError("its boxes are damaged")
        if kind == b"jxlp":
            file.read(4)
            taken += 4
        if kind in (b"jxlc", b"jxlp"):
            part = file.read(min(HEADER_BYTES, max(0, size - taken)) if size else HEADER_BYTES)
            found += part
            taken += len(part)
        if len(found) >= HEADER_BYTES or not size:
            break
        file.seek(size - taken, 1)
    return found

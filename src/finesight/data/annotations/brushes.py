"""Label Studio's brushes: run lengths of all bytes of an RGBA image, whose alpha is the brush.

Format: rle-pack of thi.ng/umbrella.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from finesight.data.annotations.shapes import Cover, Size
from finesight.data.masks.looks import read_mask
from finesight.errors import DataError

HALF = 128  # alpha from which on a pixel belongs to a brush


@dataclass(frozen=True, eq=False)
class Brush:
    """packed: the bytes of the run lengths. size: of the whole image."""

    packed: bytes
    size: Size

    def cover(self, size: Size) -> Cover:
        if self.size != size:
            raise DataError(f"has a brush of {self.size[0]}x{self.size[1]} pixels, the image {size[0]}x{size[1]}")
        values = unpack_brush(self.packed, 4 * size[0] * size[1])
        return Cover(0, 0, values.reshape(*size, 4)[..., 3] >= HALF)

    def leaves(self, size: Size) -> bool:
        return False

    @cached_property
    def content(self) -> bytes:
        return f"brush{self.size}".encode() + self.packed


def unpack_brush(packed: bytes, count: int) -> np.ndarray:
    """uint8 (count,) of the run lengths. Raises DataError, the end of a sentence, where there are more or fewer.

    32 bits: how many values; 5: bits of a value; 4 times 4: bits of lengths. Then blocks: whether one value is
    repeated, which of the four, the length, and the value or the values; each number but the first is stored less one.
    """
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    text = (bits + ord("0")).tobytes()
    if len(text) < 53 or int(text[:32], 2) != count:
        raise DataError("has a brush that does not fill its image: export it again")
    width = int(text[32:37], 2) + 1
    sizes = [int(text[place : place + 4], 2) + 1 for place in range(37, 53, 4)]
    if width != 8:
        raise DataError(f"has a brush of {width} bits a value, where 8 are read")
    values = np.zeros(count, np.uint8)
    at, done = 53, 0
    while done < count:
        head = sizes[int(text[at + 1 : at + 3] or b"0", 2)]
        length = 1 + int(text[at + 3 : at + 3 + head] or b"0", 2)
        start, is_run = at + 3 + head, text[at : at + 1] == b"1"
        at = start + (width if is_run else width * length)
        if at > len(text) or done + length > count:
            raise DataError("has a brush that is cut off: export it again")
        found = np.packbits(bits[start:at])
        values[done : done + length] = found[0] if is_run else found
        done += length
    return values


@dataclass(frozen=True)
class BrushFile:
    """A brush as a file of the image's size, whose values are its alpha."""

    path: Path

    def cover(self, size: Size) -> Cover:
        raw = read_mask(self.path, self.path.name)
        codes = raw.codes
        if raw.kind != "value":
            raise DataError(f"has the mask {self.path.name!r} of colours, where the alpha of a brush is expected")
        if codes.shape != size:
            raise DataError(
                f"is {size[0]}x{size[1]} pixels, its mask {self.path.name!r} {codes.shape[0]}x{codes.shape[1]}"
            )
        return Cover(0, 0, codes >= HALF)

    def leaves(self, size: Size) -> bool:
        return False

    @property
    def content(self) -> bytes:
        try:
            return b"file" + self.path.read_bytes()
        except OSError as error:
            raise DataError(f"Mask {str(self.path)!r} cannot be read: {error.strerror}.") from None

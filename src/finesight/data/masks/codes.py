"""Codes of a mask's pixels: packed colours or values, how they are spelled, and how often each occurs."""

import numpy as np

NUM_COLOURS = 1 << 24
NUM_VALUES = 1 << 16  # ids that are numbers end below
MAX_VALUE = (1 << 24) - 1  # of masks that are read at all, to both sides of zero
NODATA = -(1 << 31)  # the code of a pixel whose file says that it holds no value: NaN, nodata, transparent


def pack(colours: np.ndarray) -> np.ndarray:
    """int32 R + 256 G + 65536 B of colours (…, 3)."""
    parts = colours.astype(np.int32)
    packed: np.ndarray = parts[..., 0] | parts[..., 1] << 8 | parts[..., 2] << 16
    return packed


def pack_one(colour: tuple[int, int, int]) -> int:
    return colour[0] | colour[1] << 8 | colour[2] << 16


def unpack(code: int) -> tuple[int, int, int]:
    return code & 255, code >> 8 & 255, code >> 16


def spell(code: int) -> str:
    """`#ff8000` of a packed colour."""
    return "#{:02x}{:02x}{:02x}".format(*unpack(code))


def parse_colour(text: str) -> int:
    """The packed colour of `#ff8000`."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return pack_one((red, green, blue))


def grey_of(code: int) -> int | None:
    """Level of a packed colour that is a grey."""
    red, green, blue = unpack(code)
    return red if red == green == blue else None


def colour_of(value: int) -> int:
    """The packed grey of a value; -1 if it has none."""
    return value * 0x010101 if 0 <= value < 256 else -1


def distance(one: int, other: int) -> int:
    """Largest difference between two packed colours in a channel."""
    return max(abs((one >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))


def count_codes(codes: np.ndarray) -> dict[int, int]:
    """How often each code of an integer array occurs."""
    return {one: count for (one, _), count in count_pairs(codes, None).items()}


def count_pairs(codes: np.ndarray, others: np.ndarray | None) -> dict[tuple[int, int], int]:
    """How often which code of the one mask (int32) lies over which of the other, of the same size.

    Masks are flat, so runs of equal pixels are counted, not pixels.
    """
    flat = codes.reshape(-1)
    changes = flat[1:] != flat[:-1]
    if others is not None:
        changes |= others.reshape(-1)[1:] != others.reshape(-1)[:-1]
    starts = np.flatnonzero(np.concatenate(([True], changes)))
    lengths = np.diff(starts, append=len(flat))
    joint = flat[starts].astype(np.int64) << 32
    if others is not None:
        joint |= others.reshape(-1)[starts].astype(np.int64) & 0xFFFFFFFF
    found, where = np.unique(joint, return_inverse=True)
    counts = np.bincount(where, weights=lengths).astype(np.int64)
    pairs = zip((found >> 32).tolist(), found.astype(np.int32).tolist(), strict=True)
    return dict(zip(pairs, counts.tolist(), strict=True))


def count_inner(codes: np.ndarray) -> dict[int, int]:
    """As `count_codes`, of the pixels whose four neighbours hold the same code: what lies along edges only has none."""
    if min(codes.shape) < 3:
        return {}
    middle = codes[1:-1, 1:-1]
    is_inner = (middle == codes[:-2, 1:-1]) & (middle == codes[2:, 1:-1])
    is_inner &= (middle == codes[1:-1, :-2]) & (middle == codes[1:-1, 2:])
    inner = middle[is_inner]
    return count_codes(inner) if inner.size else {}

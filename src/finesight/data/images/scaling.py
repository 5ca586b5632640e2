"""How values that are not uint8 become uint8: one range for each type, found once for a data set and stored in its run.

Values are scaled by the type's own range where they use at least half of it (0-4095 of 12-bit values, 0-1 of
fractions), else by a range that holds all but the lowest and highest thousandth. What is outside is clipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from finesight.config import PixelScale
from finesight.data.file_facts import find_facts
from finesight.data.images.bands import Bands, Header, read_bands, read_header
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError

AS_STORED: PixelScale = {}  # of data sets that are uint8 throughout: anything else is refused
NUM_SAMPLED = 64  # images of each type that are sampled
PIXELS_SAMPLED = 1 << 15  # of each of them
TAILS = (0.1, 99.9)  # percentiles
MISSING = (-9999, -99999, -32768, -32767, -(2**31))  # "not measured", without a tag that says so: never in a range
NOT_MEASURED = 1e30  # a fraction of this size is none: 3.4e38 and its like
ROWS_OF = 1 << 20  # values that are scaled at once
FEW_LEVELS = 64
HEADER_BYTES = 17  # of a remembered header: the name of its type, and whether it has an extra band
T = TypeVar("T")
FAR_OUTSIDE = 0.1  # fraction of an image's values outside the range


@dataclass(frozen=True)
class ValueStats:
    """The values of one type in a data set, by a sample. lowest, highest: that occur; low, high: the range used.

    levels: of 0-255 that hold the middle 98 % of the values; distinct: different values among those.
    missing: fraction of pixels without a value.
    """

    type_name: str
    num_images: int
    num_sampled: int
    lowest: float
    highest: float
    low: float
    high: float
    levels: int
    distinct: int
    missing: float

    @property
    def loses_much(self) -> bool:
        return self.levels < FEW_LEVELS and self.distinct >= 2 * self.levels

    def describe(self) -> str:
        text = (
            f"{self.type_name}, {self.lowest:g} to {self.highest:g}; {self.low:g} to {self.high:g} becomes 0-255 "
            f"({self.levels} grey levels used, {self.num_sampled} images sampled)"
        )
        percent = f"{100 * self.missing:.3g}" if self.missing >= 0.0001 else "less than 0.01"
        return f"{text}; {percent} % of pixels hold no value and are black" if self.missing else text


def measure_values(items: Sequence[Item]) -> tuple[ValueStats, ...]:
    """Of each type but uint8 among the images, those that can be read. Reads every header and some of the files."""
    by_type: dict[str, list[Item]] = {}
    for item, header in zip(items, read_headers(items), strict=True):
        if header.type_name != "uint8":
            by_type.setdefault(header.type_name, []).append(item)
    stats = (_measure(name, some) for name, some in sorted(by_type.items()))
    return tuple(each for each in stats if each)


def choose_scale(stats: Sequence[ValueStats], num_images: int) -> PixelScale:
    """uint8 is named where some of the images are uint8 and some are not; it stays as it is."""
    scale = {each.type_name: (each.low, each.high) for each in stats}
    if scale and sum(each.num_images for each in stats) < num_images:
        scale["uint8"] = (0.0, 255.0)
    return scale


def read_headers(items: Sequence[Item]) -> list[Header]:
    """uint8 for a file that cannot be read: decoding says what is wrong with it."""

    def find_out(file: str) -> bytes | None:
        try:
            header = read_header(Path(file))
        except Exception:  # a broken file can raise anything
            return None
        return f"{header.type_name:{HEADER_BYTES - 1}}{header.has_extra:d}".encode()

    found = find_facts("header", HEADER_BYTES, find_out, items, [item.file for item in items])
    return [_parse_header(each) if each else Header() for each in found]


@lru_cache  # one of each, however many files
def _parse_header(fact: bytes) -> Header:
    return Header(fact[:-1].decode().strip(), fact[-1:] == b"1")


def spread(items: Sequence[T], count: int = NUM_SAMPLED) -> list[T]:
    """At most `count`, evenly spread."""
    return [items[len(items) * i // count] for i in range(count)] if len(items) > count else list(items)


def scale_bands(bands: Bands, scale: PixelScale | None) -> tuple[np.ndarray, float]:
    """(uint8 RGB (h, w, 3), fraction of the values that lie outside the range).

    Pixels without a value are black, transparent ones white. scale: None as before runs kept one, each image by its
    own highest value. Raises DataError for a type that the scale has no range for.
    """
    values, outside = bands.values, 0.0
    if values.dtype != np.uint8 and not (is_known := find_valid(bands)).any():
        values = np.zeros(values.shape, np.uint8)  # there is nothing to scale
    elif values.dtype != np.uint8:
        name = values.dtype.name
        if scale is not None and name not in scale:
            types = ", ".join(sorted(scale)) or "uint8"
            raise DataError(f"holds {name}, for which no range is known: the training images are {types}; convert it")
        low, high = _range_of_one(values) if scale is None else scale[name]
        known = values[is_known]
        beyond = known[(known < low) | (known > high)]
        outside = float((~np.isin(beyond, MISSING)).sum() / known.size)
        values = _scale(values, low, high)
        values = 255 - values if bands.is_inverted else values
        values[~is_known] = 0
    elif bands.is_inverted:
        values = 255 - values
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    if bands.opacity is not None:
        opacity = bands.opacity[..., None]
        values = np.rint(values * opacity + 255 * (1 - opacity)).astype(np.uint8)
    return np.ascontiguousarray(values), outside


def find_valid(bands: Bands) -> np.ndarray:
    """bool (h, w): pixels with a value in every band."""
    values = bands.values
    valid: np.ndarray = np.ones(values.shape, bool)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            np.less(np.abs(values), NOT_MEASURED, out=valid)  # NaN is not, either
    if bands.nodata is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            nodata = np.array(bands.nodata).astype(values.dtype) if values.dtype.kind == "f" else bands.nodata
        valid &= np.not_equal(values, nodata)
    return np.asarray(valid.all(axis=2))


def find_range(values: np.ndarray, kind: str) -> tuple[float, float]:
    """(low, high) that becomes 0-255. kind: `f` of fractions, else of whole numbers, as NumPy says."""
    low, high = (float(value) for value in np.percentile(values, TAILS))
    if kind == "f":
        full = next((full for full in (1.0, 255.0) if high <= full), np.inf)
    else:
        full = float(max(255, (1 << int(max(high, 0)).bit_length()) - 1))
    if low >= 0 and (high - low >= full / 2 or (kind != "f" and full == 255)):
        return 0.0, full
    return low, high if high > low else low + 1


def _measure(type_name: str, items: Sequence[Item]) -> ValueStats | None:
    dtype = np.dtype(type_name)
    samples = [sample for sample in map_in_threads(lambda item: _sample(item.path), spread(items)) if sample]
    values = np.concatenate([values for values, _ in samples]) if samples else np.empty(0)
    if not len(values):
        return None
    missing = float(np.mean([fraction for _, fraction in samples]))
    used = _drop_fill(values, dtype)
    low, high = find_range(used, dtype.kind)
    first, last = np.percentile(used, (1, 99))
    middle = used[(used >= first) & (used <= last)]
    return ValueStats(
        type_name=type_name,
        num_images=len(items),
        num_sampled=len(samples),
        lowest=float(values.min()),
        highest=float(values.max()),
        low=low,
        high=high,
        levels=len(np.unique(_scale(middle, low, high))),
        distinct=len(np.unique(middle)),
        missing=missing,
    )


def _sample(path: Path) -> tuple[np.ndarray, float] | None:
    """(some values float64 (n,), fraction of pixels without one) of a file; None of one that cannot be read."""
    try:
        bands = read_bands(path)
    except Exception:  # decoding says what is wrong with it
        return None
    if bands is None:
        return None
    valid = find_valid(bands)
    if bands.values.dtype.kind in "if":
        valid &= ~np.isin(bands.values, MISSING).any(axis=2)
    pixels = bands.values[valid]
    step = -(-len(pixels) // PIXELS_SAMPLED) | 1  # odd: not every time the same column
    return pixels[::step].reshape(-1).astype(np.float64), float(1 - valid.mean()) if valid.size else 0.0


def _drop_fill(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Without the type's highest value where nothing else comes near it: filling, say, of 12-bit data."""
    if dtype.kind != "u" or dtype.itemsize < 2:
        return values
    others = values[values < float(np.iinfo(dtype).max)]
    return others if len(others) and others.max() < float(np.iinfo(dtype).max) / 2 else values


def _scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 of any shape. Of 16 bits by a table, else some rows at a time, which takes less memory."""
    if values.dtype.kind in "ui" and values.dtype.itemsize == 2:
        table = _scale(np.arange(65536, dtype=np.uint16).view(values.dtype).astype(np.float64), low, high)
        looked_up: np.ndarray = table[values.view(np.uint16)]
        return looked_up
    scaled = np.empty(values.shape, np.uint8)
    step = max(1, ROWS_OF // max(1, values[:1].size))
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(values), step):
            some = values[start : start + step].astype(np.float64)
            some = (some - low) * (255 / (high - low if high > low else 1))
            scaled[start : start + step] = np.rint(np.nan_to_num(some.clip(0, 255)))
    return scaled


def _range_of_one(values: np.ndarray) -> tuple[float, float]:
    """As runs without a scale were trained: by the first of 1, 255, 65535 and its own maximum that holds all of it."""
    if values.dtype == np.uint16:
        return 0.0, 65535.0
    highest = float(np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0).max(initial=0))
    tops = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    return 0.0, next((top for top in tops if highest <= top), highest)

"""What masks hold, and the rule that makes class indices of it: the only reader of masks.

A mask is an image whose colours, or whose values, are classes. All masks of a data set are looked at before anything
is made of them: what is found decides how they are read (`masks.rules`), and whatever cannot be meant is an error.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from finesight.classes import IGNORE_INDEX
from finesight.config import check
from finesight.data.images.image import UnreadableImage, image_sizes
from finesight.data.images.image_files import explain
from finesight.data.masks.codes import (
    MAX_VALUE,
    NODATA,
    NUM_COLOURS,
    colour_of,
    count_codes,
    count_inner,
    parse_colour,
    spell,
    unpack,
)
from finesight.data.masks.pixels import Kind, RawMask, decode_mask
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.progress import progress_bar

NUM_LISTED = 20  # files an error names
UNKNOWN = -1  # what a rule's tables say of a code that they do not name; IGNORE_INDEX as uint8
LOSSY = (".jpg", ".jpeg", ".jfif")
FEW = 3  # codes of a mask, from which on it is asked whether they lie along edges only


class UnreadableMask(UnreadableImage):
    def __str__(self) -> str:
        return f"Mask {self.key!r} {self.reason}. {self.advice}".rstrip()


@dataclass(frozen=True)
class Look:
    """What a mask holds. counts: pixels of each code; palette: packed colour of each code, for kind `palette`.

    nodata, remarks: as of RawMask. inner: of each code the pixels that lie inside an area of it; None where no one
    asked, since the codes are few or follow each other.
    """

    name: str
    kind: Kind
    counts: Mapping[int, int]
    palette: Mapping[int, int]
    nodata: int | None = None
    remarks: tuple[str, ...] = ()
    inner: Mapping[int, int] | None = None

    @property
    def is_lossy(self) -> bool:
        return self.name.lower().endswith(LOSSY)


Index = Annotated[int, Ge(0), Le(IGNORE_INDEX)]
Value = Annotated[int, Ge(-MAX_VALUE), Le(MAX_VALUE)]


@dataclass(frozen=True)
class MaskRule:
    """How the codes of one data set become class indices; IGNORE_INDEX for all that no table names.

    colours, values: (code, index) pairs. palette_as: what a palette mask's pixels are taken for. tolerance: how far a
    value, or each channel of a colour, may be off the nearest one that is named. palette: (value, colour) pairs that
    masks read by value showed, so that others whose palettes contradict them are found out.
    """

    colours: tuple[tuple[int, int], ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    palette_as: Literal["colour", "value"] = "value"
    tolerance: int = 0
    palette: tuple[tuple[int, int], ...] = ()

    def apply(self, mask: RawMask) -> np.ndarray:
        """uint8 (h, w)."""
        if self.is_by_colour(mask.kind):
            return self._colour_table.take(mask.colours() + 1, mode="clip").astype(np.uint8)
        low, table = self._value_table
        return table.take(mask.codes - low, mode="clip").astype(np.uint8)

    def is_by_colour(self, kind: Kind) -> bool:
        return kind == "colour" or (kind == "palette" and self.palette_as == "colour")

    def find(self, kind: Kind, code: int, palette: Mapping[int, int]) -> int:
        """Class index of one code of a Look."""
        return self._look_up(kind, code, palette) & IGNORE_INDEX

    def knows(self, kind: Kind, code: int, palette: Mapping[int, int]) -> bool:
        """Whether one code of a Look is named, be it as a class or as ignored, or near one that is."""
        return self._look_up(kind, code, palette) != UNKNOWN

    def names(self, kind: Kind, code: int, palette: Mapping[int, int]) -> bool:
        """Whether it is named itself."""
        if self.is_by_colour(kind):
            return palette.get(code, code) in self._named[0]
        return code in self._named[1]

    def _look_up(self, kind: Kind, code: int, palette: Mapping[int, int]) -> int:
        if self.is_by_colour(kind):
            return int(self._colour_table.take(palette.get(code, code) + 1, mode="clip"))
        low, table = self._value_table
        return int(table.take(code - low, mode="clip"))

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, for JSON."""
        return {
            "colours": [[spell(code), index] for code, index in self.colours],
            "values": [[code, index] for code, index in self.values],
            "palette_as": self.palette_as,
            "tolerance": self.tolerance,
            "palette": [[value, spell(colour)] for value, colour in self.palette],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "MaskRule":
        """The rule that `to_dict` wrote. Raises ValueError for anything else."""
        stored = check(_StoredRule, dict(value))
        texts = [text for text, _ in stored.colours] + [text for _, text in stored.palette]
        if not all(re.fullmatch("#[0-9a-f]{6}", text) for text in texts):
            raise ValueError("a colour is not written as #ff8000")
        colours = tuple((parse_colour(text), index) for text, index in stored.colours)
        palette = tuple((value, parse_colour(text)) for value, text in stored.palette)
        return cls(colours, stored.values, stored.palette_as, stored.tolerance, palette)

    @cached_property
    def _named(self) -> tuple[set[int], set[int]]:
        return {code for code, _ in self.colours}, {code for code, _ in self.values}

    @cached_property
    def _colour_table(self) -> np.ndarray:
        """int16, of colour -1 first: no colour; after the last again UNKNOWN, as a clipped code must be."""
        table = np.full(NUM_COLOURS + 2, UNKNOWN, np.int16)
        cube = table[1:-1].reshape(256, 256, 256)  # blue, green, red
        distances = np.full(cube.shape, 256, np.int16) if self.tolerance else None
        for code, index in self.colours:
            if distances is None:
                table[1 + code] = index
            else:
                _fill_near(cube, distances, unpack(code)[::-1], index, self.tolerance)
        return table

    @cached_property
    def _value_table(self) -> tuple[int, np.ndarray]:
        """(the code of its first entry, int16 table with UNKNOWN at both ends)."""
        codes = [code for code, _ in self.values] or [0]
        low, size = min(codes) - self.tolerance - 1, max(codes) - min(codes) + 2 * self.tolerance + 3
        table, distances = np.full(size, UNKNOWN, np.int16), np.full(size, 256, np.int16)
        for code, index in self.values:
            _fill_near(table, distances, (code - low,), index, self.tolerance)
        return low, table

    # Without the tables: they are 32 MB.
    def __reduce__(self) -> tuple[type["MaskRule"], tuple[object, ...]]:
        return MaskRule, (self.colours, self.values, self.palette_as, self.tolerance, self.palette)


def _fill_near(table: np.ndarray, distances: np.ndarray, centre: tuple[int, ...], index: int, tolerance: int) -> None:
    """Sets `index` in the box around `centre`, where no other centre is nearer."""
    ranges = [
        range(max(0, at - tolerance), min(size, at + tolerance + 1))
        for at, size in zip(centre, table.shape, strict=True)
    ]
    box = tuple(slice(each.start, each.stop) for each in ranges)
    steps = [abs(np.array(each) - at).astype(np.int16) for each, at in zip(ranges, centre, strict=True)]
    off: np.ndarray = reduce(np.maximum, np.ix_(*steps))
    nearer = off < distances[box]
    table[box][nearer] = index
    distances[box][nearer] = off[nearer]


@dataclass(frozen=True)
class _StoredRule:
    """Colours as people write them: a number would say nothing to a reader of the file."""

    colours: tuple[tuple[str, Index], ...]
    values: tuple[tuple[Value, Index], ...]
    palette_as: Literal["colour", "value"]
    tolerance: Annotated[int, Ge(0), Le(255)] = 0
    palette: tuple[tuple[Value, str], ...] = ()


def read_mask(path: Path, key: str = "") -> RawMask:
    """Decodes a mask. Raises UnreadableMask, also for one that fades into transparency or holds fractions."""
    try:
        return decode_mask(path)
    except DataError as error:
        raise UnreadableMask(key or str(path), str(error)) from None
    except Exception as error:  # a broken file can raise anything
        raise UnreadableMask(key or str(path), explain(error, path)) from error


def look_at_masks(items: Sequence[Item]) -> list[Look]:
    """Decodes every mask once. Raises DataError that lists all that are missing, broken or not the image's size."""
    sizes = image_sizes(items)
    looks: list[Look] = []
    problems: list[str] = []
    with progress_bar("Looking at masks", len(items), "masks") as bar:
        pairs = zip(items, sizes, strict=True)
        for result in map_in_threads(lambda pair: _look(*pair), pairs):
            if isinstance(result, str):
                problems.append(result)
            else:
                looks.append(result)
            bar.advance()
    if problems:
        raise DataError(
            list_problems(f"{len(problems):,} of {len(items):,} pairs cannot be used{_advise(items)}:", problems)
        )
    return looks


def _advise(items: Sequence[Item]) -> str:
    """What to do about images without a mask; "" where all have one."""
    unmasked = sum(
        item.path.exists() and not (isinstance(item.target, Path) and item.target.exists()) for item in items
    )
    verb = "image has" if unmasked == 1 else "images have"
    advice = "make the masks, or train on the rest with --set data.unmasked=skip"
    return f" ({unmasked:,} {verb} no mask: {advice})" if unmasked else ""


def _look(item: Item, size: tuple[int, int] | None) -> Look | str:
    """Or a sentence on what is wrong with the pair."""
    mask = item.target if isinstance(item.target, Path) else None
    if mask is None or not mask.exists():
        return f"{item.key!r} has no mask{f' {mask.name!r}' if mask else ''}"
    if not item.path.exists():
        return f"mask {mask.name!r} has no image {item.path.name!r}"
    try:
        raw = read_mask(mask, mask.name)
    except UnreadableMask as error:
        return f"mask {error.key!r} {error.reason}"
    if size is not None and raw.codes.shape != size:
        return (
            f"{item.key!r} is {size[0]}x{size[1]} but its mask {mask.name!r} {raw.codes.shape[0]}x{raw.codes.shape[1]}"
        )
    return summarise(raw, mask.name, count_codes(raw.codes))


def summarise(raw: RawMask, name: str, counts: Mapping[int, int]) -> Look:
    palette = {} if raw.palette is None else {code: int(raw.palette[code]) for code in counts}
    is_lossy = name.lower().endswith(LOSSY)
    follow = raw.kind == "value" and not is_lossy and max(counts) - min(counts) < min(len(counts), 64)
    inner = None if follow or len(counts) < FEW else count_inner(raw.codes)
    return Look(name, raw.kind, counts, palette, raw.nodata, raw.remarks, inner)


def list_problems(start: str, problems: Sequence[str]) -> str:
    more = [f"  and {len(problems) - NUM_LISTED:,} more"] if len(problems) > NUM_LISTED else []
    return "\n".join([start, *(f"  {problem}" for problem in problems[:NUM_LISTED]), *more])


def total_counts(looks: Iterable[Look], kinds: Iterable[Kind], as_colours: bool) -> Counter[int]:
    """Pixels of each code over the masks of these kinds; as_colours: of each colour. Pixels without a code are not."""
    total: Counter[int] = Counter()
    for each in looks:
        if each.kind in kinds:
            for code, count in each.counts.items():
                if code != NODATA:
                    total[to_colour(each, code) if as_colours else code] += count
    return total


def to_colour(each: Look, code: int) -> int:
    """-1, which is no colour, of a value that has none."""
    if each.kind == "colour":
        return code
    return each.palette.get(code, colour_of(code))

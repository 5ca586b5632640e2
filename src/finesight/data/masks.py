"""Mask files to class indices: the only reader of masks, and the doctor that says what is wrong with them.

A mask is a picture whose colours, or whose values, are classes. All masks of a data set are looked at before anything
is made of them: what is found decides how they are read (`choose_rule`), and whatever cannot be meant is an error.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, Lt
from PIL import Image

from finesight.classes import IGNORE_INDEX
from finesight.config import check
from finesight.data.image_files import explain, open_picture
from finesight.data.pictures import UnreadablePicture, picture_sizes
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.progress import progress_bar

NUM_LISTED = 20  # files an error names
CODE_BITS = 24  # hold any colour and any value
NUM_COLOURS = 1 << CODE_BITS
NUM_VALUES = 1 << 16

Kind = Literal["colour", "palette", "value"]


class UnreadableMask(UnreadablePicture):
    def __str__(self) -> str:
        return f"Mask {self.key!r} {self.reason}. Repair or remove it."


@dataclass(frozen=True)
class RawMask:
    """A mask as it stands on disk.

    codes: uint32 (h, w), colours as `pack` makes them, or values. palette: the colour of each value, if it has one.
    """

    kind: Kind
    codes: np.ndarray
    palette: np.ndarray | None = None

    def colours(self) -> np.ndarray:
        """Packed colours (h, w) whatever the kind; a value without palette is a grey."""
        if self.kind == "colour":
            return self.codes
        colours: np.ndarray = (GREYS if self.palette is None else self.palette)[np.minimum(self.codes, 255)]
        return colours


@dataclass(frozen=True)
class Look:
    """What a mask holds. counts: pixels of each code; palette: packed colour of each code, for kind `palette`."""

    name: str
    kind: Kind
    counts: Mapping[int, int]
    palette: Mapping[int, int]


@dataclass(frozen=True)
class MaskRule:
    """How the codes of one data set become class indices; IGNORE_INDEX for all that no table names.

    colours, values: (code, index) pairs. palette_as: what a palette mask's pixels are taken for.
    """

    colours: tuple[tuple[int, int], ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    palette_as: Literal["colour", "value"] = "value"

    def apply(self, mask: RawMask) -> np.ndarray:
        """uint8 (h, w)."""
        by_colour = mask.kind == "colour" or (mask.kind == "palette" and self.palette_as == "colour")
        indices: np.ndarray = self._colour_table[mask.colours()] if by_colour else self._value_table[mask.codes]
        return indices

    def find(self, kind: Kind, code: int, palette: Mapping[int, int]) -> int:
        """Class index of one code of a Look."""
        if kind == "palette" and self.palette_as == "colour":
            code = palette[code]
        by_colour = kind == "colour" or (kind == "palette" and self.palette_as == "colour")
        return int(self._colour_table[code] if by_colour else self._value_table[code])

    @cached_property
    def _named(self) -> tuple[set[int], set[int]]:
        return {code for code, _ in self.colours}, {code for code, _ in self.values}

    @cached_property
    def _colour_table(self) -> np.ndarray:
        return _table(self.colours, NUM_COLOURS)

    @cached_property
    def _value_table(self) -> np.ndarray:
        return _table(self.values, NUM_VALUES)

    def names(self, kind: Kind, code: int, palette: Mapping[int, int]) -> bool:
        """Whether one code of a Look is in a table, be it as a class or as ignored."""
        if kind == "colour" or (kind == "palette" and self.palette_as == "colour"):
            return palette.get(code, code) in self._named[0]
        return code in self._named[1]

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, for JSON."""
        return {
            "colours": [[spell(code), index] for code, index in self.colours],
            "values": [[code, index] for code, index in self.values],
            "palette_as": self.palette_as,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "MaskRule":
        """The rule that `to_dict` wrote. Raises ValueError for anything else."""
        stored = check(_StoredRule, dict(value))
        if not all(re.fullmatch("#[0-9a-f]{6}", text) for text, _ in stored.colours):
            raise ValueError("a colour is not written as #ff8000")
        colours = tuple((parse_colour(text), index) for text, index in stored.colours)
        return cls(colours, stored.values, stored.palette_as)

    def __reduce__(self) -> tuple[type["MaskRule"], tuple[object, ...]]:
        return MaskRule, (self.colours, self.values, self.palette_as)  # without the tables: they are 16 MB


Index = Annotated[int, Ge(0), Le(IGNORE_INDEX)]


@dataclass(frozen=True)
class _StoredRule:
    """Colours as people write them: a number would say nothing to a reader of the file."""

    colours: tuple[tuple[str, Index], ...]
    values: tuple[tuple[Annotated[int, Ge(0), Lt(NUM_VALUES)], Index], ...]
    palette_as: Literal["colour", "value"]


def read_mask(path: Path, key: str = "") -> RawMask:
    """Decodes a mask. Raises UnreadableMask, also for one that is half transparent or holds fractions."""
    try:
        with open_picture(path) as image:
            image.load()
            return _to_raw(image)
    except DataError as error:
        raise UnreadableMask(key or str(path), str(error)) from None
    except Exception as error:  # a broken file can raise anything
        raise UnreadableMask(key or str(path), explain(error, path)) from error


def _to_raw(image: Image.Image) -> RawMask:
    if image.mode in ("RGBA", "LA", "RGBa", "La", "PA"):
        low, high = image.getchannel("A" if image.mode[-1] == "A" else "a").getextrema()
        if low != high:
            raise DataError("is transparent in parts, which no class can mean; save it without transparency")
    if image.mode == "P":
        colours = np.zeros((256, 3), np.uint32)
        listed = np.array(image.getpalette("RGB") or [], np.uint32).reshape(-1, 3)
        colours[: len(listed)] = listed
        return RawMask("palette", np.asarray(image).astype(np.uint32), pack(colours))
    if image.mode in ("1", "L", "LA", "La"):
        grey = image if image.mode == "1" else image.getchannel(0)
        return RawMask("value", np.asarray(grey).astype(np.uint32))
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() >= NUM_VALUES):
            raise DataError(f"holds values from {values.min()} to {values.max()}, where classes are 0 to 65535")
        return RawMask("value", values.astype(np.uint32))
    if image.mode == "F":
        raise DataError("holds fractions; a mask's values should be whole numbers")
    packed = image.convert("RGB").tobytes("raw", "RGBX")  # four bytes a pixel, of which the last says nothing
    return RawMask("colour", np.frombuffer(packed, "<u4").reshape(image.height, image.width) & 0xFFFFFF)


def pack(colours: np.ndarray) -> np.ndarray:
    """uint32 R + 256 G + 65536 B of colours (…, 3)."""
    parts = colours.astype(np.uint32)
    packed: np.ndarray = parts[..., 0] | parts[..., 1] << 8 | parts[..., 2] << 16
    return packed


def unpack(code: int) -> tuple[int, int, int]:
    return code & 255, code >> 8 & 255, code >> 16


def spell(code: int) -> str:
    """`#ff8000` of a packed colour."""
    return "#{:02x}{:02x}{:02x}".format(*unpack(code))


def parse_colour(text: str) -> int:
    """The packed colour of `#ff8000`."""
    return int(pack(np.array(list(bytes.fromhex(text.removeprefix("#"))))))


GREYS = pack(np.repeat(np.arange(256)[:, None], 3, axis=1))


def count_codes(codes: np.ndarray, above: np.ndarray | None = None) -> dict[int, int]:
    """How often each code occurs; with a second mask of the same size each pair of codes, the other CODE_BITS higher.

    Masks are flat, so runs of equal pixels are counted, not pixels.
    """
    flat = codes.reshape(-1)
    changes = flat[1:] != flat[:-1]
    if above is not None:
        other = above.reshape(-1)
        changes |= other[1:] != other[:-1]
    starts = np.flatnonzero(np.concatenate(([True], changes)))
    lengths = np.diff(starts, append=len(flat))
    values = flat[starts].astype(np.int64)
    if above is not None:
        values |= other[starts].astype(np.int64) << CODE_BITS
    found, where = np.unique(values, return_inverse=True)
    counts = np.bincount(where, weights=lengths).astype(np.int64)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def look_at_masks(items: Sequence[Item]) -> list[Look]:
    """Decodes every mask once. Raises DataError that lists all that are missing, broken or not the picture's size."""
    sizes = picture_sizes(items)
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
        raise DataError(list_problems(f"{len(problems):,} of {len(items):,} pairs cannot be used:", problems))
    return looks


def _look(item: Item, size: tuple[int, int] | None) -> Look | str:
    """Or a sentence on what is wrong with the pair."""
    mask = item.mask
    if mask is None or not mask.exists():
        return f"{item.key!r} has no mask{f' {mask.name!r}' if mask else ''}"
    if not item.path.exists():
        return f"mask {mask.name!r} has no picture {item.path.name!r}"
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
    return Look(name, raw.kind, counts, palette)


def list_problems(start: str, problems: Sequence[str]) -> str:
    more = [f"  and {len(problems) - NUM_LISTED:,} more"] if len(problems) > NUM_LISTED else []
    return "\n".join([start, *(f"  {problem}" for problem in problems[:NUM_LISTED]), *more])


def total_counts(looks: Iterable[Look], kinds: Iterable[Kind], as_colours: bool) -> Counter[int]:
    """Pixels of each code over the masks of these kinds; as_colours: of each colour."""
    total: Counter[int] = Counter()
    for each in looks:
        if each.kind in kinds:
            for code, count in each.counts.items():
                total[to_colour(each, code) if as_colours else code] += count
    return total


def to_colour(each: Look, code: int) -> int:
    if each.kind == "colour":
        return code
    return each.palette.get(code, int(GREYS[min(code, 255)]))


def _table(pairs: Iterable[tuple[int, int]], size: int) -> np.ndarray:
    table = np.full(size, IGNORE_INDEX, np.uint8)
    for code, index in pairs:
        table[code] = index
    return table

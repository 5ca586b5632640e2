"""What each mask file holds: its colours or values, and how many pixels have each.

All masks of a data set are decoded once before any is read as classes: what they hold decides `masks.rule_choice`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from finesight.data.images.image import UnreadableImage, image_sizes
from finesight.data.images.image_files import explain
from finesight.data.masks.codes import NODATA, colour_of, count_codes, count_inner, grey_of
from finesight.data.masks.pixels import Kind, RawMask, decode_mask
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError, list_problems
from finesight.progress import track

Pair = TypeVar("Pair")
Seen = TypeVar("Seen")

LOSSY = (".jpg", ".jpeg", ".jfif")
FEW = 3  # a mask with fewer codes is not searched for codes that lie along edges only


class UnreadableMask(UnreadableImage):
    def __str__(self) -> str:
        return f"Mask {self.key!r} {self.reason}. {self.advice}".rstrip()


@dataclass(frozen=True)
class Look:
    """What a mask holds. counts: pixels of each code; palette: packed colour of each code, for kind `palette`.

    nodata, remarks, names: as of RawMask. inner: of each code the pixels whose neighbours have the same code; None
    where they were not counted, since the codes are few or consecutive.
    """

    name: str
    kind: Kind
    counts: Mapping[int, int]
    palette: Mapping[int, int]
    nodata: int | None = None
    remarks: tuple[str, ...] = ()
    inner: Mapping[int, int] | None = None
    names: tuple[str, ...] = ()

    @property
    def is_lossy(self) -> bool:
        return self.name.lower().endswith(LOSSY)

    @property
    def num_pixels(self) -> int:
        return sum(self.counts.values())

    @property
    def codes(self) -> list[int]:
        """All but what the file calls missing."""
        return [code for code in self.counts if code not in (NODATA, self.nodata)]

    def colour(self, code: int) -> int:
        """Packed; -1 for a value without a colour."""
        return code if self.kind == "colour" else self.palette.get(code, colour_of(code))

    def value(self, code: int) -> int:
        """The level of a grey RGB pixel; -1 for any other colour."""
        if self.kind != "colour" or code == NODATA:
            return code
        grey = grey_of(code)
        return -1 if grey is None else grey

    def is_missing(self, code: int) -> bool:
        """Whether the code itself says that there is no class: nodata, or a negative value."""
        return code in (NODATA, self.nodata) or (code < 0 and self.kind != "colour")


def read_mask(path: Path, key: str = "") -> RawMask:
    """Decodes a mask. Raises UnreadableMask, also for partial transparency and for fractions."""
    try:
        return decode_mask(path)
    except DataError as error:
        raise UnreadableMask(key or str(path), str(error)) from None
    except Exception as error:  # a broken file can raise anything
        raise UnreadableMask(key or str(path), explain(error, path)) from error


def look_at_masks(items: Sequence[Item]) -> list[Look]:
    """Decodes every mask once. Raises DataError that lists all that are missing, broken or not of the image's size."""
    pairs = list(zip(items, image_sizes(items), strict=True))
    return look_at_pairs(pairs, lambda pair: _look(*pair), "Looking at masks", lambda: f"used{_advise(items)}")


def look_at_pairs(
    pairs: Sequence[Pair], look: Callable[[Pair], Seen | str], label: str, use: Callable[[], str]
) -> list[Seen]:
    """What `look` returns for each pair. Raises DataError that lists all for which it returned what is wrong.

    label: of the progress bar. use: what cannot be done with those, such as `compared`.
    """
    results = list(track(map_in_threads(look, pairs, chunk=4), label, len(pairs), "masks"))
    if problems := [each for each in results if isinstance(each, str)]:
        raise DataError(list_problems(f"{len(problems):,} of {len(pairs):,} pairs cannot be {use()}:", problems))
    return [each for each in results if not isinstance(each, str)]


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
    height, width = raw.codes.shape
    if size not in (None, (height, width)):
        return f"{item.key!r} is {size[0]}x{size[1]} but its mask {mask.name!r} {height}x{width}"
    return summarise(raw, mask.name, count_codes(raw.codes))


def summarise(raw: RawMask, name: str, counts: Mapping[int, int]) -> Look:
    palette = {} if raw.palette is None else {code: int(raw.palette[code]) for code in counts}
    is_lossy = name.lower().endswith(LOSSY)
    if raw.kind == "name":
        return Look(name, raw.kind, counts, palette, names=raw.names)
    follow = raw.kind == "value" and not is_lossy and max(counts) - min(counts) < min(len(counts), 64)
    inner = None if follow or len(counts) < FEW else count_inner(raw.codes)
    return Look(name, raw.kind, counts, palette, raw.nodata, raw.remarks, inner)


def count_colours(looks: Iterable[Look], *kinds: Kind) -> Counter[int]:
    """Pixels of each colour over the masks of these kinds, without those that have no value."""
    total: Counter[int] = Counter()
    for look in looks:
        for code in look.counts.keys() - {NODATA} if look.kind in kinds else ():
            total[look.colour(code)] += look.counts[code]
    return total

"""What values of masks mean: which class each is, and what is wrong where they do not say."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from finesight.classes import ClassList
from finesight.data.masks.codes import NODATA, NUM_VALUES, distance, grey_of
from finesight.data.masks.looks import Look
from finesight.errors import DataError

MOST_NAMED = 5  # colours or values that a sentence names
SENTINELS = frozenset((128, 254, 255, 32767, 32768, 65534, 65535))  # what tools write where no class is known
FULL = (255, 65535)  # what tools write for the second of two classes
BORDER_FRACTION = 0.2  # of all pixels; an ignored border has fewer
EDGE_FRACTION = 0.02  # of a code's pixels with neighbours of the same code; one that lies along edges has fewer
MIN_EDGES = 3  # a mask with fewer codes along edges only is not smooth
MOST_EDGES = 0.5  # of all pixels; where more lie along edges, there are no areas between them
NEAR = 32  # levels: codes of a lossy mask nearer than that are one
INTEGER = re.compile("-?[0-9]{1,8}")


class UnknownValues(DataError):
    """Values of masks that are not a class. advice: what to do, a sentence or two. is_border: they look like an ignored
    border."""

    def __init__(self, message: str, advice: str, values: Collection[int], is_border: bool = False) -> None:
        super().__init__(f"{message} {advice}")
        self.advice = advice
        self.values = frozenset(values)
        self.is_border = is_border


class MixedScales(DataError):
    """Two classes are 0 and 1 in some masks, 0 and 255 in others."""


def find_values(looks: Iterable[Look], ignored: Collection[object]) -> Counter[int]:
    """Pixels of each value that can be a class: not negative, not ignored, not what a file calls missing."""
    total: Counter[int] = Counter()
    for look in looks:
        for code, count in look.counts.items():
            value = look.value(code)
            if value >= 0 and value not in ignored and code != look.nodata:
                total[value] += count
    return total


def match_values(found: Collection[int], classes: ClassList) -> dict[int, int]:
    """Value → class index: by ids that are numbers, else 0..C-1, else 1..C, else 0 and 255 for two classes."""
    if all(INTEGER.fullmatch(id_) or id_.isdigit() for id_ in classes.ids):
        table = {int(id_): index for index, id_ in enumerate(classes.ids) if INTEGER.fullmatch(id_)}
        if len(table) < len(classes) or max(map(abs, table)) >= NUM_VALUES:
            raise DataError(f"Class ids that are numbers are values of masks: different ones up to {NUM_VALUES - 1}.")
        return table
    count = len(classes)
    if count == 2 and (full := [value for value in FULL if value in found]) and set(found) <= {0, *full[:1]}:
        return {0: 0, full[0]: 1}
    first = 1 if found and min(found) >= 1 and max(found) == count else 0
    return {first + index: index for index in range(count)}


def check_scales(looks: Sequence[Look], found: Collection[int]) -> None:
    """Raises MixedScales where some masks write two classes as 0 and 1, others as 0 and 255. found: what counts."""
    values = [(look.name, {value for code in look.counts if (value := look.value(code)) in found}) for look in looks]
    ones = [name for name, held in values if 1 in held and held <= {0, 1}]
    for full in FULL:
        others = [name for name, held in values if full in held and 1 not in held]
        if ones and others and not any(1 in held and not held <= {0, 1} for _, held in values):
            raise MixedScales(
                f"{len(ones):,} masks hold 0 and 1 (such as {ones[0]}), {len(others):,} hold {full} and no 1 (such as "
                f"{others[0]}): two ways to write the same class? Save them alike, or, if {full} is unlabelled, set "
                f"data.ignore = {full}."
            )


def explain_unknown(looks: Sequence[Look], found: Counter[int], table: dict[int, int], classes: ClassList) -> DataError:
    """The error for values found that the class list does not have."""
    unknown = sorted(set(found) - set(table))
    value, last, count = unknown[0], max(table), len(classes)
    if (areas := find_areas(looks)) is not None:
        return DataError(explain_smooth(looks, areas))
    if _is_border(found, unknown):
        return _explain_border(looks, found, unknown)
    # unknown values hold at least as many pixels as the known ones but the most frequent
    known = [number for other, number in found.items() if other not in unknown]
    is_most = sum(found[other] for other in unknown) >= sum(known) - max(known, default=0)
    advice = f"Add the class or set data.ignore = {value if len(unknown) == 1 else unknown[:MOST_NAMED]}."
    if unknown == [count] and 0 in found and table == {index: index for index in range(count)}:
        advice = (
            "With 0 that is one value more than classes: if 0 is unlabelled, set data.ignore = 0; if it is background, "
            "name it first in the class list."
        )
    elif value == 0:
        advice = "If 0 is unlabelled, set data.ignore = 0; if it is background, add it to the class list."
    elif is_most:
        advice = "Give each class the value it has in the masks as its id, such as a CSV with id,name."
    values = f"value {value}" if len(unknown) == 1 else f"values {name_some(map(str, unknown))}"
    holder = _find_holder(looks, value)
    return UnknownValues(f"Mask {holder} holds {values}; the class list ends at {last}.", advice, unknown)


def check_sentinels(looks: Sequence[Look], found: Counter[int]) -> None:
    """Raises UnknownValues where values are far above all others and no class list says whether they are classes."""
    others = [value for value in found if value not in SENTINELS]
    far = sorted(value for value in set(found) & SENTINELS if value > 4 * max(others, default=0))
    if len(others) > 1 and far:
        raise _explain_border(looks, found, far)


def _explain_border(looks: Sequence[Look], found: Counter[int], unknown: Sequence[int]) -> UnknownValues:
    is_border, is_one = _is_border(found, unknown), len(unknown) == 1
    values = " and ".join(map(str, unknown))
    fraction = sum(found[value] for value in unknown) / found.total()
    ignore = values if is_one else list(unknown)
    listed = "it in data.classes, with its value as id" if is_one else "them in data.classes, with their values as ids"
    advice = (
        f"usually a border to be ignored. Set data.ignore = {ignore}, or list it as a class in data.classes."
        if is_border
        else f"{fraction:.0%} of the pixels. If a class, list {listed}; if unlabelled, set data.ignore = {ignore}."
    )
    held = f"{'value' if is_one else 'values'} {values}"
    highest = max(value for value in found if value not in unknown)
    start = f"Mask {_find_holder(looks, unknown[0])} holds {held} and the other values end at {highest}"
    return UnknownValues(f"{start}:", advice, unknown, is_border)


def _is_border(found: Counter[int], unknown: Sequence[int]) -> bool:
    """Few pixels, of a value that is usual there, and not one of the two that most pixels hold."""
    fraction = sum(found[value] for value in unknown) / max(1, found.total())
    most = {value for value, _ in found.most_common(2)}
    return set(unknown) <= SENTINELS and fraction < BORDER_FRACTION and not most & set(unknown)


def find_areas(looks: Sequence[Look], least: float = 0.0) -> list[int] | None:
    """Colours of the areas of smooth masks: most of their codes lie along edges between a few others, or are near a
    frequent one. None where masks are not smooth, or where that holds for no more than `least` of their pixels."""
    counts, inner = Counter[int](), Counter[int]()
    smooth = [look for look in looks if look.inner is not None]
    for look in smooth:
        for code in look.counts.keys() - {NODATA}:
            counts[look.colour(code)] += look.counts[code]
            inner[look.colour(code)] += (look.inner or {}).get(code, 0)
    del counts[-1]
    areas = {code: count for code, count in counts.items() if inner[code] >= EDGE_FRACTION * count}
    is_lossy = any(look.is_lossy for look in smooth)
    if is_lossy:
        areas = {code: areas[code] for code in join_near(areas, NEAR)}
    edges = counts.keys() - areas.keys()
    fraction = sum(counts[code] for code in edges) / max(1, counts.total())
    is_smooth = bool(edges) if is_lossy else len(edges) >= max(MIN_EDGES, len(areas)) and fraction < MOST_EDGES
    return list(areas) if areas and is_smooth and fraction > least else None


def explain_smooth(looks: Sequence[Look], areas: Sequence[int]) -> str:
    """The error for masks that `find_areas` calls smooth."""
    smooth = [look for look in looks if look.inner is not None]
    worst = max(smooth, key=lambda look: len(look.counts))
    count = len({look.colour(code) for look in smooth for code in look.counts})
    levels = sorted(level for code in areas if (level := grey_of(code)) is not None)
    is_grey = len(levels) == len(areas)
    gap = max((high - low for low, high in pairwise(levels)), default=0)
    advice = "data.colour_tolerance takes colours that are a little off for the nearest class."
    if is_grey and gap:
        nearest = name_some(map(str, levels))
        half = (gap + 1) // 2
        advice = f"Or set data.colour_tolerance = {half}, which takes each value for the nearest of {nearest}."
    held = f"{count:,} {'values' if is_grey else 'colours'} ({worst.name} alone {len(worst.counts):,})"
    return (
        f"The masks hold {held}, most of them along edges only: saved as JPEG, smoothed, or resized by interpolation? "
        f"Save them as PNG and resize them by nearest neighbour. {advice}"
    )


def join_near(counts: dict[int, int], tolerance: int) -> list[int]:
    """The colours that are left when each joins a more frequent one within `tolerance` in every channel."""
    left: list[int] = []
    for code in sorted(counts, key=lambda code: (-counts[code], code)):
        if not any(distance(code, kept) <= tolerance for kept in left):
            left.append(code)
    return left


def name_some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _find_holder(looks: Sequence[Look], value: int) -> str:
    return next(look.name for look in looks if value in map(look.value, look.counts))

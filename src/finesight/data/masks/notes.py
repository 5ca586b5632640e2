"""What is said of masks that were read: whatever counts nowhere, was taken for something near, or is odd."""

from collections import Counter
from collections.abc import Callable, Sequence

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.data.masks.codes import NODATA, spell
from finesight.data.masks.looks import Look, MaskRule, list_problems, to_colour
from finesight.data.masks.palettes import find_conflict
from finesight.data.masks.values import INTEGER, name_some
from finesight.errors import DataError


def is_missing(each: Look, code: int) -> bool:
    """Whether a code says by itself that there is no class: nodata, or negative."""
    return code == NODATA or code == each.nodata or (code < 0 and each.kind != "colour")


def unknown_codes(each: Look, rule: MaskRule) -> dict[int, int]:
    """Pixels of each code that is neither named by the rule nor missing."""
    return {
        code: count
        for code, count in each.counts.items()
        if not is_missing(each, code) and not rule.knows(each.kind, code, each.palette)
    }


def unknown_share(looks: Sequence[Look], rule: MaskRule) -> float:
    """Fraction of all pixels."""
    return sum(sum(unknown_codes(each, rule).values()) for each in looks) / _pixels(looks)


def note_strays(looks: Sequence[Look], rule: MaskRule, limit: float) -> list[str]:
    """Pixels of which the rule knows nothing. Raises DataError where they are too many."""
    by_file = _collect(looks, rule, lambda each: unknown_codes(each, rule))
    if not by_file:
        return []
    what = f"{_count(looks, by_file)} are of a colour or value that is not a class ({_name_all(by_file)})"
    lines = [
        f"{name}: {name_some(f'{count:,} of {code}' for code, count in found.most_common())}" for name, found in by_file
    ]
    if _total(by_file) / _pixels(looks) > limit:
        advice = "add the class, or allow as much with data.unmapped_fraction, or data.colour_tolerance:"
        raise DataError(list_problems(f"{what}: {advice}", lines))
    return [list_problems(f"{what}; they count nowhere:", lines)]


def note_reading(looks: Sequence[Look], rule: MaskRule) -> list[str]:
    """Whatever was guessed, taken for something near, or counts nowhere since its file says so."""
    conflict = find_conflict(looks)
    palettes = [f"The palettes of the masks differ ({conflict}): they are read by colour."] if conflict else []
    return [*palettes, *_note_near(looks, rule), *_note_missing(looks, rule), *_note_remarks(looks)]


def _note_near(looks: Sequence[Look], rule: MaskRule) -> list[str]:
    """Pixels that data.colour_tolerance gave a class."""
    if not rule.tolerance:
        return []

    def find(each: Look) -> dict[int, int]:
        return {
            code: count
            for code, count in each.counts.items()
            if not rule.names(each.kind, code, each.palette) and rule.knows(each.kind, code, each.palette)
        }

    by_file = _collect(looks, rule, find)
    what = f"are read as the nearest class, at most data.colour_tolerance = {rule.tolerance} off ({_name_all(by_file)})"
    return [f"{_count(looks, by_file)} {what}."] if by_file else []


def _note_missing(looks: Sequence[Look], rule: MaskRule) -> list[str]:
    """Pixels without a value, and values that say so."""

    def counts_nowhere(each: Look, code: int) -> bool:
        return is_missing(each, code) and rule.find(each.kind, code, each.palette) == IGNORE_INDEX

    def find(each: Look) -> dict[int, int]:
        return {code: count for code, count in each.counts.items() if counts_nowhere(each, code)}

    notes = []
    if by_file := _collect(looks, rule, find):
        what = f"hold no class (negative, nodata, NaN or transparent: {_name_all(by_file)})"
        notes.append(
            f"{_count(looks, by_file)} {what}; they count nowhere. If one is a class, list it in data.classes."
        )
    named = Counter(
        spell_code(each, each.nodata, rule)
        for each in looks
        if each.nodata is not None and each.nodata in each.counts and not counts_nowhere(each, each.nodata)
    )
    if named:
        what = f"call {name_some(named)} nodata, which is a class of the list: it is read as the class."
        notes.append(f"{named.total():,} of {len(looks):,} masks {what}")
    return notes


def _note_remarks(looks: Sequence[Look]) -> list[str]:
    counts = Counter(remark for each in looks for remark in each.remarks)
    notes = [f"{count:,} of {len(looks):,} masks: {remark}." for remark, count in counts.items()]
    if lossy := [each.name for each in looks if each.is_lossy]:
        notes.append(
            f"{len(lossy):,} of {len(looks):,} masks are JPEG (such as {lossy[0]}), which changes classes along edges."
        )
    return notes


def note_unused(looks: Sequence[Look], rule: MaskRule, classes: ClassList) -> list[str]:
    """Classes without a pixel."""
    present = {rule.find(each.kind, code, each.palette) for each in looks for code in each.counts}
    absent = [name for i, name in enumerate(classes.names) if i not in present and i != classes.ignore]
    return [f"Without a pixel in any mask: {name_some(map(repr, absent))}."] if absent else []


def note_shift(looks: Sequence[Look], rule: MaskRule, classes: ClassList) -> list[str]:
    """Masks that may count from 1 without that their values tell: 0 occurs nowhere, and neither does the last."""
    if rule.palette_as == "colour" or all(map(INTEGER.fullmatch, classes.ids)):
        return []
    values = {code for each in looks if each.kind != "colour" for code in each.counts if code >= 0}
    if not values or 0 in values or max(values) >= len(classes) or dict(rule.values).get(0) != 0:
        return []
    held = f"the values are {min(values)} to {max(values)}"
    return [
        f"No mask holds value 0, which is read as {classes.names[0]!r}; {held}. If the masks count from 1, every class "
        "is taken for the next one: give ids in the class list, from 1."
    ]


Found = list[tuple[str, Counter[str]]]  # a list: two masks of different folders may have one name


def _collect(looks: Sequence[Look], rule: MaskRule, find: Callable[[Look], dict[int, int]]) -> Found:
    """Spelled codes and their pixels, of the masks that hold some."""
    found = [(each.name, _spell_all(each, rule, find(each))) for each in looks]
    return [(name, codes) for name, codes in found if codes]


def _spell_all(each: Look, rule: MaskRule, codes: dict[int, int]) -> Counter[str]:
    total: Counter[str] = Counter()
    for code, count in codes.items():
        total[spell_code(each, code, rule)] += count
    return total


def _count(looks: Sequence[Look], found: Found) -> str:
    count = _total(found)
    return f"{count:,} pixels ({count / _pixels(looks):.2g} of all) in {len(found):,} masks"


def _name_all(found: Found) -> str:
    codes = sum((codes for _, codes in found), Counter[str]())
    return name_some(code for code, _ in codes.most_common())


def _total(found: Found) -> int:
    return sum(codes.total() for _, codes in found)


def _pixels(looks: Sequence[Look]) -> int:
    return sum(sum(each.counts.values()) for each in looks)


def spell_code(each: Look, code: int, rule: MaskRule | None = None) -> str:
    """A code as its file means it; of a palette that the rule reads by colour, its colour."""
    if code == NODATA:
        return "no value"
    is_colour = each.kind == "colour" if rule is None else rule.is_by_colour(each.kind)
    return spell(to_colour(each, code)) if is_colour else str(code)

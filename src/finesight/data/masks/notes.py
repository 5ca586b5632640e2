"""Notes on masks that were read: pixels that are ignored, pixels that took the nearest class, and oddities."""

from collections import Counter
from collections.abc import Callable, Sequence

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.data.masks.codes import NODATA, spell
from finesight.data.masks.looks import Look
from finesight.data.masks.palettes import find_conflict
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.values import INTEGER, name_some
from finesight.errors import DataError, list_problems

Found = list[tuple[str, Counter[str]]]  # pixels of spelled codes by mask; masks of different folders may share a name


def unknown_codes(look: Look, rule: MaskRule) -> dict[int, int]:
    """Pixels of each code that is neither named by the rule nor missing."""
    return {code: count for code, count in look.counts.items() if _is_unknown(look, code, rule)}


def unknown_fraction(looks: Sequence[Look], rule: MaskRule) -> float:
    """Of all pixels."""
    return sum(sum(unknown_codes(look, rule).values()) for look in looks) / _count_pixels(looks)


def note_unmapped(looks: Sequence[Look], rule: MaskRule, limit: float) -> list[str]:
    """Pixels that the rule does not name. Raises DataError where they are too many."""
    found = _collect(looks, rule, lambda look, code: _is_unknown(look, code, rule))
    if not found:
        return []
    held = "class that is not in the class list" if rule.named else "colour or value that is not a class"
    what = f"{_count(looks, found)} are of a {held} ({_name_all(found)})"
    lines = [
        f"{name}: {name_some(f'{count:,} of {code}' for code, count in codes.most_common())}" for name, codes in found
    ]
    if sum(codes.total() for _, codes in found) / _count_pixels(looks) > limit:
        advice = "add the class, or allow as much with data.unmapped_fraction, or data.colour_tolerance:"
        raise DataError(list_problems(f"{what}: {advice}", lines))
    return [list_problems(f"{what}; they are ignored:", lines)]


def note_reading(looks: Sequence[Look], rule: MaskRule) -> list[str]:
    """What was guessed, what took the nearest class, and what is ignored because its file says so."""
    conflict = find_conflict(looks)
    notes = [f"The palettes of the masks differ ({conflict}): they are read by colour."] if conflict else []
    if rule.tolerance and (
        near := _collect(looks, rule, lambda look, code: rule.knows(look, code) and not rule.names(look, code))
    ):
        how = f"are read as the nearest class, at most data.colour_tolerance = {rule.tolerance} off"
        notes.append(f"{_count(looks, near)} {how} ({_name_all(near)}).")
    notes += _note_missing(looks, rule)
    remarks = Counter(remark for look in looks for remark in look.remarks)
    notes += [f"{count:,} of {len(looks):,} masks: {remark}." for remark, count in remarks.items()]
    if lossy := [look.name for look in looks if look.is_lossy]:
        notes.append(
            f"{len(lossy):,} of {len(looks):,} masks are JPEG (such as {lossy[0]}), which changes classes along edges."
        )
    return notes


def _note_missing(looks: Sequence[Look], rule: MaskRule) -> list[str]:
    """Pixels without a value, and values that say so."""

    def is_ignored(look: Look, code: int) -> bool:
        return look.kind != "name" and look.is_missing(code) and rule.find(look, code) == IGNORE_INDEX

    notes = []
    if found := _collect(looks, rule, is_ignored):
        what = f"hold no class (negative, nodata, NaN or transparent: {_name_all(found)})"
        notes.append(f"{_count(looks, found)} {what}; they are ignored. If one is a class, list it in data.classes.")
    named = Counter(
        spell_code(look, look.nodata, rule)
        for look in looks
        if look.nodata is not None and look.nodata in look.counts and not is_ignored(look, look.nodata)
    )
    if named:
        what = f"call {name_some(named)} nodata, which is a class of the list: it is read as the class."
        notes.append(f"{named.total():,} of {len(looks):,} masks {what}")
    return notes


def note_unused(looks: Sequence[Look], rule: MaskRule, classes: ClassList) -> list[str]:
    """Classes without a pixel."""
    present = {rule.find(look, code) for look in looks for code in look.counts}
    absent = [name for i, name in enumerate(classes.names) if i not in present and i != classes.ignore]
    return [f"Without a pixel in any mask: {name_some(map(repr, absent))}."] if absent else []


def note_shift(looks: Sequence[Look], rule: MaskRule, classes: ClassList) -> list[str]:
    """Masks that may count from 1 although their values do not prove it: neither 0 nor the last value occurs."""
    if rule.palette_as == "colour" or all(map(INTEGER.fullmatch, classes.ids)):
        return []
    values = {code for look in looks if look.kind != "colour" for code in look.counts if code >= 0}
    if not values or 0 in values or max(values) >= len(classes) or dict(rule.values).get(0) != 0:
        return []
    held = f"the values are {min(values)} to {max(values)}"
    return [
        f"No mask holds value 0, which is read as {classes.names[0]!r}; {held}. If the masks count from 1, every class "
        "is taken for the next one: give ids in the class list, from 1."
    ]


def spell_code(look: Look, code: int, rule: MaskRule | None = None) -> str:
    """A code as its file means it; of a palette that the rule reads by colour, its colour."""
    if code == NODATA:
        return "no value"
    if look.kind == "name":
        return repr(look.names[code])
    is_colour = look.kind == "colour" if rule is None else rule.is_by_colour(look.kind)
    return spell(look.colour(code)) if is_colour else str(code)


def _is_unknown(look: Look, code: int, rule: MaskRule) -> bool:
    return not look.is_missing(code) and not rule.knows(look, code)


def _collect(looks: Sequence[Look], rule: MaskRule, is_meant: Callable[[Look, int], bool]) -> Found:
    found: Found = []
    for look in looks:
        codes: Counter[str] = Counter()
        for code in (code for code in look.counts if is_meant(look, code)):
            codes[spell_code(look, code, rule)] += look.counts[code]
        found += [(look.name, codes)] if codes else []
    return found


def _count(looks: Sequence[Look], found: Found) -> str:
    count = sum(codes.total() for _, codes in found)
    return f"{count:,} pixels ({count / _count_pixels(looks):.2g} of all) in {len(found):,} masks"


def _name_all(found: Found) -> str:
    return name_some(code for code, _ in sum((codes for _, codes in found), Counter[str]()).most_common())


def _count_pixels(looks: Sequence[Look]) -> int:
    return sum(look.num_pixels for look in looks)

"""From what masks hold to what it means: the rule by which codes become class indices."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.masks.classes import MAX_INFERRED, codes_of, infer_classes
from finesight.data.masks.codes import grey_of, pack_one, parse_colour, spell
from finesight.data.masks.looks import Look, MaskRule, to_colour
from finesight.data.masks.mapped import make_mapped_rule
from finesight.data.masks.notes import note_reading, note_shift, note_strays, note_unused, unknown_share
from finesight.data.masks.palettes import (
    GIVE_COLOURS,
    are_colours,
    find_conflict,
    find_moved,
    ignored_colours,
    refuse_unclear,
)
from finesight.data.masks.values import (
    INTEGER,
    check_scales,
    explain_smooth,
    explain_unknown,
    find_areas,
    find_values,
    join_near,
    match_values,
    name_some,
    value_of,
)
from finesight.errors import DataError

MOST_JOINED = 0.01  # of a mask's pixels that a tolerance may add to a class where nothing is smooth

__all__ = ["MAX_INFERRED", "apply_rule", "choose_rule"]


@dataclass(frozen=True)
class Ignored:
    """What data.ignore names. class_name: a class of the list, if it names one."""

    values: frozenset[int] = frozenset()
    colours: frozenset[str] = frozenset()  # as `spell` writes them
    class_name: str = ""


def choose_rule(
    looks: Sequence[Look], classes: ClassList | None, settings: DataSettings
) -> tuple[MaskRule, ClassList, tuple[str, ...]]:
    """(rule, class list, notes worth printing) for masks that were looked at.

    Without `classes` the colours or values found are the classes. data.ignore, data.unmapped_fraction and
    data.colour_tolerance are read. Raises DataError that names files and what they hold.
    """
    ignored = parse_ignored(settings.ignore, classes)
    if classes is None:
        classes = infer_classes(looks, ignored.values | ignored.colours, settings)
    elif ignored.class_name:
        classes = dataclasses.replace(classes, ignore=classes.index(ignored.class_name))
    if len(classes) > IGNORE_INDEX:
        raise DataError(f"Masks can hold {IGNORE_INDEX} classes; the class list has {len(classes):,}.")
    if classes.mapping:
        rule = make_mapped_rule(classes, ignored.values | ignored.colours, settings.colour_tolerance)
    else:
        rule = _make_rule(looks, classes, ignored, settings)
    _refuse_joined(looks, rule)
    notes = (*_note_needless(looks, ignored), *note_shift(looks, rule, classes))
    return rule, classes, (*apply_rule(looks, rule, classes, settings), *notes)


def apply_rule(looks: Sequence[Look], rule: MaskRule, classes: ClassList, settings: DataSettings) -> tuple[str, ...]:
    """Notes on masks that are read by a rule that is given, a run's own: nothing is inferred from them.

    Raises DataError where more pixels than data.unmapped_fraction allows hold a colour or value that the rule does not
    name, and where palettes contradict each other.
    """
    conflict = find_conflict(looks) or (find_moved(looks, rule.palette) if rule.palette else "")
    if conflict and rule.palette_as == "value":
        raise DataError(f"The palettes of the masks differ ({conflict}): {GIVE_COLOURS}.")
    strays = note_strays(looks, rule, settings.unmapped_fraction)
    return (*strays, *note_reading(looks, rule), *note_unused(looks, rule, classes))


def parse_ignored(ignore: object, classes: ClassList | None) -> Ignored:
    """data.ignore: a class, a value, a colour, or a list of those, as a tuple or with commas. Raises DataError."""
    known = () if classes is None else classes.ids + classes.names
    texts = [str(each).strip() for each in (ignore if isinstance(ignore, list | tuple) else [ignore])]
    if len(texts) == 1 and texts[0] not in known:
        texts = [text.strip() for text in texts[0].split(",")]
    names = [text for text in texts if text in known and text]
    if len(names) > 1:
        raise DataError(f"data.ignore names the classes {' and '.join(names)}; at most one of the class list can be.")
    others = [text for text in texts if text and text not in known]
    for text in others:
        if not re.fullmatch("#[0-9A-Fa-f]{6}", text) and not INTEGER.fullmatch(text):
            raise DataError(f"data.ignore = {text[:40]!r} is not a class, a value or a colour such as #ff0000.")
    colours = frozenset(text.lower() for text in others if text.startswith("#"))
    return Ignored(frozenset(int(t) for t in others if not t.startswith("#")), colours, names[0] if names else "")


def _note_needless(looks: Sequence[Look], ignored: Ignored) -> list[str]:
    """What data.ignore names and no mask holds."""
    values = {value_of(each, code) for each in looks for code in each.counts}
    colours = {spell(to_colour(each, code)) for each in looks for code in codes_of(each) if to_colour(each, code) >= 0}
    needless = [*map(str, sorted(ignored.values - values)), *sorted(ignored.colours - colours)]
    return [f"data.ignore names {name_some(needless)}, which no mask holds."] if needless else []


def _make_rule(looks: Sequence[Look], classes: ClassList, ignored: Ignored, settings: DataSettings) -> MaskRule:
    """Each kind of mask by what it holds: colours by colour, values by value, palettes by what they agree in."""
    tolerance = settings.colour_tolerance
    colours = _colour_table(looks, classes, ignored)
    if classes.colours is None:
        _refuse_colours(looks, settings.unmapped_fraction)
        values = _value_table(looks, classes, ignored, tolerance)
        greys = {value * 0x010101: index for value, index in values.items() if 0 <= value < 256}
        palette = {(value, colour) for each in looks for value, colour in each.palette.items()}
        shown = tuple(sorted(palette)) if not find_moved(looks) else ()  # a palette of one colour tells nothing
        return MaskRule(tuple(greys.items()), tuple(values.items()), "value", tolerance, shown)
    greys = {value: colours[value * 0x010101] for value in range(256) if value * 0x010101 in colours}
    by_colour = MaskRule(tuple(colours.items()), tuple(greys.items()), "colour", tolerance)
    palettes = [each for each in looks if each.kind == "palette"]
    plain = [each for each in looks if each.kind == "value"]
    limit = settings.unmapped_fraction
    unknown = unknown_share(palettes, by_colour) if palettes else 0.0
    if palettes and not are_colours(palettes, classes, ignored.values, unknown, limit):
        by_colour = dataclasses.replace(by_colour, palette_as="value")
        plain = plain + palettes
    if plain and unknown_share(plain, by_colour) <= limit:
        return by_colour
    if not plain and not all(map(INTEGER.fullmatch, classes.ids)):
        return by_colour
    values = _value_table(plain, classes, ignored, tolerance)
    return dataclasses.replace(by_colour, values=tuple(values.items()))


def _refuse_joined(looks: Sequence[Look], rule: MaskRule) -> None:
    """Raises DataError where data.colour_tolerance would make one class of two values of a mask that is not smooth."""
    for each in looks:
        if not rule.tolerance or each.kind != "value" or each.inner is not None or each.is_lossy:
            continue
        indices = {code: rule.find("value", code, {}) for code in codes_of(each) if rule.knows("value", code, {})}
        least = MOST_JOINED * sum(each.counts.values())
        near = [code for code in indices if not rule.names("value", code, {}) and each.counts[code] > least]
        for code in near:
            if same := [one for one in indices if one != code and indices[one] == indices[code]]:
                raise DataError(
                    f"data.colour_tolerance = {rule.tolerance} takes {same[0]} and {code} of mask {each.name} for one "
                    "class, and that mask is not smooth: do all masks write the same values? Save them alike."
                )


def _refuse_colours(looks: Sequence[Look], limit: float) -> None:
    """Raises DataError for masks that only colours could tell, where the class list has none."""
    lacking = f"but the class list has no colours: {GIVE_COLOURS}."
    for each in looks:
        colours = [code for code in codes_of(each) if each.kind == "colour" and grey_of(code) is None]
        if colours:
            areas = find_areas(looks, limit)
            what = f"Mask {each.name} holds the colour {spell(colours[0])}, {lacking}"
            raise DataError(explain_smooth(looks, areas) if areas else what)
    if conflict := find_conflict(looks):
        refuse_unclear(looks, conflict)
        raise DataError(f"The palettes of the masks differ ({conflict}), {lacking}")


def _colour_table(looks: Sequence[Look], classes: ClassList, ignored: Ignored) -> dict[int, int]:
    """Packed colour → class index; nothing but what is ignored for a class list without colours."""
    table = {pack_one(colour): _index(index, classes) for index, colour in enumerate(classes.colours or ())}
    missing = {each.nodata for each in looks if each.kind == "colour" and each.nodata is not None}
    if classes.colours is not None:
        missing |= ignored_colours(looks, ignored.values)
    table |= dict.fromkeys(missing - table.keys(), IGNORE_INDEX)
    return table | {parse_colour(text): IGNORE_INDEX for text in ignored.colours}


def _value_table(looks: Sequence[Look], classes: ClassList, ignored: Ignored, tolerance: int) -> dict[int, int]:
    """Value → class index; greys of RGB files are values, too. Raises DataError."""
    missing = {each.nodata for each in looks if each.kind != "colour" and each.nodata is not None}
    found = find_values(looks, ignored.values | missing)
    table = match_values(found, classes)
    unknown = found.keys() - table.keys()
    if unknown and tolerance:
        greys = {value * 0x010101: count for value, count in found.items() if value < 256}
        table = match_values({code & 255 for code in join_near(greys, tolerance)}, classes)
        unknown = {value for value in found if min(abs(value - known) for known in table) > tolerance}
    if unknown:
        check_scales(looks, found)
        raise explain_unknown(looks, found, table, classes)
    values = {value: _index(index, classes) for value, index in table.items()}
    values |= dict.fromkeys(missing - values.keys(), IGNORE_INDEX)
    return values | dict.fromkeys(ignored.values, IGNORE_INDEX)


def _index(index: int, classes: ClassList) -> int:
    return IGNORE_INDEX if index == classes.ignore else index

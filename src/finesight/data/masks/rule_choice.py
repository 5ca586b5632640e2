"""From what masks hold, the class list and the settings to the rule by which masks are read."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data import class_mapping
from finesight.data.masks.classes import MAX_INFERRED, infer_classes
from finesight.data.masks.codes import MAX_VALUE, colour_of, grey_of, pack_one, parse_colour, spell
from finesight.data.masks.looks import Look
from finesight.data.masks.named_rule import choose_named
from finesight.data.masks.notes import note_reading, note_shift, note_unmapped, note_unused, unknown_fraction
from finesight.data.masks.palettes import (
    GIVE_COLOURS,
    are_colours,
    find_conflict,
    find_moved,
    ignored_colours,
    refuse_unclear,
)
from finesight.data.masks.rule import MaskRule
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
    """(rule, class list, notes worth printing) for the masks of a data set.

    Without `classes` the colours or values found are the classes. data.ignore, data.unmapped_fraction and
    data.colour_tolerance are read. Raises DataError that names files and what they hold.
    """
    if any(look.kind == "name" for look in looks):
        rule, classes = choose_named(looks, classes, settings)
        return rule, classes, apply_rule(looks, rule, classes, settings)
    ignored = _parse_ignored(settings.ignore, classes)
    if classes is None:
        classes = infer_classes(looks, ignored.values | ignored.colours, settings)
    elif ignored.class_name:
        classes = dataclasses.replace(classes, ignore=classes.index(ignored.class_name))
    if len(classes) > IGNORE_INDEX:
        raise DataError(f"Masks can hold {IGNORE_INDEX} classes; the class list has {len(classes):,}.")
    if classes.mapping:
        rule = _make_mapped(classes, ignored, settings.colour_tolerance)
    else:
        rule = _make_rule(looks, classes, ignored, settings)
    _refuse_joined(looks, rule)
    notes = [*apply_rule(looks, rule, classes, settings)]
    held = {code for look in looks for code in map(look.value, look.counts)}
    shown = {spell(colour) for look in looks for colour in map(look.colour, look.codes) if colour >= 0}
    if needless := [*map(str, sorted(ignored.values - held)), *sorted(ignored.colours - shown)]:
        notes.append(f"data.ignore names {name_some(needless)}, which no mask holds.")
    return rule, classes, (*notes, *note_shift(looks, rule, classes))


def apply_rule(looks: Sequence[Look], rule: MaskRule, classes: ClassList, settings: DataSettings) -> tuple[str, ...]:
    """Notes on masks that are read by a rule that is given, a run's own: nothing is inferred from them.

    Raises DataError where more pixels than data.unmapped_fraction allows hold a colour or value that the rule does not
    name, and where palettes contradict each other.
    """
    conflict = find_conflict(looks) or (find_moved(looks, rule.palette) if rule.palette else "")
    if conflict and rule.palette_as == "value":
        raise DataError(f"The palettes of the masks differ ({conflict}): {GIVE_COLOURS}.")
    unmapped = note_unmapped(looks, rule, settings.unmapped_fraction)
    return (*unmapped, *note_reading(looks, rule), *note_unused(looks, rule, classes))


def _parse_ignored(ignore: object, classes: ClassList | None) -> Ignored:
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


def _make_mapped(classes: ClassList, ignored: Ignored, tolerance: int) -> MaskRule:
    """The rule of a class file that maps values or colours of masks to classes: merged, renamed, or dropped.

    Raises DataError where what is mapped is neither all values nor all colours.
    """
    targets: dict[str, str] = dict.fromkeys(map(str, ignored.values | ignored.colours), "") | dict(classes.mapping)
    by_colour = any(class_mapping.parse_colour(label) for label, _ in classes.mapping)
    table = {
        _read_code(label, by_colour): _index(classes.ids.index(target), classes) if target else IGNORE_INDEX
        for label, target in targets.items()
    }
    if by_colour:
        greys = {grey: index for code, index in table.items() if (grey := grey_of(code)) is not None}
        return MaskRule(tuple(table.items()), tuple(greys.items()), "colour", tolerance)
    return MaskRule(_as_greys(table), tuple(table.items()), "value")


def _read_code(label: str, by_colour: bool) -> int:
    """The value, or the packed colour, that a class file maps."""
    if by_colour and class_mapping.parse_colour(label):
        return parse_colour(label)
    if not by_colour and re.fullmatch("-?[0-9]{1,8}", label) and abs(int(label)) <= MAX_VALUE:
        return int(label)
    raise DataError(f"The class file maps {label!r}: of masks, from holds either their values or colours as #RRGGBB.")


def _make_rule(looks: Sequence[Look], classes: ClassList, ignored: Ignored, settings: DataSettings) -> MaskRule:
    """Each kind of mask by what it holds: colours by colour, values by value, palettes by what they agree in."""
    tolerance, limit = settings.colour_tolerance, settings.unmapped_fraction
    colours = _colour_table(looks, classes, ignored)
    if classes.colours is None:
        _refuse_colours(looks, limit)
        values = _value_table(looks, classes, ignored, tolerance)
        palette = {pair for look in looks for pair in look.palette.items()}
        shown = tuple(sorted(palette)) if not find_moved(looks) else ()  # a palette of one colour says nothing
        return MaskRule(_as_greys(values), tuple(values.items()), "value", tolerance, shown)
    greys = {value: colours[colour_of(value)] for value in range(256) if colour_of(value) in colours}
    by_colour = MaskRule(tuple(colours.items()), tuple(greys.items()), "colour", tolerance)
    palettes = [look for look in looks if look.kind == "palette"]
    plain = [look for look in looks if look.kind == "value"]
    unknown = unknown_fraction(palettes, by_colour) if palettes else 0.0
    if palettes and not are_colours(palettes, classes, ignored.values, unknown, limit):
        by_colour = dataclasses.replace(by_colour, palette_as="value")
        plain += palettes
    if plain and unknown_fraction(plain, by_colour) <= limit:
        return by_colour
    if not plain and not all(map(INTEGER.fullmatch, classes.ids)):
        return by_colour
    return dataclasses.replace(by_colour, values=tuple(_value_table(plain, classes, ignored, tolerance).items()))


def _refuse_joined(looks: Sequence[Look], rule: MaskRule) -> None:
    """Raises DataError where data.colour_tolerance would make one class of two values of a mask that is not smooth."""
    for look in looks:
        if not rule.tolerance or look.kind != "value" or look.inner is not None or look.is_lossy:
            continue
        indices = {code: rule.find(look, code) for code in look.codes if rule.knows(look, code)}
        least = MOST_JOINED * look.num_pixels
        near = [code for code in indices if not rule.names(look, code) and look.counts[code] > least]
        for code in near:
            if same := [one for one in indices if one != code and indices[one] == indices[code]]:
                raise DataError(
                    f"data.colour_tolerance = {rule.tolerance} takes {same[0]} and {code} of mask {look.name} for one "
                    "class, and that mask is not smooth: do all masks write the same values? Save them alike."
                )


def _refuse_colours(looks: Sequence[Look], limit: float) -> None:
    """Raises DataError for masks whose classes only colours distinguish, where the class list has none."""
    lacking = f"but the class list has no colours: {GIVE_COLOURS}."
    for look in looks:
        colours = [code for code in look.codes if look.kind == "colour" and grey_of(code) is None]
        if colours:
            areas = find_areas(looks, limit)
            what = f"Mask {look.name} holds the colour {spell(colours[0])}, {lacking}"
            raise DataError(explain_smooth(looks, areas) if areas else what)
    if conflict := find_conflict(looks):
        refuse_unclear(looks, conflict)
        raise DataError(f"The palettes of the masks differ ({conflict}), {lacking}")


def _colour_table(looks: Sequence[Look], classes: ClassList, ignored: Ignored) -> dict[int, int]:
    """Packed colour → class index; only what is ignored for a class list without colours."""
    table = {pack_one(colour): _index(index, classes) for index, colour in enumerate(classes.colours or ())}
    missing = {look.nodata for look in looks if look.kind == "colour" and look.nodata is not None}
    if classes.colours is not None:
        missing |= ignored_colours(looks, ignored.values)
    table |= dict.fromkeys(missing - table.keys(), IGNORE_INDEX)
    return table | {parse_colour(text): IGNORE_INDEX for text in ignored.colours}


def _value_table(looks: Sequence[Look], classes: ClassList, ignored: Ignored, tolerance: int) -> dict[int, int]:
    """Value → class index; greys of RGB files are values, too. Raises DataError."""
    missing = {look.nodata for look in looks if look.kind != "colour" and look.nodata is not None}
    found = find_values(looks, ignored.values | missing)
    table = match_values(found, classes)
    unknown = found.keys() - table.keys()
    if unknown and tolerance:
        greys = {colour_of(value): count for value, count in found.items() if value < 256}
        table = match_values({code & 255 for code in join_near(greys, tolerance)}, classes)
        unknown = {value for value in found if min(abs(value - known) for known in table) > tolerance}
    if unknown:
        check_scales(looks, found)
        raise explain_unknown(looks, found, table, classes)
    values = {value: _index(index, classes) for value, index in table.items()}
    values |= dict.fromkeys(missing - values.keys(), IGNORE_INDEX)
    return values | dict.fromkeys(ignored.values, IGNORE_INDEX)


def _as_greys(table: dict[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((colour_of(value), index) for value, index in table.items() if colour_of(value) >= 0)


def _index(index: int, classes: ClassList) -> int:
    return IGNORE_INDEX if index == classes.ignore else index

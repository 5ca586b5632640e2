"""From what masks hold to what it means: the class list and the rule by which codes become class indices."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from finesight.classes import IGNORE_INDEX, ClassList, Colour, natural_key
from finesight.config import DataSettings
from finesight.data.masks import NUM_VALUES, Look, MaskRule, list_problems, pack, spell, total_counts, unpack
from finesight.errors import DataError

MAX_INFERRED = 64  # more different codes than that are no classes
MOST_NAMED = 5  # colours or values that a sentence names


def choose_rule(
    looks: Sequence[Look], classes: ClassList | None, settings: DataSettings
) -> tuple[MaskRule, ClassList, tuple[str, ...]]:
    """(rule, class list, notes worth printing) for masks that were looked at.

    Without `classes` the colours or values found are the classes. data.ignore, data.stray_share and
    data.colour_tolerance are read. Raises DataError that names files and what they hold.
    """
    ignored = _ignored_code(settings.ignore, classes)
    if classes is None:
        classes = _infer_classes(looks, ignored, settings)
    elif ignored is None and settings.ignore != "":
        classes = dataclasses.replace(classes, ignore=classes.index(str(settings.ignore)))
    if len(classes) > IGNORE_INDEX:
        raise DataError(f"Masks can hold {IGNORE_INDEX} classes; the class list has {len(classes):,}.")
    by_colour = classes.colours is not None and _are_colours(looks, classes.colours)
    rule = (
        _read_colours(looks, classes, ignored, settings.colour_tolerance)
        if by_colour
        else _read_values(looks, classes, ignored)
    )
    return rule, classes, apply_rule(looks, rule, classes, settings)


def apply_rule(looks: Sequence[Look], rule: MaskRule, classes: ClassList, settings: DataSettings) -> tuple[str, ...]:
    """Notes on masks that are read by a rule that is given, a run's own: nothing is inferred from them.

    Raises DataError where more pixels than data.stray_share allows hold a colour or value that the rule does not name.
    """
    return (*_report_strays(looks, rule, settings.stray_share), *_compare(looks, rule, classes))


def _ignored_code(ignore: int | str, classes: ClassList | None) -> int | str | None:
    """The value (int) or colour (`#ff0000`) that data.ignore names; None where it names a class, or nothing."""
    text = str(ignore).strip()
    known = () if classes is None else classes.ids + classes.names
    if not text or text in known:
        return None
    if re.fullmatch("#[0-9A-Fa-f]{6}", text):
        return text.lower()
    if re.fullmatch("[0-9]{1,5}", text):
        return int(text)
    raise DataError(f"data.ignore = {ignore!r} is no class, no value and no colour such as #ff0000.")


def _are_colours(looks: Sequence[Look], colours: Sequence[Colour]) -> bool:
    """Whether masks are read by colour where the class list has colours: not if all are values that are no colours."""
    if any(look.kind == "colour" for look in looks):
        return True
    if any(code > 255 for look in looks for code in look.counts):  # of a 16-bit mask: no grey that a colour can name
        return False
    known = set(pack(np.array(colours)).tolist())
    return set(total_counts(looks, ("palette", "value"), as_colours=True)) <= known


def _read_colours(looks: Sequence[Look], classes: ClassList, ignored: int | str | None, tolerance: int) -> MaskRule:
    codes: list[int] = pack(np.array(classes.colours)).tolist()
    table = {code: _index(index, classes) for index, code in enumerate(codes)}
    if isinstance(ignored, str):
        table[_parse(ignored)] = IGNORE_INDEX
    found = set(total_counts(looks, ("colour", "palette", "value"), as_colours=True))
    strays = found - set(table)
    if tolerance:
        table |= {code: index for code in strays if (index := _nearest(code, table, tolerance)) is not None}
    greys = {value: table[code] for value in range(256) if (code := value * 0x010101) in table}
    return MaskRule(tuple(table.items()), tuple(greys.items()), "colour")


def _nearest(code: int, table: Mapping[int, int], tolerance: int) -> int | None:
    distances = {known: max(abs(a - b) for a, b in zip(unpack(code), unpack(known), strict=True)) for known in table}
    nearest = min(distances, key=lambda known: distances[known])
    return table[nearest] if distances[nearest] <= tolerance else None


def _read_values(looks: Sequence[Look], classes: ClassList, ignored: int | str | None) -> MaskRule:
    """The rule for masks whose values are classes; greys of RGB files are values, too. Raises DataError."""
    for each in looks:
        if each.kind == "colour" and (code := next((c for c in each.counts if _grey(c) is None), None)) is not None:
            raise DataError(
                f"Mask {each.name} holds the colour {spell(code)}, but the class list has no colours: "
                "give each class its colour."
            )
    found = {value for each in looks for code in each.counts if (value := _value(each, code)) != ignored}
    table = _match_values(found, classes)
    unknown = found - set(table)
    if unknown:
        value, last = min(unknown), max(table)
        name = next(each.name for each in looks if value in {_value(each, code) for code in each.counts})
        raise DataError(
            f"Mask {name} holds value {value}; the class list ends at {last}. "
            f"Add the class or set data.ignore = {value}."
        )
    values = {value: _index(index, classes) for value, index in table.items()}
    if isinstance(ignored, int):
        values[ignored] = IGNORE_INDEX
    greys = {value * 0x010101: index for value, index in values.items() if value < 256}
    return MaskRule(tuple(greys.items()), tuple(values.items()), "value")


def _match_values(found: set[int], classes: ClassList) -> dict[int, int]:
    """Value → class index: by ids that are numbers, else 0..C-1, else 1..C, else 0/255 for two classes."""
    if all(re.fullmatch("[0-9]+", id_) for id_ in classes.ids):
        table = {int(id_[-9:]): index for index, id_ in enumerate(classes.ids)}
        if max(table) >= NUM_VALUES or len(table) < len(classes) or max(map(len, classes.ids)) > 9:
            raise DataError(f"Class ids that are numbers are values of masks: different ones up to {NUM_VALUES - 1}.")
        return table
    count = len(classes)
    if count == 2 and found == {0, 255}:
        return {0: 0, 255: 1}
    first = 1 if found and min(found) >= 1 and max(found) == count else 0
    return {first + index: index for index in range(count)}


def _infer_classes(looks: Sequence[Look], ignored: int | str | None, settings: DataSettings) -> ClassList:
    """The colours, or else the values, that masks hold. Rare colours are strays, not classes. Raises DataError."""
    coloured = any(each.kind == "colour" and any(_grey(code) is None for code in each.counts) for each in looks)
    if coloured:
        total = total_counts(looks, ("colour", "palette", "value"), as_colours=True)
        pixels = total.total()
        codes = [code for code, count in total.items() if count >= settings.stray_share * pixels]
        names = sorted((spell(code) for code in codes if spell(code) != ignored), key=natural_key)
        colours = tuple(unpack(_parse(name)) for name in names)
        _check_inferred(looks, len(names), "colours")
        return ClassList(tuple(names), tuple(names), colours)
    values = sorted({value for each in looks for code in each.counts if (value := _value(each, code)) != ignored})
    _check_inferred(looks, len(values), "values")
    if values[-1] == 255 and len(values) > 2:
        name = next(each.name for each in looks if 255 in {_value(each, code) for code in each.counts})
        raise DataError(
            f"Mask {name} holds value 255 and the other values end at {values[-2]}: usually a border that counts "
            "nowhere. Set data.ignore = 255, or list it as a class in data.classes."
        )
    ids = tuple(map(str, values))
    palette = {code: colour for each in looks for code, colour in each.palette.items()}
    colours = tuple(unpack(palette[value]) for value in values) if set(values) <= set(palette) else ()
    return ClassList(ids, ids, colours if len(set(colours)) == len(values) else None)


def _check_inferred(looks: Sequence[Look], count: int, what: str) -> None:
    if count > MAX_INFERRED:
        worst = max(looks, key=lambda each: len(each.counts))
        raise DataError(
            f"The masks hold {count:,} different {what} ({worst.name} alone {len(worst.counts):,}): blurred or "
            "saved as JPEG? Name the classes with data.classes; data.colour_tolerance forgives small differences."
        )
    if count < 2:
        raise DataError(f"The masks hold {count} class; two at least are needed, in {what} that differ.")


def _report_strays(looks: Sequence[Look], rule: MaskRule, limit: float) -> list[str]:
    """A note on pixels of which the rule knows nothing. Raises DataError where they are too many."""
    by_file = []  # two masks of different folders may have one name
    for each in looks:
        found = Counter(
            {_spell(each, code): n for code, n in each.counts.items() if not rule.names(each.kind, code, each.palette)}
        )
        if found:
            by_file.append((each.name, found))
    if not by_file:
        return []
    codes = sum((found for _, found in by_file), Counter[str]())
    share = codes.total() / sum(sum(each.counts.values()) for each in looks)
    what = (
        f"{codes.total():,} pixels ({share:.2g} of all) in {len(by_file):,} masks are of a colour or value that is no "
        f"class ({_name_some([code for code, _ in codes.most_common()])})"
    )
    lines = [
        f"{name}: {_name_some([f'{n:,} of {code}' for code, n in found.most_common()])}" for name, found in by_file
    ]
    if share > limit:
        advice = "add the class, or allow as much with data.stray_share, or data.colour_tolerance:"
        raise DataError(list_problems(f"{what}: {advice}", lines))
    return [list_problems(f"{what}; they count nowhere:", lines)]


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _spell(each: Look, code: int) -> str:
    """A code as its file means it."""
    return spell(code) if each.kind == "colour" else str(code)


def _compare(looks: Sequence[Look], rule: MaskRule, classes: ClassList) -> list[str]:
    """Notes on classes without a pixel."""
    present = {rule.find(each.kind, code, each.palette) for each in looks for code in each.counts}
    absent = [name for i, name in enumerate(classes.names) if i not in present and i != classes.ignore]
    return [f"Without a pixel in any mask: {', '.join(map(repr, absent))}."] if absent else []


def _index(index: int, classes: ClassList) -> int:
    return IGNORE_INDEX if index == classes.ignore else index


def _value(each: Look, code: int) -> int:
    """A code as a value; that of a grey RGB pixel is its level."""
    grey = _grey(code) if each.kind == "colour" else code
    return -1 if grey is None else grey


def _grey(code: int) -> int | None:
    red, green, blue = unpack(code)
    return red if red == green == blue else None


def _parse(colour: str) -> int:
    return int(pack(np.array(list(bytes.fromhex(colour.removeprefix("#"))))))

"""The rule of masks whose values or colours a class file maps to classes: merged, renamed, or dropped and ignored."""

import re
from collections.abc import Iterable

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.data.class_mapping import parse_colour
from finesight.data.masks.codes import MAX_VALUE, colour_of, grey_of, pack_one
from finesight.data.masks.looks import MaskRule
from finesight.errors import DataError


def make_mapped_rule(classes: ClassList, ignored: Iterable[int | str], tolerance: int) -> MaskRule:
    """ignored: values, and colours as #rrggbb, that count nowhere. tolerance: of a colour's channels.

    Raises DataError where what is mapped is neither all values nor all colours.
    """
    targets: dict[str, str] = dict.fromkeys(map(str, ignored), "") | dict(classes.mapping)
    by_colour = any(map(parse_colour, dict(classes.mapping)))
    table = {_read_code(label, by_colour): _index(target, classes) for label, target in targets.items()}
    if by_colour:
        greys = {grey: index for code, index in table.items() if (grey := grey_of(code)) is not None}
        return MaskRule(tuple(table.items()), tuple(greys.items()), "colour", tolerance)
    as_colours = {colour: index for value, index in table.items() if (colour := colour_of(value)) >= 0}
    return MaskRule(tuple(as_colours.items()), tuple(table.items()), "value")


def _read_code(label: str, by_colour: bool) -> int:
    """The value, or the packed colour."""
    colour = parse_colour(label)
    if colour is not None and by_colour:
        return pack_one(colour)
    if not by_colour and re.fullmatch("-?[0-9]{1,8}", label) and abs(int(label)) <= MAX_VALUE:
        return int(label)
    raise DataError(f"The class file maps {label!r}: of masks, from holds either their values or colours as #RRGGBB.")


def _index(target: str, classes: ClassList) -> int:
    index = classes.ids.index(target) if target else IGNORE_INDEX
    return IGNORE_INDEX if index == classes.ignore else index

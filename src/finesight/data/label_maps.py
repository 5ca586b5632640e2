"""labelmap.txt, in which CVAT and VOC exports name the colours of their masks: `name:r,g,b:parts:actions` a line."""

import re

from finesight.classes import ClassList, Colour, compose
from finesight.errors import DataError

LINE = re.compile(r"(?P<name>[^:]+):(?P<colour>\s*[0-9]+\s*,\s*[0-9]+\s*,\s*[0-9]+\s*)?:[^:]*:[^:]*")
IGNORED = ("ignored", (224, 224, 192))  # the border of objects in VOC 2012, which is no class


def parse_label_map(text: str) -> ClassList | None:
    """None for a text that is not of this form. Labels without colours have those of VOC, in the order of lines."""
    lines = [line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#")]
    found = [LINE.fullmatch(line) for line in lines]
    matches = [match for match in found if match]
    if not matches or len(matches) < len(found):
        return None
    names = tuple(compose(match["name"].strip()) for match in matches)
    colours = [_read_colour(match["colour"]) if match["colour"] else None for match in matches]
    if None in colours and any(colours):
        raise DataError(f"Label {names[colours.index(None)]!r} of a label map has no colour, but others have.")
    known = tuple(voc_colour(index) if colour is None else colour for index, colour in enumerate(colours))
    pairs = list(zip(names, known, strict=True))
    return ClassList(names, names, known, pairs.index(IGNORED) if IGNORED in pairs else None)


def voc_colour(index: int) -> Colour:
    """The colour map of the VOC development kit: bits 0, 3, 6 … of the index are the high bits of red, and so on."""
    red, green, blue = (
        sum(((index >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


def _read_colour(text: str) -> Colour:
    red, green, blue = map(int, text.split(","))
    return red, green, blue

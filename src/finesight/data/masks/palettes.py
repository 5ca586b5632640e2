"""Palettes of masks: whether the same value has the same colour in all of them, and which of both is meant."""

from collections.abc import Collection, Iterable, Sequence

from finesight.classes import ClassList
from finesight.data.masks.codes import colour_of, pack_one, spell
from finesight.data.masks.looks import Look
from finesight.errors import DataError

GIVE_COLOURS = "give each class its colour, such as a CSV with name,r,g,b"


def find_conflict(looks: Sequence[Look]) -> str:
    """The rest of a sentence on two masks whose palettes differ in what they show; "" where there are none.

    Only values that occur are compared: palettes may be longer in one mask than in another.
    """
    colours: dict[int, tuple[int, str]] = {}
    values: dict[int, tuple[int, str]] = {}
    is_one_to_one = not any(map(_repeats_colour, looks))
    for look in looks:
        for value, colour in look.palette.items():
            known, name = colours.setdefault(value, (colour, look.name))
            if known != colour:
                return f"value {value} is {spell(known)} in {name} and {spell(colour)} in {look.name}"
            before, name = values.setdefault(colour, (value, look.name))
            if before != value and is_one_to_one:
                return f"{spell(colour)} is value {before} in {name} and {value} in {look.name}"
    return ""


def find_moved(looks: Sequence[Look], known: Iterable[tuple[int, int]] = ()) -> str:
    """The rest of a sentence on a colour of the palettes that two values have; "" where there is none.

    known: (value, colour) pairs beside those of the masks.
    """
    values = {colour: value for value, colour in known}
    for look in looks:
        for value, colour in look.palette.items():
            if (before := values.setdefault(colour, value)) != value:
                return f"{spell(colour)} is value {before} in others and {value} in {look.name}"
    return ""


def refuse_unclear(looks: Sequence[Look], conflict: str) -> None:
    """Raises DataError where palettes differ and one of them gives two of its values the same colour."""
    if unclear := next(filter(_repeats_colour, looks), None):
        raise DataError(
            f"The palettes of the masks differ ({conflict}), and {unclear.name} gives two of its values the same "
            "colour: neither says what a pixel is. Save the masks as values without palettes, or as RGB."
        )


def _repeats_colour(look: Look) -> bool:
    return len(set(look.palette.values())) < len(look.palette)


def ignored_colours(looks: Sequence[Look], values: Collection[int]) -> set[int]:
    """What ignored values look like: in palettes their colour, in colours their grey.

    Raises DataError where palettes differ.
    """
    if values and (conflict := find_conflict(looks)):
        raise DataError(
            f"data.ignore = {min(values)} names a value, but the palettes of the masks differ ({conflict}): name its "
            "colour, such as #ff0000."
        )
    shown = {look.palette[value] for look in looks for value in look.palette.keys() & set(values)}
    has_colours = any(look.kind == "colour" for look in looks)
    return shown | ({colour_of(value) for value in values} - {-1} if has_colours else set())


def are_colours(
    looks: Sequence[Look], classes: ClassList, ignored: Collection[int], unknown: float, limit: float
) -> bool:
    """Whether palettes are read by colour where the class list has colours.

    unknown: fraction of their pixels whose colours are not a class. Where that is more than `limit`, the palette may be
    for show: values are read, unless a colour that is a class contradicts them. ignored: values that are ignored; if
    one has the colour of a class, values are read, too.
    """
    assert classes.colours is not None
    if find_conflict(looks):
        return True
    colours = list(map(pack_one, classes.colours))
    if ignored_colours(looks, ignored) & set(colours):
        return False
    if unknown <= limit:
        return True
    is_numbered = all(id_.isdigit() for id_ in classes.ids)
    values = dict(zip(colours, map(int, classes.ids) if is_numbered else range(len(classes)), strict=True))
    return any(values.get(colour, value) != value for look in looks for value, colour in look.palette.items())


def palette_colours(looks: Sequence[Look], values: Sequence[int]) -> tuple[int, ...] | None:
    """The colour of each value, where palettes give each its own."""
    known = {value: colour for look in looks for value, colour in look.palette.items()}
    colours = {known[value] for value in values if value in known}
    return tuple(known[value] for value in values) if len(colours) == len(values) else None

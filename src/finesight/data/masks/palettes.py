"""Palettes of masks: whether the same value has the same colour in all of them, and which of both is meant."""

from collections.abc import Collection, Iterable, Mapping, Sequence

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
    shown = [each for each in looks if each.kind == "palette"]
    is_telling = all(len(set(each.palette.values())) == len(each.palette) for each in shown)
    for each in shown:
        for value, colour in each.palette.items():
            known, name = colours.setdefault(value, (colour, each.name))
            if known != colour:
                return f"value {value} is {spell(known)} in {name} and {spell(colour)} in {each.name}"
            before, name = values.setdefault(colour, (value, each.name))
            if before != value and is_telling:
                return f"{spell(colour)} is value {before} in {name} and {value} in {each.name}"
    return ""


def find_moved(looks: Sequence[Look], known: Iterable[tuple[int, int]] = ()) -> str:
    """The rest of a sentence on a colour of the palettes that is that of two values; "" where there is none.

    known: (value, colour) pairs beside those of the masks.
    """
    values = {colour: value for value, colour in known}
    for each in looks:
        for value, colour in each.palette.items():
            if (before := values.setdefault(colour, value)) != value:
                return f"{spell(colour)} is value {before} in others and {value} in {each.name}"
    return ""


def refuse_unclear(looks: Sequence[Look], conflict: str) -> None:
    """Raises DataError where palettes differ and one of them gives two of its values the same colour."""
    for each in looks:
        if each.kind == "palette" and len(set(each.palette.values())) < len(each.palette):
            raise DataError(
                f"The palettes of the masks differ ({conflict}), and {each.name} gives two of its values the same "
                "colour: neither says what a pixel is. Save the masks as values without palettes, or as RGB."
            )


def ignored_colours(looks: Sequence[Look], values: Collection[int]) -> set[int]:
    """What values that count nowhere look like: in palettes their colour, in colours their grey.

    Raises DataError where palettes differ.
    """
    if values and (conflict := find_conflict(looks)):
        raise DataError(
            f"data.ignore = {min(values)} names a value, but the palettes of the masks differ ({conflict}): name its "
            "colour, such as #ff0000."
        )
    shown = {each.palette[value] for each in looks for value in each.palette.keys() & set(values)}
    has_colours = any(each.kind == "colour" for each in looks)
    return shown | ({colour_of(value) for value in values} - {-1} if has_colours else set())


def are_colours(
    looks: Sequence[Look], classes: ClassList, ignored: Collection[int], unknown: float, limit: float
) -> bool:
    """Whether palettes are read by colour where the class list has colours.

    unknown: share of their pixels whose colours are no class. Where that is more than `limit`, the palette may be for
    show: values are read, unless a colour that is a class contradicts them. ignored: values that count nowhere; if one
    has the colour of a class, values are read, too.
    """
    assert classes.colours is not None
    if find_conflict(looks):
        return True
    if ignored_colours(looks, ignored) & set(map(pack_one, classes.colours)):
        return False
    if unknown <= limit:
        return True
    is_numbered = all(id_.isdigit() for id_ in classes.ids)
    values = {
        pack_one(colour): int(id_) if is_numbered else index
        for index, (id_, colour) in enumerate(zip(classes.ids, classes.colours, strict=True))
    }
    return any(
        values[colour] != value
        for each in looks
        if each.kind == "palette"
        for value, colour in each.palette.items()
        if colour in values
    )


def palette_colours(looks: Sequence[Look], values: Sequence[int]) -> tuple[int, ...] | None:
    """The colour of each value, where palettes tell them all and tell them apart."""
    known: Mapping[int, int] = {value: colour for each in looks for value, colour in each.palette.items()}
    colours = tuple(known[value] for value in values if value in known)
    return colours if len(set(colours)) == len(values) else None

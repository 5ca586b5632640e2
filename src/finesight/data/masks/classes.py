"""The classes of masks without a class list: their colours, or else their values."""

from collections import Counter
from collections.abc import Collection, Sequence

from finesight.classes import ClassList, natural_key
from finesight.config import DataSettings
from finesight.data.masks.codes import NODATA, grey_of, spell, unpack
from finesight.data.masks.looks import Look, count_colours
from finesight.data.masks.palettes import GIVE_COLOURS, find_conflict, ignored_colours, palette_colours, refuse_unclear
from finesight.data.masks.values import (
    check_scales,
    check_sentinels,
    explain_smooth,
    find_areas,
    find_values,
    join_near,
    name_some,
)
from finesight.errors import DataError

MAX_INFERRED = 64  # more different codes than that are not classes


def infer_classes(looks: Sequence[Look], ignored: Collection[int | str], settings: DataSettings) -> ClassList:
    """The colours, or else the values, that masks hold; rare colours are not classes.

    Raises DataError where masks contradict each other, such as colours in some and values in others.
    """
    conflict = find_conflict(looks)
    if conflict:
        refuse_unclear(looks, conflict)
    coloured = any(look.kind == "colour" and any(grey_of(code) is None for code in look.codes) for look in looks)
    if coloured or conflict or _shows_greys(looks):
        return _infer_colours(looks, ignored, settings)
    return _infer_values(looks, ignored, settings)


def _shows_greys(looks: Sequence[Look]) -> bool:
    """Whether masks without palettes hold levels that are colours of the palettes of others, but none of their values:
    0 and 255 beside 0 and 1 shown as black and white."""
    values = {value for look in looks for value in look.palette}
    colours = {colour for look in looks for colour in look.palette.values()}
    plain = {(code, look.colour(code)) for look in looks if look.kind == "value" for code in look.codes}
    return bool(values and plain) and not {v for v, _ in plain} <= values and {c for _, c in plain} <= colours


def _infer_colours(looks: Sequence[Look], ignored: Collection[int | str], settings: DataSettings) -> ClassList:
    total = count_colours(looks, "colour", "palette")
    missing = {look.colour(look.nodata) for look in looks if look.nodata is not None}
    missing |= ignored_colours(looks, [value for value in ignored if isinstance(value, int)])
    for look in looks:
        if look.kind == "value" and (others := [code for code in look.codes if look.colour(code) not in total]):
            raise DataError(
                f"Mask {look.name} holds values ({name_some(map(str, sorted(others)))}) where other masks hold colours "
                f"({name_some(map(spell, sorted(total)))}): which is which? Name the classes with --classes "
                f"(data.classes), and {GIVE_COLOURS}."
            )
    total += count_colours(looks, "value")
    limit = settings.unmapped_fraction * total.total()
    found = {code: n for code, n in total.items() if n >= limit and code not in missing and spell(code) not in ignored}
    if settings.colour_tolerance:
        found = {code: found[code] for code in join_near(found, settings.colour_tolerance)}
    _check(looks, len(found) if len(found) > 1 else len(total), "colours", settings)
    codes = sorted(found, key=lambda code: natural_key(spell(code)))
    names = tuple(map(spell, codes))
    return ClassList(names, names, tuple(map(unpack, codes)))


def _infer_values(looks: Sequence[Look], ignored: Collection[int | str], settings: DataSettings) -> ClassList:
    tagged = {look.nodata for look in looks if look.nodata is not None}
    found = find_values(looks, {*ignored, *tagged})
    check_scales(looks, found)
    has_palettes = any(look.kind == "palette" for look in looks)
    if settings.colour_tolerance and not has_palettes and (areas := find_areas(looks)):
        greys = {code: found[code & 255] for code in areas if code & 255 in found}
        found = Counter({code & 255: greys[code] for code in join_near(greys, settings.colour_tolerance)})
    _check(looks, len(found), "values", settings, tagged)
    check_sentinels(looks, found)
    values = sorted(found)
    ids = tuple(map(str, values))
    colours = palette_colours(looks, values)
    return ClassList(ids, ids, None if colours is None else tuple(map(unpack, colours)))


def _check(looks: Sequence[Look], count: int, what: str, settings: DataSettings, tagged: Collection[int] = ()) -> None:
    """Raises DataError for classes that are too many, too few, or colours between others."""
    least = settings.unmapped_fraction if what == "colours" else 0.0
    if not settings.colour_tolerance and (areas := find_areas(looks, least)):
        raise DataError(explain_smooth(looks, areas))
    if count > MAX_INFERRED:
        worst = max(looks, key=lambda look: len(look.counts))
        raise DataError(
            f"The masks hold {count:,} different {what} ({worst.name} alone {len(worst.counts):,}): blurred, saved as "
            "JPEG, or a value for each object? Name the classes with data.classes; data.colour_tolerance forgives "
            "small differences."
        )
    if count < 2:
        negative = {code for look in looks for code in look.counts if code < 0 and code != NODATA}
        values = name_some(map(str, sorted({*tagged, *negative})))
        why = f" Those that are negative or nodata ({values}) are ignored; if one is a class, list all in data.classes"
        why = f"{why}, with their values as ids." if values else ""
        raise DataError(f"The masks hold {count} class; two at least are needed, in {what} that differ.{why}")

"""The classes that masks themselves tell: their colours, or else their values."""

from collections import Counter
from collections.abc import Collection, Sequence

from finesight.classes import ClassList, natural_key
from finesight.config import DataSettings
from finesight.data.masks.codes import NODATA, grey_of, spell, unpack
from finesight.data.masks.looks import Look, to_colour, total_counts
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
    """The colours, or else the values, that masks hold. Rare colours are strays, not classes.

    Raises DataError where there is no telling, such as colours in some masks and values in others.
    """
    conflict = find_conflict(looks)
    if conflict:
        refuse_unclear(looks, conflict)
    coloured = any(each.kind == "colour" and any(grey_of(code) is None for code in codes_of(each)) for each in looks)
    if coloured or conflict or _shows_greys(looks):
        return _infer_colours(looks, ignored, settings)
    return _infer_values(looks, ignored, settings)


def codes_of(each: Look) -> list[int]:
    """What is there to be read: not what the file calls missing."""
    return [code for code in each.counts if code not in (NODATA, each.nodata)]


def _shows_greys(looks: Sequence[Look]) -> bool:
    """Whether masks without palettes hold levels that are colours of the palettes of others, but none of their values:
    0 and 255 beside 0 and 1 shown as black and white."""
    values = {value for each in looks for value in each.palette}
    colours = {colour for each in looks for colour in each.palette.values()}
    plain = {(code, to_colour(each, code)) for each in looks if each.kind == "value" for code in codes_of(each)}
    return bool(values and plain) and not {v for v, _ in plain} <= values and {c for _, c in plain} <= colours


def _infer_colours(looks: Sequence[Look], ignored: Collection[int | str], settings: DataSettings) -> ClassList:
    total = total_counts(looks, ("colour", "palette"), as_colours=True)
    missing = {to_colour(each, each.nodata) for each in looks if each.nodata is not None}
    missing |= ignored_colours(looks, [value for value in ignored if isinstance(value, int)])
    for each in looks:
        if each.kind == "value" and (others := [code for code in codes_of(each) if to_colour(each, code) not in total]):
            raise DataError(
                f"Mask {each.name} holds values ({name_some(map(str, sorted(others)))}) where other masks hold colours "
                f"({name_some(map(spell, sorted(total)))}): which is which? Name the classes with --classes "
                f"(data.classes), and {GIVE_COLOURS}."
            )
    total += total_counts(looks, ("value",), as_colours=True)
    limit = settings.unmapped_fraction * total.total()
    found = {code: n for code, n in total.items() if n >= limit and code not in missing and spell(code) not in ignored}
    if settings.colour_tolerance:
        found = {code: found[code] for code in join_near(found, settings.colour_tolerance)}
    _check(looks, len(found) if len(found) > 1 else len(total), "colours", settings)
    codes = sorted(found, key=lambda code: natural_key(spell(code)))
    names = tuple(map(spell, codes))
    return ClassList(names, names, tuple(map(unpack, codes)))


def _infer_values(looks: Sequence[Look], ignored: Collection[int | str], settings: DataSettings) -> ClassList:
    tagged = {each.nodata for each in looks if each.nodata is not None}
    found = find_values(looks, {*ignored, *tagged})
    check_scales(looks, found)
    has_palettes = any(each.kind == "palette" for each in looks)
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
    """Raises DataError for classes that cannot be so."""
    least = settings.unmapped_fraction if what == "colours" else 0.0
    if not settings.colour_tolerance and (areas := find_areas(looks, least)):
        raise DataError(explain_smooth(looks, areas))
    if count > MAX_INFERRED:
        worst = max(looks, key=lambda each: len(each.counts))
        raise DataError(
            f"The masks hold {count:,} different {what} ({worst.name} alone {len(worst.counts):,}): blurred, saved as "
            "JPEG, or a value for each object? Name the classes with data.classes; data.colour_tolerance forgives "
            "small differences."
        )
    if count < 2:
        negative = {code for each in looks for code in each.counts if code < 0 and code != NODATA}
        values = name_some(map(str, sorted({*tagged, *negative})))
        why = (
            f" Those that are negative or nodata ({values}) count nowhere; if one is a class, list all in data.classes"
        )
        why = f"{why}, with their values as ids." if values else ""
        raise DataError(f"The masks hold {count} class; two at least are needed, in {what} that differ.{why}")

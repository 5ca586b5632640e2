"""The rule for masks that name their classes: by name, whatever value a mask gives it."""

import dataclasses
from collections.abc import Collection, Sequence

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.masks.looks import Look
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.values import name_some
from finesight.errors import DataError, suggest


def choose_named(
    looks: Sequence[Look], classes: ClassList | None, settings: DataSettings
) -> tuple[MaskRule, ClassList]:
    """(rule, class list). Without `classes` they are the names, in the order in which masks list them.

    A mask's first name is that of pixels on which nothing was drawn: it is a class if any mask holds it. data.ignore
    is read. Raises DataError.
    """
    if others := [look.name for look in looks if look.kind != "name"]:
        raise DataError(f"Mask {others[0]!r} is a file, others are drawn from annotations: give data of one kind.")
    grounds = {look.names[0] for look in looks}
    held = {look.names[code] for look in looks for code in look.codes}
    listed = dict.fromkeys(name for look in looks for name in look.names)
    names = [name for name in listed if name in held or name not in grounds]
    ignored = _parse_ignored(settings.ignore, names)
    if classes is None:
        classes = _infer_classes([name for name in names if name not in ignored])
    indices = {name: index for name in names if (index := _find(name, classes)) is not None}
    if unknown := sorted(held - indices.keys() - ignored):
        raise _explain_unknown(unknown, grounds, classes)
    known = [index for name in ignored if (index := indices.get(name, IGNORE_INDEX)) != IGNORE_INDEX]
    if len(known) == 1:
        classes = dataclasses.replace(classes, ignore=known[0])
    left_out = {name for name, index in indices.items() if index == classes.ignore} | ignored
    return MaskRule(named=tuple(sorted((indices | dict.fromkeys(left_out, IGNORE_INDEX)).items()))), classes


def _parse_ignored(ignore: object, names: Collection[str]) -> set[str]:
    """data.ignore: a class, or a list of them, as a tuple or with commas. Raises DataError."""
    texts = [str(each).strip() for each in (ignore if isinstance(ignore, list | tuple) else [ignore])]
    if len(texts) == 1 and texts[0] not in names:
        texts = [text.strip() for text in texts[0].split(",")]
    for text in texts:
        if text and text not in names:
            hint = suggest(text, names, f"There are: {name_some(map(repr, names))}.")
            raise DataError(f"data.ignore = {text[:40]!r} is not a class of the annotations. {hint}")
    return {text for text in texts if text}


def _infer_classes(names: Sequence[str]) -> ClassList:
    if len(names) > IGNORE_INDEX:
        raise DataError(
            f"Masks can hold {IGNORE_INDEX} classes; the annotations have {len(names):,}. Merge some with --classes, a "
            "CSV file with the columns from,to."
        )
    if len(names) < 2:
        held = f"only {names[0]!r}" if names else "no class"
        raise DataError(f"The annotations hold {held}, and two classes at least are needed: annotate another class.")
    return ClassList(tuple(names), tuple(names))


def _find(name: str, classes: ClassList) -> int | None:
    """Index of the class of this id or name; IGNORE_INDEX where the class file drops it, None where it lacks it."""
    if classes.drops(name):
        return IGNORE_INDEX
    try:
        return classes.index(name)
    except DataError:
        return None


def _explain_unknown(unknown: Sequence[str], grounds: Collection[str], classes: ClassList) -> DataError:
    names = name_some(map(repr, unknown))
    start = f"The annotations hold {names}, which the class list of {len(classes)} classes lacks:"
    if set(unknown) <= set(grounds):
        return DataError(
            f"{start} no shape covers those pixels. Add the class, or leave them out with data.unannotated = ignore."
        )
    how = "with an empty to" if classes.mapping else "in a CSV file with the columns from,to and an empty to"
    return DataError(f"{start} add it, or drop it {how}.")

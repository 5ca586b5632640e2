"""Masks that hold what no class is."""

from collections.abc import Collection, Mapping
from pathlib import Path

from finesight.analysis.wording import count_of
from finesight.checks.data.contract import Example, Explanation, explain_if_any
from finesight.classes import IGNORE_INDEX
from finesight.data.audit import Inspection
from finesight.data.file_statistics import Stray, find_strays
from finesight.data.masks.looks import Look
from finesight.data.masks.notes import note_reading, note_shift, spell_code, unknown_codes
from finesight.data.masks.rule import MaskRule

MASKS_READ_AGAIN = 100  # to say where their stray pixels are


def find_stray_colours(inspection: Inspection) -> Explanation | None:
    """Where there are too many, there is no rule, and `find_unreadable_rule` speaks."""
    rule = inspection.rule
    if rule is None:
        return None
    found = {key: codes for key, look in inspection.looks.items() if (codes := unknown_codes(look, rule))}
    strays = {key: sum(codes.values()) for key, codes in found.items()}
    pixels = sum(sum(look.counts.values()) for look in inspection.looks.values())
    if not strays:
        return None
    total = sum(strays.values())
    examples = []
    for key in sorted(strays, key=lambda key: -strays[key])[:MASKS_READ_AGAIN]:
        mask = inspection.items[key].target
        assert isinstance(mask, Path)
        told = [_tell(stray, inspection.looks[key], rule) for stray in find_strays(mask, found[key])]
        examples.append(Example((key,), f"{mask.name}: {'; '.join(told)}"))
    return Explanation(
        f"{count_of(total, 'pixel')} ({total / pixels:.2g} of all) in {count_of(len(strays), 'mask')} of a colour "
        "or value that is no class. They will count nowhere; correct them, or add the class.",
        tuple(examples),
    )


def find_borders(inspection: Inspection) -> Explanation | None:
    """Masks with 255 or the like, where no rule says what it is."""
    fault = inspection.unknown_values
    if fault is None or not fault.is_border:
        return None
    examples = _list_holders(inspection, fault.values)
    return explain_if_any(examples, "mask", f"with {_list_values(fault.values)}, which is no class: {fault.advice}")


def find_unknown_values(inspection: Inspection) -> Explanation | None:
    """Values beyond the class list. One beyond its end: masks that count from one, or a background it lacks."""
    fault, classes = inspection.unknown_values, inspection.classes
    if fault is None or fault.is_border or classes is None:
        return None
    examples = _list_holders(inspection, fault.values)
    hint, last = fault.advice, len(classes) - 1
    holders = [inspection.looks[key] for example in examples for key in example.keys]
    if fault.values == {last + 1} and not any(0 in look.counts for look in holders):
        hint = f"That is one beyond the end, {last}, and none of these masks holds 0: off by one? Subtract 1."
    return explain_if_any(examples, "mask", f"with values that are no class: {_list_values(fault.values)}. {hint}")


def find_shift(inspection: Inspection) -> Explanation | None:
    """Masks that may count from one without that their values tell."""
    rule, classes = inspection.rule, inspection.classes
    if rule is None or classes is None or not inspection.settings.classes:
        return None
    notes = note_shift(list(inspection.looks.values()), rule, classes)
    return Explanation(notes[0]) if notes else None


def find_unreadable_rule(inspection: Inspection) -> Explanation | None:
    """Whatever else keeps masks from being read."""
    if not inspection.rule_fault or find_borders(inspection) or find_unknown_values(inspection):
        return None
    first, *lines = inspection.rule_fault.split("\n")
    keys: dict[str, tuple[str, ...]] = {}
    for key, look in inspection.looks.items():
        keys[look.name] = (*keys.get(look.name, ()), key)
    examples = [Example(_keys_of(line.strip(), keys), line.strip()) for line in lines]
    return Explanation(f"{first.rstrip(':.')}.", tuple(examples))


def find_unlabelled_masks(inspection: Inspection) -> Explanation | None:
    rule = inspection.rule
    if rule is None:
        return None
    examples = [
        Example((key,), look.name)
        for key, look in inspection.looks.items()
        if all(rule.find(look, code) == IGNORE_INDEX for code in look.counts)
    ]
    return explain_if_any(examples, "mask", "without a pixel of a known class. Nothing is learned from them.")


def find_odd_reading(inspection: Inspection) -> Explanation | None:
    """What `train` says of masks that it can read, but for what other checks tell."""
    if inspection.rule is None:
        return None
    notes = note_reading(list(inspection.looks.values()), inspection.rule)
    return Explanation(" ".join(notes)) if notes else None


def _tell(stray: Stray, look: Look, rule: MaskRule) -> str:
    places = ", ".join(f"({row}, {column})" for row, column in stray.positions)
    more = ", …" if stray.count > len(stray.positions) else ""
    return f"{count_of(stray.count, 'pixel')} of {spell_code(look, stray.code, rule)} at (row, column) {places}{more}"


def _list_values(values: Collection[int]) -> str:
    listed = ", ".join(map(str, sorted(values)[:5]))
    return f"{listed} and {len(values) - 5:,} more" if len(values) > 5 else listed


def _list_holders(inspection: Inspection, values: Collection[int]) -> list[Example]:
    examples = []
    for key, look in inspection.looks.items():
        found = {code: count for code, count in look.counts.items() if look.kind != "colour" and code in values}
        if found:
            told = ", ".join(f"{count_of(count, 'pixel')} of {code}" for code, count in sorted(found.items()))
            examples.append(Example((key,), f"{look.name}: {told}"))
    return sorted(examples, key=lambda example: example.text)


def _keys_of(line: str, keys: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A line of `choose_rule` begins with the name of the mask it is about, which two folders may have."""
    return keys.get(line.partition(": ")[0], ())

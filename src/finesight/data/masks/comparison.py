"""True and predicted masks brought to one class list: the rule is found from both, so that both are read alike."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.masks.codes import grey_of, pack_one
from finesight.data.masks.encoding import mask_colours
from finesight.data.masks.looks import Look
from finesight.data.masks.notes import spell_code
from finesight.data.masks.palettes import find_conflict, find_moved
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rule_choice import choose_rule
from finesight.data.masks.values import MixedScales, name_some
from finesight.errors import DataError

Chosen = tuple[tuple[MaskRule, MaskRule], ClassList, tuple[str, ...]]


def choose_rules(
    truth: Sequence[Look], predicted: Sequence[Look], classes: ClassList | None, settings: DataSettings
) -> Chosen:
    """(rules of true and of predicted masks, class list, notes worth printing).

    Without `classes` both folders must write them alike. With them each folder may have a way of its own, such as
    colours, values from 0, from 1, or 0 and 255, if the classes leave no doubt. Raises DataError.
    """
    looks = [*truth, *predicted]
    if classes is None:
        try:
            rule, found, notes = choose_rule(looks, None, settings)
        except MixedScales as error:
            raise DataError(f"{error} Or name the two classes with --classes.") from None
        _refuse_disjoint(truth, predicted, rule, found, settings.unmapped_fraction)
        return (rule, rule), found, notes
    known, colour_notes = _with_own_colours(classes, looks)
    try:
        rule, found, notes = choose_rule(looks, known, settings)
    except DataError as error:
        return _choose_each(truth, predicted, known, settings, error)
    return (rule, rule), found, (*colour_notes, *notes)


def _choose_each(
    truth: Sequence[Look], predicted: Sequence[Look], classes: ClassList, settings: DataSettings, error: DataError
) -> Chosen:
    """A rule for each folder where none fits both; raises `error`, of both together, where they leave a doubt."""
    if classes.colours is None and find_moved([*truth, *predicted]):
        raise error
    try:
        first, found, notes = choose_rule(truth, classes, settings)
        second, _, more = choose_rule(predicted, classes, settings)
    except DataError:
        raise error from None
    held = f"truth holds {_list_codes(truth)}, predictions hold {_list_codes(predicted)}"
    one, other = ({value for value, index in rule.values if index != IGNORE_INDEX} for rule in (first, second))
    if one != other and max(one, default=0) - max(other, default=0) in (1, -1):
        raise DataError(
            f"Of {len(classes)} classes the {held}: does one folder count from 1, or is 0 unlabelled? Save them alike; "
            "if 0 is unlabelled in both, set data.ignore = 0."
        )
    conflict = find_conflict([*truth, *predicted])
    how = f"their palettes differ ({conflict})" if conflict else held
    return (first, second), found, (f"Truth and predictions are read by different rules: {how}.", *notes, *more)


def _with_own_colours(classes: ClassList, looks: Sequence[Look]) -> tuple[ClassList, tuple[str, ...]]:
    """With the colours that `finesight predict` gives classes without, where masks hold those and no others."""
    if classes.colours is not None:
        return classes, ()
    own = mask_colours(classes)
    colours, palettes = (
        {look.colour(code) for look in looks if look.kind == kind for code in look.codes}
        for kind in ("colour", "palette")
    )
    held = colours or palettes
    if not held <= set(map(pack_one, own)) or all(grey_of(code) is not None for code in held):
        return classes, ()
    note = "Colours are read as those that `finesight predict` gives classes without colours."
    return dataclasses.replace(classes, colours=own), (note,)


def _refuse_disjoint(
    truth: Sequence[Look], predicted: Sequence[Look], rule: MaskRule, classes: ClassList, limit: float
) -> None:
    """Raises DataError where each folder has classes (of more than `limit` of its pixels) that the other lacks."""
    counts = [sum(map(rule.count, looks), Counter[int]()) for looks in (truth, predicted)]
    held = [
        {index for index, n in each.items() if index != IGNORE_INDEX and n > limit * each.total()} for each in counts
    ]
    here, there = sorted(held[0] - held[1]), sorted(held[1] - held[0])
    if here and there:
        raise DataError(
            f"Only the truth holds {name_some(classes.names[index] for index in here)}, and only the predictions hold "
            f"{name_some(classes.names[index] for index in there)}: do they write the same classes differently? Name "
            "the classes with --classes, each with its colour, or with its value as id."
        )


def _list_codes(looks: Sequence[Look]) -> str:
    """Colours or values, the most frequent first."""
    counts: Counter[str] = Counter()
    for look in looks:
        for code, count in look.counts.items():
            counts[spell_code(look, code)] += count
    return name_some(code for code, _ in counts.most_common())

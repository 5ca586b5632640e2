"""The same image twice: with two labels, in two parts, or just twice; and crops of one scene in two parts."""

from collections.abc import Iterable
from pathlib import Path

from finesight.analysis.wording import count_of, join_words, label_class, percent
from finesight.checks.data.contract import Example, Explanation, explain_if_any
from finesight.data.audit import Inspection
from finesight.data.duplicates import Duplicates

SPLIT = "as `finesight inspect --split` does"


def find_listed_twice(inspection: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{key} is in {join_words(splits)}")
        for key, splits in inspection.splits_of.items()
        if len(splits) > 1
    ]
    return explain_if_any(examples, "file", "in two parts at once. A part to validate on needs images of its own.")


def find_two_labels(inspection: Inspection) -> Explanation | None:
    examples = [
        _tell(inspection, each) for each in inspection.duplicates if each.identical and _differ(inspection, each)
    ]
    what = "masks" if inspection.task == "segmentation" else "labels"
    return explain_if_any(
        examples, "image", f"stored more than once, the same in every pixel, with different {what}. Keep the right one."
    )


def find_two_labels_nearly(inspection: Inspection) -> Explanation | None:
    if inspection.task != "classification":
        return None  # the mask of a changed image may well have changed with it
    examples = [
        _tell(inspection, each) for each in inspection.duplicates if not each.identical and _differ(inspection, each)
    ]
    return explain_if_any(examples, "pair", "of nearly the same image, with different labels. Look which is right.")


def find_copies_across(inspection: Inspection) -> Explanation | None:
    examples = [_tell(inspection, each) for each in _across(inspection) if each.identical]
    return explain_if_any(
        examples,
        "image",
        f"stored in two parts, the same in every pixel. {_say_score(inspection)} Remove one of each, or keep both in "
        f"one part, {SPLIT}.",
    )


def find_near_copies_across(inspection: Inspection) -> Explanation | None:
    examples = [_tell(inspection, each) for each in _across(inspection) if not each.identical]
    return explain_if_any(
        examples,
        "pair",
        f"of nearly the same image in two parts. {_say_score(inspection)} Keep each pair in one part, {SPLIT}.",
    )


def find_copies_within(inspection: Inspection) -> Explanation | None:
    examples = [_tell(inspection, each) for each in _within(inspection) if each.identical]
    return explain_if_any(examples, "image", "stored more than once in one part, the same in every pixel.")


def find_near_copies_within(inspection: Inspection) -> Explanation | None:
    examples = [_tell(inspection, each) for each in _within(inspection) if not each.identical]
    return explain_if_any(examples, "pair", "of nearly the same image in one part.")


def find_neighbours_across(inspection: Inspection) -> Explanation | None:
    """Only of held-out images and training ones: between two held-out parts nothing is learned by heart."""
    held: set[str] = set()
    examples = []
    for seam in inspection.seams:
        first, second = (inspection.splits_of[key][0] for key in (seam.first, seam.second))
        if first != second and "train" in (first, second):
            held.add(seam.first if second == "train" else seam.second)
            where = "above" if seam.is_above else "left of"
            text = f"{seam.first} ({first}) lies {where} {seam.second} ({second}); edges alike to {seam.likeness:.2f}"
            examples.append(Example((seam.first, seam.second), text))
    if not held:
        return None
    total = sum(len(items) for split, items in inspection.splits.items() if split != "train")
    return Explanation(
        f"{len(held):,} of {count_of(total, 'held-out image')} ({percent(len(held) / total)}) adjoin a training "
        f"image: crops of one scene in both parts. {_say_score(inspection)} Hold out whole scenes instead, {SPLIT}.",
        tuple(examples),
    )


def _say_score(inspection: Inspection) -> str:
    made = " This split is the one that training would make; the data bring none." if inspection.split_is_made else ""
    return f"Scores will be too good.{made}"


def _across(inspection: Inspection) -> Iterable[Duplicates]:
    """Those of training and a held-out part."""
    for each in inspection.duplicates:
        splits = {inspection.splits_of[key][0] for key in each.keys}
        if len(splits) > 1 and "train" in splits:
            yield each


def _within(inspection: Inspection) -> Iterable[Duplicates]:
    """Those of which nothing worse is to be said."""
    across = set(map(id, _across(inspection)))
    for each in inspection.duplicates:
        labels_matter = each.identical or inspection.task == "classification"
        if id(each) not in across and not (labels_matter and _differ(inspection, each)):
            yield each


def _differ(inspection: Inspection, each: Duplicates) -> bool:
    """Whether the images have different targets; those without any say nothing."""
    targets = {_target(inspection, key) for key in each.keys} - {None}
    return len(targets) > 1


def _target(inspection: Inspection, key: str) -> object:
    item, portrait = inspection.items[key], inspection.portraits[key]
    if isinstance(item.target, Path):
        return portrait.mask.digest or None if portrait.mask else None
    index = inspection.class_of(key)
    return item.target if index is None else index


def _tell(inspection: Inspection, each: Duplicates) -> Example:
    """`a.png (train, cat) = b.png (val, dog)`."""
    sign = " = " if each.identical else " ~ "
    alike = "" if each.identical else f"; alike to {each.likeness:.3f}"
    return Example(each.keys, sign.join(_name(inspection, key) for key in each.keys) + alike)


def _name(inspection: Inspection, key: str) -> str:
    words = [inspection.splits_of[key][0]] if len(inspection.splits) > 1 else []
    index, label = inspection.class_of(key), inspection.items[key].target
    if index is not None and inspection.classes is not None:
        words.append(label_class(inspection.classes.ids[index], inspection.classes.names[index]))
    elif isinstance(label, str):
        words.append(label)
    return f"{key} ({', '.join(words)})" if words else key

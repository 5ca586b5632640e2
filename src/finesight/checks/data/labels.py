"""Labels without a class, classes without an image."""

from collections import defaultdict

from finesight.analysis.wording import count_of, percent
from finesight.checks.data.contract import Example, Explanation
from finesight.classes import IGNORE_INDEX, list_twins
from finesight.data.audit import Inspection
from finesight.data.leftovers import quote_some
from finesight.data.sufficiency import Amount, find_shortage

FEW_IMAGES = 10  # of a class to train on
RARE = 0.001  # share of the training pixels


def find_unknown_labels(inspection: Inspection) -> Explanation | None:
    keys: dict[str, list[str]] = defaultdict(list)
    for key, item in inspection.items.items():
        if isinstance(item.target, str) and inspection.class_of(key) is None:
            keys[item.target].append(key)
    if not keys:
        return None
    examples = [
        Example(tuple(found), f"{label!r}: {count_of(len(found), 'image')}, such as {found[0]}")
        for label, found in keys.items()
    ]
    images = count_of(sum(map(len, keys.values())), "image")
    message = f"{images} with a label that is not in the class list: {quote_some(list(keys))}. Add or correct them."
    return Explanation(message, tuple(examples))


def find_twins(inspection: Inspection) -> Explanation | None:
    """Names that differ only in case and the like: one class in two, unless somebody means it."""
    if inspection.task != "classification" or inspection.classes is None:
        return None
    twins = list_twins(inspection.classes.ids)
    examples = tuple(Example((), quote_some(names)) for names in twins)
    message = "Names that differ only in case, blanks, hyphens or leading zeros count as classes of their own."
    return (
        Explanation(f"{message} Rename what is one class, or merge it with a class file.", examples) if twins else None
    )


def find_too_little(inspection: Inspection) -> Explanation | None:
    """Where `train` would stop before its first epoch, by the same rule."""
    if inspection.task == "none" or inspection.classes is None:
        return None
    if "train" not in inspection.splits:
        return Explanation(f"There is nothing to train on, only {', '.join(inspection.splits)}.")
    has_masks, limit = inspection.task == "segmentation", inspection.settings.limit
    if has_masks and inspection.rule is None:
        return None  # why is told by another check
    present = _present(inspection)
    train, val = (
        Amount(min(len(items), limit or len(items)), frozenset(present.get(split, set())))
        for split in ("train", "val")
        for items in [inspection.splits.get(split, ())]
    )
    reason = find_shortage(train, val, inspection.batch_size, has_masks)
    return Explanation(reason) if reason else None


def find_untrained(inspection: Inspection) -> Explanation | None:
    """Classes of a held-out part that training has not; a single class."""
    present = _present(inspection)
    if inspection.task != "classification" or inspection.classes is None or "train" not in inspection.splits:
        return None
    if len(present["train"]) < 2:
        return Explanation(f"All training images are of {len(present['train'])} class; two at least are needed.")
    return _list_untrained(inspection)


def find_untrained_masks(inspection: Inspection) -> Explanation | None:
    """The same of masks, which training does not stop at: a split that is drawn cannot heed their classes."""
    if inspection.task != "segmentation" or inspection.rule is None or "train" not in inspection.splits:
        return None
    return _list_untrained(inspection)


def _list_untrained(inspection: Inspection) -> Explanation | None:
    present = _present(inspection)
    lines = [
        f"{split} has {_names(inspection, missing)}, of which there is nothing to train on"
        for split, found in present.items()
        if (missing := found - present["train"])
    ]
    return Explanation(f"{'; '.join(lines)}. Add some, or move them.") if lines else None


def find_unvalidated(inspection: Inspection) -> Explanation | None:
    """Classes of the training part that a held-out part has not."""
    present = _present(inspection)
    lines = [
        f"{split} has nothing of {_names(inspection, missing)}"
        for split, found in present.items()
        if split != "train" and found and (missing := present.get("train", set()) - found)
    ]
    return Explanation(f"{'; '.join(lines)}: no score will tell how well it is known.") if lines else None


def find_unused(inspection: Inspection) -> Explanation | None:
    if inspection.classes is None or (inspection.task == "segmentation" and inspection.rule is None):
        return None
    used = set().union(*_present(inspection).values())
    unused = set(range(len(inspection.classes))) - used - {inspection.classes.ignore}
    return Explanation(f"In the class list, but nowhere in the data: {_names(inspection, unused)}.") if unused else None


def find_rare(inspection: Inspection) -> Explanation | None:
    classes = inspection.classes
    if classes is None or "train" not in inspection.splits:
        return None
    counts = inspection.class_counts["train"]
    known = {index: count for index, count in counts.items() if index != IGNORE_INDEX}
    total = sum(known.values())
    if inspection.task == "segmentation":
        rare = {index: percent(count / total) for index, count in known.items() if count < RARE * total}
        what = f"less than {percent(RARE)} of the training pixels"
    else:
        rare = {index: count_of(count, "image") for index, count in known.items() if count < FEW_IMAGES}
        what = f"fewer than {FEW_IMAGES} training images"
    if not rare:
        return None
    names = quote_some([classes.names[index] for index in sorted(rare)])
    examples = tuple(Example((), f"{classes.names[index]}: {text}") for index, text in sorted(rare.items()))
    return Explanation(f"{count_of(len(rare), 'class')} with {what}: {names}. Expect little of them.", examples)


def _present(inspection: Inspection) -> dict[str, set[int]]:
    """Indices of the classes that occur, by part."""
    return {split: set(counts) - {IGNORE_INDEX} for split, counts in inspection.class_counts.items()}


def _names(inspection: Inspection, indices: set[int]) -> str:
    names = inspection.classes.names if inspection.classes else ()
    return quote_some([names[index] for index in sorted(indices)])

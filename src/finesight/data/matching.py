"""Labels of other data and the classes of a trained run, matched by id or name and never by order."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from finesight.classes import ClassList
from finesight.data.class_mapping import leave_out_dropped
from finesight.data.leftovers import quote_some
from finesight.data.listing import Listing
from finesight.errors import DataError
from finesight.progress import say


def find_class(label: str, classes: ClassList) -> int | None:
    """Index of the class whose id or name is the label, or into which the class file merges it.

    Else of the only one that differs in case or Unicode form. None where there is none, or where it is dropped.
    """
    merged = {name: classes.ids.index(target) if target else None for name, target in classes.mapping}
    if label in merged:
        return merged[label]
    for values in (classes.ids, classes.names):
        if label in values:
            return values.index(label)
    known = [*enumerate(classes.ids), *enumerate(classes.names), *((index, name) for name, index in merged.items())]
    near = {index for index, value in known if _is_near(value, label)}
    return near.pop() if len(near) == 1 else None


def _is_near(value: str, label: str) -> bool:
    return _fold(value) == _fold(label)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def keep_known(listing: Listing, where: str) -> Listing:
    """The listing with class ids as labels and without images of classes that its class list has not.

    What is left out, and which classes have no image, is said. where: what the images are called in a message.
    Raises DataError where no image is left. Images with masks are kept as they are.
    """
    classes = listing.classes
    kept, notes = leave_out_dropped(listing.splits, classes)
    for each in notes:
        say(f"Note: {each.text}")
    if not kept:
        raise DataError(f"{where} holds no image of a class that the run's class file keeps.")
    listing = replace(listing, splits=kept)
    items = [item for some in listing.splits.values() for item in some]
    labels = {label for item in items if isinstance(label := item.target, str)}
    if not labels:
        return listing
    index = {label: find_class(label, classes) for label in labels}
    unknown = Counter(
        label for item in items if isinstance(label := item.target, str) and label and index[label] is None
    )
    if len(unknown) == len(labels):
        raise DataError(
            f"{where} holds no image of a class of the run: its labels are {quote_some(sorted(labels))}, the run's "
            f"classes {quote_some(classes.names)}. Rename the labels, or train on them."
        )
    for note in _describe(unknown, {found for found in index.values() if found is not None}, classes, where):
        say(f"Note: {note}")
    splits = {
        split: tuple(
            replace(item, target=classes.ids[found])
            for item in items
            if isinstance(item.target, str) and (found := index[item.target]) is not None
        )
        for split, items in listing.splits.items()
    }
    return replace(listing, splits=splits)


def _describe(unknown: Counter[str], present: set[int], classes: ClassList, where: str) -> Iterator[str]:
    if unknown:
        strange = quote_some(sorted(unknown))
        yield f"Left out of {where}, as the run has no class {strange}: {unknown.total():,} of its images."
    if missing := [name for index, name in enumerate(classes.names) if index not in present]:
        yield f"Without an image in {where}: {quote_some(missing)}."

"""Labels of other data and the classes of a trained run, matched by id or name and never by order."""

import unicodedata

from finesight.classes import ClassList


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
    near = {index for index, value in known if _fold(value) == _fold(label)}
    return near.pop() if len(near) == 1 else None


def index_labels(classes: ClassList) -> dict[str, int]:
    """Class index by label, as ClassList.index finds it: of merged labels, ids and names."""
    indices = {label: i for labels in (classes.names, classes.ids) for i, label in enumerate(labels)}
    return indices | {label: classes.ids.index(target) for label, target in classes.mapping if target}


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())

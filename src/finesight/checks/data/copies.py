"""Copies of images: in which splits they are, and whether their labels agree."""

from collections.abc import Hashable, Iterable, Iterator

from finesight.data.audit import Audit
from finesight.data.duplicates import Duplicates
from finesight.run.results import Example

SPLIT = "as `finesight inspect --split` does"


def list_examples(audit: Audit, groups: Iterable[Duplicates], identical: bool) -> list[Example]:
    return [_describe(audit, each) for each in groups if each.identical == identical]


def across_splits(audit: Audit) -> Iterator[Duplicates]:
    """Copies that are both in the training split and in a held-out one."""
    for each in audit.duplicates:
        splits = {audit.splits_of[key][0] for key in each.keys}
        if len(splits) > 1 and "train" in splits:
            yield each


def within_split(audit: Audit) -> Iterator[Duplicates]:
    """Copies that no warning is about."""
    across = set(map(id, across_splits(audit)))
    return (each for each in audit.duplicates if id(each) not in across and not have_two_labels(audit, each))


def have_two_labels(audit: Audit, each: Duplicates) -> bool:
    """Whether the images have different labels, or, if they are the same in every pixel, different masks.

    The mask of an image that was changed may well have been changed with it.
    """
    targets = {_find_target(audit, key) if each.identical else _find_labels(audit, key) for key in each.keys}
    return len(targets - {frozenset(), ""}) > 1


def describe_score(audit: Audit) -> str:
    made = " The data have no split; this is the one that training would make." if audit.split_is_made else ""
    return f"The score will be too high.{made}"


def _find_target(audit: Audit, key: str) -> Hashable:
    mask = audit.files[key].mask
    return mask.digest if mask else _find_labels(audit, key)


def _find_labels(audit: Audit, key: str) -> Hashable:
    """Class indices, and labels without a class."""
    indices = ((label, audit.index_of(label)) for label in audit.labels_of(key))
    return frozenset(label if index is None else index for label, index in indices)


def _describe(audit: Audit, each: Duplicates) -> Example:
    """`a.png (train, cat) = b.png (val, dog)`."""
    sign = " = " if each.identical else " ~ "
    similarity = "" if each.identical else f"; similarity {each.similarity:.3f}"
    return Example(each.keys, sign.join(_name(audit, key) for key in each.keys) + similarity)


def _name(audit: Audit, key: str) -> str:
    words = [audit.splits_of[key][0]] if len(audit.splits) > 1 else []
    for label in audit.labels_of(key):
        index, classes = audit.index_of(label), audit.classes
        words.append(label if index is None or not classes else classes.labels[index])
    return f"{key} ({', '.join(words)})" if words else key

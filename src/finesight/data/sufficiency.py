"""Whether there is enough to train and to validate on: checked by `train` before its first epoch, and by `inspect`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """What a split holds. classes: indices of those with an image, or a pixel, that counts."""

    num_images: int
    classes: frozenset[int]


def find_shortage(train: Amount, val: Amount, batch_size: int, no_val: str, no_class: str = "") -> str:
    """Why training cannot begin, in a sentence; "" if it can.

    batch_size: 0 where it is chosen to fit. no_val, no_class: the sentences of a TargetKind.
    """
    if not train.num_images:
        return "There is no image to train on; add some to the split train."
    if not val.num_images:
        return no_val
    if no_class and not (train.classes and val.classes):
        return no_class.format(split="validation" if train.classes else "training")
    if batch_size > train.num_images:
        return (
            f"A batch of {batch_size} is larger than the {train.num_images} training images: set batch_size to at most "
            f"{train.num_images}."
        )
    return ""


def compare_classes(train: Amount, val: Amount, names: Sequence[str], what: str) -> Iterator[tuple[str, list[str]]]:
    """(sentence, names it is about) on classes that only one split has. what: of what targets are, such as `mask`."""
    if unscored := [names[index] for index in sorted(train.classes - val.classes)]:
        yield f"{len(unscored)} of {len(names)} classes are not in the validation {what}s and get no score", unscored
    if untrained := [names[index] for index in sorted(val.classes - train.classes)]:
        yield (
            f"{len(untrained)} of {len(names)} classes are in the validation {what}s but in no training {what}",
            untrained,
        )

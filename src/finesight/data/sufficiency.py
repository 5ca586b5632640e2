"""Whether there is enough to train and to validate on: asked by `train` before its first epoch, and by `inspect`."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """What a split holds. classes: indices of those with an image, or a pixel, that counts."""

    num_images: int
    classes: frozenset[int]


def find_shortage(train: Amount, val: Amount, batch_size: int, has_masks: bool) -> str:
    """Why training cannot begin, in a sentence; "" if it can. batch_size: 0 where it is chosen to fit."""
    if not train.num_images:
        return "There is no image to train on; add some to the split train."
    if not val.num_images:
        return describe_no_val(has_masks)
    if has_masks and not (train.classes and val.classes):
        split = "training" if not train.classes else "validation"
        return (
            f"No pixel of the {split} masks is of a class that counts, as all are ignored: check data.ignore and the "
            "class list, or give masks with a known class."
        )
    if batch_size > train.num_images:
        return (
            f"A batch of {batch_size} is larger than the {train.num_images} training images: set batch_size to at most "
            f"{train.num_images}."
        )
    return ""


def describe_no_val(has_masks: bool) -> str:
    """Why there is no validation image, in a sentence."""
    if has_masks:
        return "A single pair leaves none to validate on; add pairs or give --val."
    return "No class has two images, so none is left to validate on; add images or give --val."


def compare_classes(train: Amount, val: Amount, names: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """(sentence, names it is about) on classes that one split has and the other has not."""
    if unscored := [names[index] for index in sorted(train.classes - val.classes)]:
        yield f"{len(unscored)} of {len(names)} classes are not in the validation masks and get no score", unscored
    if untrained := [names[index] for index in sorted(val.classes - train.classes)]:
        yield f"{len(untrained)} of {len(names)} classes are in the validation masks but in no training mask", untrained

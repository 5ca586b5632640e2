"""The targets of a data set before they are tensors: what listing, splitting and checking ask of a task."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finesight.classes import ClassList
from finesight.config import DataSettings, Preprocessing
from finesight.data.images.image import Fit
from finesight.data.leftovers import Note
from finesight.data.masks.looks import Look
from finesight.data.masks.values import UnknownValues
from finesight.data.matching import index_labels
from finesight.data.sample import Item
from finesight.data.sufficiency import Amount
from finesight.errors import DataError
from finesight.run.folder import RunFolder

Splits = dict[str, tuple[Item, ...]]
Size = tuple[int, int]  # (height, width)
Rule = Any  # how the targets of a run are read, where class names alone do not say it; only its kind looks inside


@dataclass(frozen=True)
class TargetAudit:
    """What is found in the targets of a data set, whatever is wrong with them.

    classes: None where they are unknown. counts: images or pixels of each class index by key; IGNORE_INDEX: of no known
    class. rule: the one that training would choose, else rule_fault says why it would stop; unknown_values: where the
    reason is values that are not a class.
    """

    classes: ClassList | None
    counts: Mapping[str, Counter[int]]
    rule: Rule = None
    rule_fault: str = ""
    unknown_values: UnknownValues | None = None


class RunRules:
    """The reading rule of a run, in its folder. These suit targets that need none, as class names alone say all."""

    def write(self, run: RunFolder, rule: Rule) -> None:
        """Keeps the rule in the run folder."""

    def find(self, run: RunFolder, data: DataSettings, trained: Callable[[], Sequence[Item]]) -> Rule:
        """The run's rule; found once more in the images it was trained on where the folder has none."""
        return None

    def refuse_other(self, run: RunFolder, rule: Rule) -> None:
        """Raises RunError where the rule of the data is no longer that of the run."""

    def apply(self, items: Sequence[Item], rule: Rule, classes: ClassList, data: DataSettings) -> tuple[str, ...]:
        """Notes on items read by a run's rule. Raises DataError where it does not fit them."""
        return ()


class TargetKind(Protocol):
    """One kind of target. What has a body suits any kind that has nothing of its own to say.

    unit: what class counts count, `images` or `pixels`. no_val: why no image is left to validate on. no_class: why no
    image of the split `{split}` holds a class that counts; "" where that cannot be. fewest_classes: in the training
    split, which must then have every class of the others; 0: training does not stop at that.
    """

    unit: str
    no_val: str
    no_class: str = ""
    fewest_classes: int = 0
    rules: RunRules = RunRules()

    def list_files(self, item: Item) -> tuple[Path, ...]:
        """The files that an item is made of."""
        return (item.path,)

    def find_stratum(self, item: Item) -> str:
        """A validation split that is made holds the same fraction of each stratum."""
        return ""

    def leave_out_dropped(self, splits: Splits, classes: ClassList | None) -> tuple[Splits, list[Note]]:
        """Without what the class file drops, and notes on what was left out or merged."""
        return splits, []

    def read_classes(
        self, items: Sequence[Item], known: ClassList | None, data: DataSettings
    ) -> tuple[ClassList, Rule, tuple[str, ...]]:
        """Class list, reading rule and notes. known: the user's own list. Raises DataError for what it does not fit."""
        ...

    def compare_splits(self, splits: Splits, classes: ClassList) -> Iterator[str]:
        """Notes on classes that a split lacks. Raises DataError where training makes no sense."""
        return iter(())

    def has_class(self, item: Item, classes: ClassList) -> bool:
        """Whether the target alone shows that an item is of one of these classes."""
        return False

    def keep_known(self, splits: Splits, classes: ClassList, where: str) -> tuple[Splits, list[str]]:
        """Items of a trained run's classes, and notes. where: what the images are called. Raises DataError."""
        return splits, []

    def compare_recorded(self, items: Sequence[Item], recorded: Mapping[str, str]) -> Iterator[str]:
        """Notes on targets that changed since training. recorded: by key, as splits.csv has them."""
        return iter(())

    def read_mask(self, item: Item, size: Size, fit: Fit, rule: Rule) -> np.ndarray | None:
        """The true mask, class indices uint8 of that size; None where an item has none, or it cannot be read."""
        return None

    def choose_size(self, items: Sequence[Item], preprocessing: Preprocessing, to_train: bool) -> Size | None:
        """Size of the targets of a split, and of images that are kept whole; None: each its own."""
        return preprocessing.decoded_size(to_train)

    def list_sizes(self, items: Sequence[Item], size: Size | None) -> list[Size] | None:
        """Size of each target, where only those of one size can be evaluated together."""
        return None

    def list_scored(self, classes: ClassList) -> list[int]:
        """Indices of the classes that count."""
        return list(range(len(classes)))

    def compare_amounts(self, train: Amount, val: Amount, names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """(sentence, names it is about) on classes that only one split has, if `compare_splits` cannot know them."""
        return iter(())

    def audit(
        self, items: Mapping[str, Item], looks: Mapping[str, Look], known: ClassList | None, data: DataSettings
    ) -> TargetAudit:
        """items: by key. looks: what their masks hold. known: the user's own class list. What is here suits labels."""
        labels = {key: list_labels(item) for key, item in items.items()}
        everything = {label for some in labels.values() for label in some}
        classes = ClassList.from_labels(everything) if known is None and everything else known
        indices = index_labels(classes) if classes else {}
        counts = {key: Counter(indices[label] for label in some if label in indices) for key, some in labels.items()}
        return TargetAudit(classes, counts)


def list_labels(item: Item) -> tuple[str, ...]:
    """The labels of an image as they stand on disk; none of one with a mask, or without labels."""
    target = item.target
    return (target,) if isinstance(target, str) else target if isinstance(target, tuple) else ()


class NoTargets(TargetKind):
    """Images alone."""

    unit = ""
    no_val = ""

    def read_classes(
        self, items: Sequence[Item], known: ClassList | None, data: DataSettings
    ) -> tuple[ClassList, Rule, tuple[str, ...]]:
        raise DataError("These images have no targets: there are no classes to read.")

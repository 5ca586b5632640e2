"""All samples of a data set, by split, and what they mean."""

from dataclasses import dataclass
from pathlib import Path

from finesight.classes import ClassList
from finesight.data.sample import Item
from finesight.data.targets import Rule


@dataclass(frozen=True)
class Listing:
    """All images of a data set; `root / item.key` is `item.path`.

    format: a name of FORMATS. splits: `train`, `val` and perhaps `test`, each in natural order of keys.
    notes: sentences worth printing, such as which class has no image in val. rule: how targets are read.
    """

    format: str
    root: Path
    splits: dict[str, tuple[Item, ...]]
    classes: ClassList
    notes: tuple[str, ...] = ()
    rule: Rule = None

    def list_keys(self) -> dict[str, list[str]]:
        """By split."""
        return {split: [item.key for item in items] for split, items in self.splits.items()}

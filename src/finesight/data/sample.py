"""What flows out of a data set: one picture with its target (Item), and all of them (Listing)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finesight.classes import ClassList

if TYPE_CHECKING:
    from finesight.data.masks import MaskRule  # which reads Items


@dataclass(frozen=True)
class Item:
    """One picture.

    key: path relative to the listing's root, `/`-separated; travels to the very end of every result.
    label: the class as it stands on disk, an id or a name; None where there is none.
    mask: picture of the same size whose colours or values are classes; None where there is none.
    """

    key: str
    path: Path
    label: str | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class Listing:
    """All pictures of a data set; `root / item.key` is `item.path`.

    format: a name of FORMATS. splits: `train`, `val` and perhaps `test`, each in natural order of keys.
    notes: sentences worth printing, such as which class has no picture in val. masks: how masks are read, if any.
    """

    format: str
    root: Path
    splits: dict[str, tuple[Item, ...]]
    classes: ClassList
    notes: tuple[str, ...] = ()
    masks: "MaskRule | None" = None

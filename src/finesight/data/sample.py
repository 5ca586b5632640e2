"""What flows out of a data set: one image with its target."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One image.

    key: path relative to the listing's root, `/`-separated; travels to the very end of every result.
    label: the class as it stands on disk, an id or a name; None where there is none.
    mask: image of the same size whose colours or values are classes; None where there is none.
    """

    key: str
    path: Path
    label: str | None = None
    mask: Path | None = None

"""What flows out of a data set: one image with its target."""

from dataclasses import dataclass
from pathlib import Path

Target = str | Path | tuple[str, ...] | None  # a class label, a mask's file, several labels; None: unknown


@dataclass(frozen=True, slots=True)
class Item:
    """One image.

    key: path relative to the listing's root, `/`-separated; travels to the very end of every result.
    target: the truth as it stands on disk. Only the layout that made it and the task know what it is.
    """

    key: str
    path: Path
    target: Target = None

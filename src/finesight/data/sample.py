"""What flows out of a data set: one image with its target."""

import os
from dataclasses import dataclass
from pathlib import Path

Target = str | Path | tuple[str, ...] | None  # a class label, a mask's file, several labels; None: unknown


@dataclass(frozen=True, slots=True, init=False)
class Item:
    """One image.

    key: path relative to the listing's root, `/`-separated; travels to the very end of every result.
    file: the image's path as text, as a million Path objects take seconds and half a gigabyte.
    target: the truth as it stands on disk. Only the layout that made it and the task know what it is.
    """

    key: str
    file: str
    target: Target

    def __init__(self, key: str, file: str | Path, target: Target = None) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "file", file if type(file) is str else os.fspath(file))
        object.__setattr__(self, "target", target)

    @property
    def path(self) -> Path:
        return Path(self.file)

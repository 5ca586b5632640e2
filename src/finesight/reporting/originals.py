"""What a report shows of the data and the run folder does not hold."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from finesight.reporting.thumbnails import FindImage

Size = tuple[int, int]  # (height, width)
ReadTruth = Callable[[str, Size], np.ndarray | None]  # (key, size) → true mask uint8 of that size, None without


@dataclass(frozen=True)
class Looked:
    """An image under its saliency map, as a data: address. sought: name of the class the map is of."""

    uri: str
    sought: str


@dataclass(frozen=True)
class Originals:
    """Images, their true masks, and the saliency maps of some, by key."""

    find_image: FindImage
    read_truth: ReadTruth
    saliency: Mapping[str, Looked] = field(default_factory=dict)


def find_root(originals: Originals, keys: Iterable[str]) -> str:
    """The folder that keys are relative to, with a slash at its end; empty where no image is found."""
    for key in keys:
        if found := originals.find_image(key):
            path = found.as_posix()
            return path.removesuffix(key) if path.endswith(f"/{key}") else ""
    return ""

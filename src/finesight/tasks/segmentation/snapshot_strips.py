"""The mask snapshots of one run or more, ready to be shown under one slider."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finesight.analysis.evidence import Evidence
from finesight.classes import ClassList
from finesight.errors import RunError
from finesight.reporting.originals import Originals
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation.mask_images import SIDE, change_uri, image_uri, mask_uri, read_mask_indices
from finesight.tasks.segmentation.snapshots import SavedSnapshots, read_snapshots

MAX_FRAMES = 40  # of a strip; of more epochs every n-th
MAX_IMAGES = 12  # images
TABLE_EPOCHS = (1, 10, 20)  # of the reference's printed table, which ends with the last
TABLE_FRAMES = len(TABLE_EPOCHS) + 1


@dataclass(frozen=True)
class Frame:
    """changed: an image that veils what is as in the frame before, "" for the first. miou: None where unknown."""

    epoch: int
    mask: str
    changed: str
    miou: float | None


@dataclass(frozen=True)
class Strip:
    """One image through one run's training. run: its place among the runs."""

    number: int
    run: int
    frames: tuple[Frame, ...]

    @property
    def table(self) -> list[Frame]:
        """The frames nearest to TABLE_EPOCHS, and the last; none twice. Of a shorter run as many, evenly spread."""
        if self.frames[-1].epoch < TABLE_EPOCHS[-1]:
            return [self.frames[place] for place in spread(len(self.frames), TABLE_FRAMES)]
        wanted = [min(self.frames, key=lambda frame: abs(frame.epoch - epoch)) for epoch in TABLE_EPOCHS]
        return list({frame.epoch: frame for frame in (*wanted, self.frames[-1])}.values())


@dataclass(frozen=True)
class WatchedImage:
    """One image. image, truth: images; image is "" where it is missing."""

    key: str
    image: str
    truth: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class SnapshotStrips:
    """epochs: where the slider can stand. left_out: watched images, and thinned: whether frames, are not shown."""

    images: tuple[WatchedImage, ...]
    epochs: tuple[int, ...]
    left_out: int
    thinned: bool

    def to_dict(self) -> dict[str, Any]:
        """What snapshots.js reads."""
        return {
            "epochs": self.epochs,
            "strips": [
                {
                    "epochs": [frame.epoch for frame in strip.frames],
                    "masks": [frame.mask for frame in strip.frames],
                    "changed": [frame.changed for frame in strip.frames],
                    "miou": [frame.miou for frame in strip.frames],
                }
                for image in self.images
                for strip in image.strips
            ],
        }


def show_snapshots(runs: Sequence[Evidence], originals: Originals) -> SnapshotStrips | None:
    """The images that every run has watched; None where there are none."""
    found = [read_snapshots(RunFolder(run.run)) for run in runs]
    saved = [each for each in found if each and each.epochs]
    if not saved or len(saved) < len(runs):
        return None
    watched = [key for key in saved[0].frames if all(key in snapshots.frames for snapshots in saved)]
    if not watched:
        return None
    all_epochs = sorted({epoch for snapshots in saved for epoch in thin_out(snapshots.epochs)})
    images = tuple(
        _show_image(key, runs, saved, originals, first_number=place * len(saved))
        for place, key in enumerate(watched[:MAX_IMAGES])
    )
    every_key = {key for snapshots in saved for key in snapshots.frames}
    thinned = any(len(snapshots.epochs) > MAX_FRAMES for snapshots in saved)
    return SnapshotStrips(images, tuple(all_epochs), len(every_key) - len(images), thinned)


def thin_out(epochs: Sequence[int]) -> list[int]:
    """At most MAX_FRAMES of them, evenly spread, the first and the last among them."""
    return [epochs[place] for place in spread(len(epochs), MAX_FRAMES)]


def spread(count: int, most: int) -> list[int]:
    """At most so many indices below `count`, evenly spread, the first and the last among them."""
    return [int(place) for place in np.linspace(0, count - 1, min(count, most)).round()]


def _show_image(
    key: str, runs: Sequence[Evidence], saved: Sequence[SavedSnapshots], originals: Originals, first_number: int
) -> WatchedImage:
    truth = _read_frame(saved[0], saved[0].truth, key)
    height, width = truth.shape
    return WatchedImage(
        key=key,
        image=image_uri(originals.find_image(key), runs[0], (height, width)),
        truth=mask_uri(truth, runs[0].classes),
        strips=tuple(
            Strip(first_number + place, place, _read_frames(snapshots, key, run.classes))
            for place, (run, snapshots) in enumerate(zip(runs, saved, strict=True))
        ),
    )


def _read_frames(snapshots: SavedSnapshots, key: str, classes: ClassList) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    before: np.ndarray | None = None
    for epoch in thin_out(snapshots.epochs):
        mask = _read_frame(snapshots, str(epoch), key)
        changed = "" if before is None else change_uri(before, mask)
        miou = snapshots.scores.get(str(epoch), {}).get(key)
        frames.append(Frame(epoch, mask_uri(mask, classes), changed, miou))
        before = mask
    return tuple(frames)


def _read_frame(snapshots: SavedSnapshots, folder: str, key: str) -> np.ndarray:
    path: Path = snapshots.folder / folder / snapshots.frames[key]
    mask = read_mask_indices(path)
    if mask is None or max(mask.shape) > SIDE:
        raise RunError(f"{path} is missing or damaged, but {schema.SNAPSHOTS} names it. Remove {snapshots.folder}.")
    return mask


def masks_scripts(snapshots: SnapshotStrips | None) -> tuple[str, ...]:
    return ("enlarge.js", "snapshots.js") if snapshots else ("enlarge.js",)

"""How good each mask snapshot is, counted on the frames as they are kept."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.classes import ClassList
from finesight.data.masks.looks import UnreadableMask, read_mask
from finesight.errors import DataError, RunError, blame_files
from finesight.metrics.confusion import mean_iou
from finesight.metrics.segmentation import count_pixels
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation.snapshots import SavedSnapshots, read_snapshots


def score_snapshots(run: RunFolder) -> None:
    """Writes film/scores.json: `miou` of every frame, {epoch: {key: number or null}}; nothing without snapshots.

    A frame holds every second pixel or so of its mask, so its mIoU is near that of the whole mask, not equal to it.
    Raises RunError where a frame is damaged.
    """
    with blame_files(run.path / schema.HISTORY):
        if (saved := read_snapshots(run)) is None:
            return
        scores = _score_frames(saved, run.read_classes())
    run.write_json(schema.SNAPSHOT_SCORES, {"miou": scores})


def _score_frames(saved: SavedSnapshots, classes: ClassList) -> dict[str, dict[str, float | None]]:
    known = [index for index in range(len(classes)) if index != classes.ignore]
    scores: dict[str, dict[str, float | None]] = {str(epoch): {} for epoch in saved.epochs}
    for key, frame in saved.frames.items():
        key.encode()  # what is not valid text could not be written
        truth = _read(saved.folder / saved.truth / frame)
        for epoch, of_epoch in scores.items():
            counts = count_pixels(truth, _read(saved.folder / epoch / frame), len(classes)).sum(0)
            of_epoch[key] = _score(counts, known)
    return scores


def _score(counts: Tensor, known: list[int]) -> float | None:
    try:
        return mean_iou(counts, known, masked=True)
    except DataError:  # nothing in the image is known
        return None


def _read(path: Path) -> Tensor:
    """Class indices (1, h, w)."""
    try:
        return torch.from_numpy(read_mask(path).codes.astype(np.uint8))[None]
    except UnreadableMask as error:
        raise RunError(f"A mask snapshot is damaged: {error}") from None

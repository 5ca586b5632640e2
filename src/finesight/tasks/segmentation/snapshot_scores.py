"""How good each mask snapshot is, counted on the frames as they are kept."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.data.masks.looks import UnreadableMask, read_mask
from finesight.errors import DataError, RunError, blame_files
from finesight.metrics.confusion import mean_iou
from finesight.metrics.segmentation import count_pixels
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.old_names import find_value


def score_snapshots(run: RunFolder) -> None:
    """Writes film/scores.json: `miou` of every frame, {epoch: {key: number or null}}; nothing without snapshots.

    A frame holds every second pixel or so of its mask, so its mIoU is near that of the whole mask, not equal to it.
    Raises RunError where a frame is damaged.
    """
    folder = run.path / schema.HISTORY
    if not run.has(schema.SNAPSHOTS):
        return
    with blame_files(folder):
        scores = _score_frames(run, folder)
    run.write_json(schema.SNAPSHOT_SCORES, {"miou": scores})


def _score_frames(run: RunFolder, folder: Path) -> dict[str, dict[str, float | None]]:
    index, classes = run.read_json(schema.SNAPSHOTS), run.read_classes()
    known = [index for index in range(len(classes)) if index != classes.ignore]
    scores: dict[str, dict[str, float | None]] = {str(int(epoch)): {} for epoch in index["epochs"]}
    for image in find_value(index, "images"):
        key, frame = image["key"], Path(image["frame"]).name
        key.encode()  # what is not valid text could not be written
        truth = _read(folder / Path(index["truth"]).name / frame)
        for epoch, of_epoch in scores.items():
            counts = count_pixels(truth, _read(folder / epoch / frame), len(classes)).sum(0)
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

"""Masks of pictures of any size: at once where the network was validated so, else by tiles whose overlaps blend."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from finesight.engine.device import Machine
from finesight.engine.scoring import find_logits
from finesight.engine.views import AS_IT_IS, Answer, View, average_views
from finesight.metrics.segmentation import enlarge, most_likely
from finesight.models.contract import Model

OVERLAP = 0.25  # share of a tile that the next one covers again
TILES_AT_ONCE = 4


@torch.inference_mode()
def segment(
    model: Model, pictures: Sequence[np.ndarray], machine: Machine, views: Sequence[View] = AS_IT_IS
) -> list[np.ndarray]:
    """Class indices uint8 (h, w) of each of some pictures of one size, uint8 (h, w, 3).

    Pictures no larger than those of training are answered at once, as validation does; of larger ones tiles of that
    size, one picture after the other. views: of which the mean is taken.
    """

    def answer(images: Tensor) -> Tensor:
        return enlarge(find_logits(model, images, machine).float(), (images.shape[-2], images.shape[-1]))

    def chances(images: Tensor) -> Tensor:
        return answer(images).softmax(1)

    height, width = pictures[0].shape[:2]
    preprocessing = model.preprocessing
    tile = (height, width) if preprocessing.fit != "whole" else preprocessing.stored or preprocessing.size
    average = average_views(chances, views)
    if height > tile[0] or width > tile[1]:
        return [predict_tiled(average, picture, tile) for picture in pictures]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    scores = answer(images) if len(views) == 1 else average(images)
    return list(most_likely(scores).to("cpu", torch.uint8).numpy())


def predict_tiled(answer: Answer, picture: np.ndarray, tile: tuple[int, int]) -> np.ndarray:
    """Class indices uint8 (h, w). Holds the probabilities of one row of tiles at a time.

    A tile's weight falls towards its border, so that no seam shows; sums need not be divided, as only the highest
    class is asked for.
    """
    height, width = picture.shape[:2]
    tile = min(tile[0], height), min(tile[1], width)
    tops, lefts = tile_starts(height, tile[0]), tile_starts(width, tile[1])
    weights = blend_weights(tile[0])[:, None] * blend_weights(tile[1])
    image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
    mask = np.empty((height, width), np.uint8)
    band: Tensor | None = None
    for top, end in zip(tops, [*tops[1:], height], strict=True):
        for start in range(0, len(lefts), TILES_AT_ONCE):
            some = lefts[start : start + TILES_AT_ONCE]
            row = torch.stack([image[:, top : top + tile[0], left : left + tile[1]] for left in some])
            chances = answer(row).cpu() * weights
            band = torch.zeros(chances.shape[1], tile[0], width) if band is None else band
            for left, each in zip(some, chances, strict=True):
                band[:, :, left : left + tile[1]] += each
        assert band is not None
        mask[top:end] = most_likely(band[:, : end - top], dim=0).numpy()
        band = torch.cat([band[:, end - top :], torch.zeros_like(band[:, : end - top])], dim=1)
    return mask


def tile_starts(length: int, tile: int) -> list[int]:
    """Where tiles begin, so that they cover `length` and the last one ends with it."""
    step = max(1, round(tile * (1 - OVERLAP)))
    return [*range(0, length - tile, step), length - tile]


def blend_weights(tile: int) -> Tensor:
    """(tile,) weights above 0 that rise over the overlap to 1."""
    distance = torch.arange(tile) + 0.5
    return (torch.minimum(distance, tile - distance) / max(tile * OVERLAP, 1)).clamp(max=1)

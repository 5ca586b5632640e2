"""Images larger than those of training: predicted in overlapping tiles, whose probabilities are blended."""

from collections.abc import Iterator

import torch
from torch import Tensor

from finesight.config import Preprocessing
from finesight.inference.tta import Probabilities
from finesight.metrics.link import SMALLEST

OVERLAP = 0.25  # fraction of a tile that the next one covers again
TILES_AT_ONCE = 4


def choose_tile(preprocessing: Preprocessing, size: tuple[int, int]) -> tuple[int, int] | None:
    """(height, width) of the tiles of an image of `size`; None where the model takes the image at once.

    Images that are stretched or cropped to one size, or no larger than those of training, need no tiles.
    """
    largest = preprocessing.decoded_size()
    if preprocessing.fit != "native" or (size[0] <= largest[0] and size[1] <= largest[1]):
        return None
    return largest


def blend_tiles(predict: Probabilities, image: Tensor, tile: tuple[int, int]) -> Iterator[Tensor]:
    """Logits (C, rows, w) on the CPU of an image uint8 (3, h, w), band by band from its top.

    Holds the probabilities of one row of tiles at a time. A tile's weight falls towards its border, so that no seam
    shows. The logits are logarithms of weighted sums, which need not be divided: softmax does that.
    """
    height, width = image.shape[1:]
    tile = min(tile[0], height), min(tile[1], width)
    tops, lefts = tile_starts(height, tile[0]), tile_starts(width, tile[1])
    weights = blend_weights(tile[0])[:, None] * blend_weights(tile[1])
    band: Tensor | None = None
    for top, end in zip(tops, [*tops[1:], height], strict=True):
        for start in range(0, len(lefts), TILES_AT_ONCE):
            some = lefts[start : start + TILES_AT_ONCE]
            row = torch.stack([image[:, top : top + tile[0], left : left + tile[1]] for left in some])
            probabilities = predict(row).cpu() * weights
            band = torch.zeros(probabilities.shape[1], tile[0], width) if band is None else band
            for left, each in zip(some, probabilities, strict=True):
                band[:, :, left : left + tile[1]] += each
        assert band is not None
        yield band[:, : end - top].clamp(min=SMALLEST).log()
        band = torch.cat([band[:, end - top :], torch.zeros_like(band[:, : end - top])], dim=1)


def tile_starts(length: int, tile: int) -> list[int]:
    """Where tiles begin, so that they cover `length` and the last one ends with it."""
    step = max(1, round(tile * (1 - OVERLAP)))
    return [*range(0, length - tile, step), length - tile]


def blend_weights(tile: int) -> Tensor:
    """(tile,) weights above 0 that rise over the overlap to 1."""
    distance = torch.arange(tile) + 0.5
    return (torch.minimum(distance, tile - distance) / max(tile * OVERLAP, 1)).clamp(max=1)

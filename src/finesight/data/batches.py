"""Which images an evaluation or a prediction computes together."""

from collections.abc import Sequence

from finesight.config import Settings

MOST_PIXELS = 64 * 512 * 512  # in a batch


def evaluation_batch(settings: Settings) -> int:
    """How many at most: more than in training, as no gradient is kept; past some dozens larger is no faster."""
    return min(settings.batch_size * 2, 64) if settings.batch_size < 64 else settings.batch_size


def batch_by_size(sizes: Sequence[tuple[int, int]], batch_size: int) -> list[list[int]]:
    """Indices of images of one size (height, width), at most MOST_PIXELS at once; sizes as they first occur.

    Rounding depends on the length of a batch. `evaluate` and `predict` use the same batches, and so get the same
    numbers to the last bit.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    batches = []
    for (height, width), group in groups.items():
        most = max(1, min(batch_size, MOST_PIXELS // max(height * width, 1)))
        batches += [group[start : start + most] for start in range(0, len(group), most)]
    return batches

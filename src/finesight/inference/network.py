"""What predictions are made with: a trained network on whatever computes it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from finesight.config import Preprocessing

ImageGroup = tuple[Sequence[np.ndarray], tuple[int, int]]  # uint8 (h, w, 3), as networks take them; their own size
PendingMask = Callable[[], np.ndarray]  # class indices uint8 (h, w): most of its work is still to do, in any thread


class Network(Protocol):
    """batch_size: images at once. engine_name: of ENGINES. uses_tta: logits are those of a mean over augmentations."""

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def engine_name(self) -> str: ...

    @property
    def uses_tta(self) -> bool: ...

    def compute_logits(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """float32 (n, C, …) of each batch of stored images, uint8 (n, h, w, 3). Some batches are taken ahead."""

    def start_masks(self, groups: Iterable[ImageGroup]) -> Iterator[PendingMask]:
        """The mask of each image, as `score_split` counts them. Some groups are taken ahead."""

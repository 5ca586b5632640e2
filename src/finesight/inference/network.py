"""What predictions are made with: a trained network on whatever computes it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from finesight.config import Preprocessing

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

    def compute_logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, C, …) of stored images, uint8 (n, h, w, 3)."""

    def start_masks(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> Iterator[PendingMask]:
        """Masks of some images whose own size is `size`, as `score_split` counts them.

        images: uint8 (h', w', 3), as the network takes them.
        """

"""What predictions are made with: a trained network on whatever computes it."""

from typing import Protocol

import numpy as np

from finesight.config import Preprocessing


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

"""What an engine offers: the two forward passes of a model."""

from typing import Protocol

from torch import Tensor


class Engine(Protocol):
    """A model's weights as they were when the engine was started. Images are normalised, float32 (n, 3, h, w).

    normalises: whether it also takes stored images, uint8 (n, 3, h, w), and normalises them itself.
    """

    normalises: bool

    def logits(self, images: Tensor) -> Tensor:
        """(n, C, …)"""

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, what the head sees, n×d or n×d×h×w)"""

    def describe(self) -> dict[str, object]:
        """For computed_by.json: what rounding depends on beside engine and precision."""

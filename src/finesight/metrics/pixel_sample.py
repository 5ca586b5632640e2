"""Logits of a random sample of pixels, for calibration, in bounded memory for any number of images."""

import torch
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.metrics.calibration import calibrate
from finesight.run.calibration import Calibration


class PixelSample:
    """Logits of random pixels of every image, at most MAX_NUMBERS numbers.

    When the sample is full, every second pixel is dropped, and half as many of each later image are taken. So all
    pixels have about the same probability to be in it.
    """

    MAX_NUMBERS = 2**22  # 16 MiB of float32
    FIRST_FRACTION = 1 / 16  # of an image's pixels

    def __init__(self, unknown: int | None) -> None:
        """unknown: a class whose pixels are left out, beside those of IGNORE_INDEX."""
        self.unknown = unknown
        self.fraction = self.FIRST_FRACTION
        self.num_images = 0
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._groups: list[Tensor] = []

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """logits: (n, C, h, w); targets: class indices (n, h, w), on any device."""
        for of_image, mask in zip(logits.flatten(2), targets.flatten(1), strict=True):
            random = torch.Generator().manual_seed(self.num_images)
            places = torch.randint(len(mask), (max(1, round(len(mask) * self.fraction)),), generator=random)
            truth = mask[places.to(mask.device)].cpu()
            known = truth != IGNORE_INDEX if self.unknown is None else (truth != IGNORE_INDEX) & (truth != self.unknown)
            places = places[known]
            self._logits.append(of_image[:, places.to(of_image.device)].T.float().cpu())
            self._targets.append(truth[known])
            self._groups.append(torch.full((len(places),), self.num_images))
            self.num_images += 1
            self._thin_out()

    def _thin_out(self) -> None:
        if sum(map(Tensor.numel, self._logits)) <= self.MAX_NUMBERS:
            return
        self.fraction /= 2
        for parts in (self._logits, self._targets, self._groups):
            parts[:] = [part[::2].clone() for part in parts]

    def calibrate(self, split: str) -> Calibration | None:
        """None if no pixel has a known truth."""
        if not any(map(len, self._targets)):
            return None
        logits, targets, groups = (torch.cat(parts) for parts in (self._logits, self._targets, self._groups))
        return calibrate(logits, targets, groups, "pixel", split)

"""A few pixels' logits for what needs more than counts, in bounded memory however many images there are."""

import torch
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.metrics.calibration import Calibration, calibrate


class PixelSample:
    """Logits of some pixels of every image, at random places and no more in all than fits MAX_NUMBERS.

    When it is full, every second one is dropped, and half as many of each later image are taken: at any time all
    pixels seen so far had about the same chance to be in it.
    """

    MAX_NUMBERS = 2**22  # 16 MiB of float32
    FIRST_SHARE = 1 / 16  # of an image's pixels

    def __init__(self, unknown: int | None) -> None:
        """unknown: a class whose pixels are left out, beside those of IGNORE_INDEX."""
        self.unknown = unknown
        self.share = self.FIRST_SHARE
        self.num_images = 0
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._groups: list[Tensor] = []

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """logits: (n, C, h, w); targets: class indices (n, h, w), on any device."""
        for of_image, mask in zip(logits.flatten(2), targets.flatten(1), strict=True):
            random = torch.Generator().manual_seed(self.num_images)
            places = torch.randint(len(mask), (max(1, round(len(mask) * self.share)),), generator=random)
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
        self.share /= 2
        for parts in (self._logits, self._targets, self._groups):
            parts[:] = [part[::2].clone() for part in parts]

    def calibrate(self, split: str) -> Calibration | None:
        """None where no pixel is of known truth."""
        if not any(map(len, self._targets)):
            return None
        logits, targets, groups = (torch.cat(parts) for parts in (self._logits, self._targets, self._groups))
        return calibrate(logits, targets, groups, "pixel", split)

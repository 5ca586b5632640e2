"""The first batch of a training, as the network gets it, made to be looked at."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.data.loader import order_batches
from finesight.data.transforms import to_pixels
from finesight.training.augmentation import make_input, seed_step
from finesight.training.job import Job
from finesight.training.microbatch import SMALLEST_SHARD


@dataclass(frozen=True)
class FirstBatch:
    """images: uint8 (n, h, w, 3), un-normalised. targets: (n, …), as the loss gets them. keys: of the images."""

    images: np.ndarray
    targets: Tensor
    keys: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.images.shape[1:3]
        return height, width


def read_first_batch(job: Job) -> FirstBatch:
    """That of epoch 1: augmented, cropped and mixed; of several ranks this one's shard.

    torch's generators are left as they were. Raises DataError for an image that cannot be read.
    """
    settings, device = job.settings, job.machine.device
    batches = order_batches(len(job.train), settings.batch_size, shuffle=(settings.seed, 1))
    shard = distributed.shard(batches[0], SMALLEST_SHARD * settings.optim.accumulate)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed_step(settings.seed, epoch=1, step=0)
        images, targets = make_input(job, job.train.__getitems__(shard), epoch=1)
    pixels = to_pixels(images, job.model.preprocessing)
    return FirstBatch(pixels, targets.cpu(), tuple(job.train.keys[index] for index in shard))

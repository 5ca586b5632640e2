"""A split that lies on the device as uint8, so that a training step copies no images: a batch is gathered there."""

import numpy as np
import torch

from finesight.data.loader import Batch, ImageDataset
from finesight.data.transfer import send
from finesight.progress import say

LARGEST_FRACTION = 0.25  # of the device's free memory: the network needs the rest
CHUNK = 256  # images that are copied at a time


class ResidentDataset(ImageDataset):
    """The batches of another data set, bit for bit. Its images have one shape, and so have its targets."""

    is_resident = True

    def __init__(self, dataset: ImageDataset, device: torch.device) -> None:
        super().__init__(dataset.pixels, dataset.targets, dataset.keys, dataset.sizes)
        self.device = device
        first, total = dataset.__getitems__([0]), len(dataset)
        channels, height, width = first.images.shape[1:]
        self._images = torch.empty((total, height, width, channels), dtype=first.images.dtype, device=device)
        self._targets = torch.empty((total, *first.targets.shape[1:]), dtype=first.targets.dtype, device=device)
        for start in range(0, total, CHUNK):
            chunk = dataset.__getitems__(list(range(start, min(start + CHUNK, total))))
            self._images[start : start + CHUNK] = chunk.images.permute(0, 2, 3, 1).to(device)
            self._targets[start : start + CHUNK] = chunk.targets.to(device)

    def __getitems__(self, indices: list[int]) -> Batch:
        where = np.asarray(indices)
        rows = send(torch.from_numpy(where), self.device)
        images = self._images.index_select(0, rows).permute(0, 3, 1, 2)
        return Batch(images, self._targets.index_select(0, rows), where)


def make_resident(dataset: ImageDataset, device: torch.device) -> ImageDataset:
    """A data set of one shape on a CUDA device if it fits; else as it is, to be read ahead of the steps.

    Only from cached images, which are read at once.
    """
    if device.type != "cuda" or dataset.pixels.note:
        return dataset
    free, _ = torch.cuda.mem_get_info(device)
    size = count_bytes(dataset)
    if size > LARGEST_FRACTION * free:
        return dataset
    say(f"The {len(dataset):,} training images are kept on the GPU: {size / 1e9:.2f} GB.")
    return ResidentDataset(dataset, device)


def count_bytes(dataset: ImageDataset) -> int:
    """Of all images and targets of a data set of one shape."""
    first = dataset.__getitems__([0])
    return (first.images.nbytes + first.targets.nbytes) * len(dataset)

"""What a network answers, by one path for validation and prediction; and the pass that scores it on a split."""

from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.backend.device import Machine
from finesight.backend.memory import free_memory, is_out_of_memory
from finesight.config import Settings
from finesight.data.images.image import fit_image
from finesight.data.loader import ImageDataset, batch_by_size, evaluation_batches, load_batches
from finesight.data.transforms import prepare
from finesight.inference.tiling import SMALLEST, blend_tiles, choose_tile
from finesight.inference.tta import AS_IT_IS, View, average_views
from finesight.metrics.segmentation import most_likely, predict_masks
from finesight.models.contract import Model
from finesight.progress import progress_bar
from finesight.task import Score


@torch.inference_mode()
def score_split(
    model: Model,
    dataset: ImageDataset,
    score: Score,
    machine: Machine,
    settings: Settings,
    views: Sequence[View] = AS_IT_IS,
) -> Score:
    """Runs the network over a split and collects its answers in order; of several ranks each answers a part.

    score: an empty one. views: of which the mean is taken. Returns the score of the whole split, on every rank.
    """
    model.eval()
    order = evaluation_batches(dataset, evaluation_batch(settings))
    batches = distributed.shard(order)
    with progress_bar("Scoring", sum(map(len, batches)), "images") as bar:
        for batch in load_batches(dataset, batches, settings.data.workers, machine.device.type == "cuda"):
            score.update(answer(model, batch.images, machine, views), batch.targets)
            bar.advance(len(batch.indices))
    score, *others = distributed.all_gather(score)
    for other in others:
        score.extend(other)
    score.arrange(list(chain(*order)))
    return score


@torch.inference_mode()
def answer(model: Model, images: Tensor, machine: Machine, views: Sequence[View] = AS_IT_IS) -> Tensor:
    """Logits of a batch of stored images uint8 (n, 3, h, w), in more parts where memory is too small.

    Of several views the logarithm of their mean probabilities, which are logits as well. Of images larger than those
    of training the logits of `blend_tiles`, on the CPU.
    """
    if tile := choose_tile(model.preprocessing, (images.shape[-2], images.shape[-1])):
        ask = average_views(partial(find_chances, model, machine), views)
        return torch.stack([torch.cat(list(blend_tiles(ask, image, tile)), dim=1) for image in images])

    def find(images: Tensor) -> Tensor:
        if len(views) == 1:
            return find_logits(model, images, machine)
        return average_views(partial(find_chances, model, machine), views)(images).clamp(min=SMALLEST).log()

    num_parts = 1
    while True:
        try:
            return torch.cat([find(part) for part in images.chunk(num_parts)])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or num_parts >= len(images):
                raise
        free_memory(machine.device)
        num_parts *= 2


@torch.inference_mode()
def answer_masks(
    model: Model, dataset: ImageDataset, indices: Sequence[int], machine: Machine
) -> dict[int, tuple[Tensor, Tensor]]:
    """Predicted and true mask (h, w) of some samples of a split, by index."""
    sizes = [(0, 0) if dataset.sizes is None else dataset.sizes[index] for index in indices]
    answers: dict[int, tuple[Tensor, Tensor]] = {}
    for places in batch_by_size(sizes, len(indices)):
        batch = dataset.__getitems__([indices[place] for place in places])
        targets = batch.targets
        masks = predict_masks(answer(model, batch.images, machine), (targets.shape[-2], targets.shape[-1]))
        answers |= {int(index): (mask, truth) for index, mask, truth in zip(batch.indices, masks, targets, strict=True)}
    return answers


@torch.inference_mode()
def segment(
    model: Model, images: Sequence[np.ndarray], machine: Machine, views: Sequence[View] = AS_IT_IS
) -> list[np.ndarray]:
    """Class indices uint8 (h, w) of each of some images of one size, uint8 (h, w, 3), as `score_split` counts them.

    Of images that are looked at in tiles no more is held than a row of those.
    """
    preprocessing, size = model.preprocessing, images[0].shape[:2]
    if tile := choose_tile(preprocessing, (size[0], size[1])):
        ask = average_views(partial(find_chances, model, machine), views)
        bands = (blend_tiles(ask, torch.from_numpy(each).permute(2, 0, 1), tile) for each in images)
        return [np.concatenate([most_likely(band, dim=0).byte().numpy() for band in image]) for image in bands]
    if preprocessing.fit != "native":
        stored = preprocessing.stored or preprocessing.size
        images = [fit_image(each, stored, preprocessing.fit, preprocessing.interpolation) for each in images]
    logits = answer(model, torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), machine, views)
    return list(predict_masks(logits, (size[0], size[1])).to("cpu", torch.uint8).numpy())


def find_chances(model: Model, machine: Machine, images: Tensor) -> Tensor:
    return find_logits(model, images, machine).float().softmax(1)


def find_logits(model: Model, images: Tensor, machine: Machine) -> Tensor:
    """images: uint8 images as stored (n, 3, h, w), or what the network's first layer is given."""
    images = images.to(machine.device, non_blocking=True)
    if not images.is_floating_point():  # else features, for a last layer alone
        images = prepare(images, model.preprocessing)
    with machine.autocast():
        logits: Tensor = model(images)
    return logits


def evaluation_batch(settings: Settings) -> int:
    """No gradient is kept, so more images fit; past some dozens larger is no faster."""
    return min(settings.batch_size * 2, 64) if settings.batch_size < 64 else settings.batch_size

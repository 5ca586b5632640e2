"""The pass that scores a network on a split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from finesight import ranks
from finesight.config import Settings
from finesight.data.loader import Batch, PictureDataset, load_batches, order_batches
from finesight.data.transforms import prepare
from finesight.engine.device import Machine
from finesight.engine.memory import free_memory, is_out_of_memory
from finesight.engine.views import AS_IT_IS, View, average_views
from finesight.models.contract import Model
from finesight.progress import progress_bar
from finesight.tasks.contract import Score

SMALLEST = float(torch.finfo(torch.float32).tiny)


@torch.inference_mode()
def score_split(
    model: Model,
    dataset: PictureDataset,
    score: Score,
    machine: Machine,
    settings: Settings,
    views: Sequence[View] = AS_IT_IS,
) -> Score:
    """Runs the network over a split, in order, and collects its answers; of several ranks each answers a part.

    score: an empty one. views: of which the mean is taken. Returns the score of the whole split, on every rank.
    """
    model.eval()
    batches = ranks.part(order_batches(len(dataset), evaluation_batch(settings)))
    with progress_bar("Scoring", sum(map(len, batches)), "images") as bar:
        for batch in load_batches(dataset, batches, settings.data.workers, machine.device.type == "cuda"):
            score.update(answer(model, batch, machine, views), batch.targets)
            bar.advance(len(batch.indices))
    score, *others = ranks.gather(score)
    for other in others:
        score.extend(other)
    return score


@torch.inference_mode()
def answer(model: Model, batch: Batch, machine: Machine, views: Sequence[View] = AS_IT_IS) -> Tensor:
    """Logits of a batch, on the device: in more parts where memory is too small.

    Of several views the logarithm of their mean probabilities, which are logits as well.
    """

    def find(images: Tensor) -> Tensor:
        if len(views) == 1:
            return find_logits(model, images, machine)
        return average_views(find_chances, views)(images).clamp(min=SMALLEST).log()

    def find_chances(images: Tensor) -> Tensor:
        return find_logits(model, images, machine).float().softmax(1)

    num_parts = 1
    while True:
        try:
            return torch.cat([find(part) for part in batch.images.chunk(num_parts)])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or num_parts >= len(batch.images):
                raise
        free_memory(machine.device)
        num_parts *= 2


def find_logits(model: Model, images: Tensor, machine: Machine) -> Tensor:
    """images: uint8 pictures as stored (n, 3, h, w), or what the network's first layer is given."""
    images = images.to(machine.device, non_blocking=True)
    if not images.is_floating_point():  # else features, for a last layer alone
        images = prepare(images, model.preprocessing)
    with machine.autocast():
        logits: Tensor = model(images)
    return logits


def evaluation_batch(settings: Settings) -> int:
    """No gradient is kept, so more pictures fit; past some dozens larger is no faster."""
    return min(settings.batch_size * 2, 64) if settings.batch_size < 64 else settings.batch_size

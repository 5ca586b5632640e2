"""Augmentation of batches: the size they are trained at, their random changes, and mixing their images."""

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.config import AugmentSettings, Preprocessing, Settings
from finesight.data.loader import Batch
from finesight.data.transforms import draw_uniform
from finesight.training.job import Job
from finesight.training.schedule import find_position


def training_size(settings: Settings, preprocessing: Preprocessing, epoch: int) -> tuple[int, int]:
    """(height, width) trained at in this epoch: grows from image.first_size to the full size, there for the last fifth.

    In steps of 16 pixels, so that every size divides well.
    """
    if settings.image.first_size is None:
        return preprocessing.size
    done = find_position(settings, epoch - 1)
    fraction = min(1.0, done / (0.8 * (settings.epochs - 1))) if settings.epochs > 1 else 1.0
    height, width = (
        max(1, round((first + fraction * (full - first)) / 16)) * 16 if fraction < 1 else full
        for first, full in zip(settings.image.first_size, preprocessing.size, strict=True)
    )
    return height, width


def variant_of(augment: AugmentSettings, epoch: int) -> int:
    """The epoch whose random numbers an epoch uses: itself, or with augment.variants one of the first."""
    return (epoch - 1) % augment.variants + 1 if augment.variants else epoch


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seeds torch's generator for a step, of which mixing and dropout draw; each rank for itself."""
    rank = distributed.rank()
    state = np.random.SeedSequence((seed, epoch, step, *([rank] if rank else []))).generate_state(1)
    torch.manual_seed(int(state[0]))


def make_input(job: Job, batch: Batch, epoch: int) -> tuple[Tensor, Tensor]:
    """What the network takes in this epoch, and targets, on the device. Call `seed_step` before."""
    images, targets = augment_batch(job, batch, epoch)
    return mix_images(images, targets, job.settings, len(job.classes), epoch)


def augment_batch(job: Job, batch: Batch, epoch: int) -> tuple[Tensor, Tensor]:
    """Images and targets on the device, augmented for this epoch, before mixing."""
    settings, device = job.settings, job.machine.device
    draws = draw_uniform(settings.seed, variant_of(settings.augment, epoch), batch.indices)
    size = training_size(settings, job.model.preprocessing, epoch)
    images = batch.images.to(device, non_blocking=True)
    targets = batch.targets.to(device, non_blocking=True)
    return job.task.augment(images, targets, settings.augment, job.model.preprocessing, draws, size, job.class_counts)


def mixes(settings: Settings, epoch: int) -> bool:
    """Whether this epoch's images are mixed: by default not those of the last fifth.

    The idea is YOLOX's (arXiv:2107.08430), which mixes no more in the last 15 of its 300 epochs.
    Batch normalisation's statistics of mixed images differ from those of plain images: a network trained on
    mixed ones to the end is strongly underconfident (benchmarks/log).
    """
    augment, done = settings.augment, find_position(settings, epoch - 1)
    return bool(augment.mixup or augment.cutmix) and done < augment.mix_fraction * settings.epochs


def mix_images(
    images: Tensor, targets: Tensor, settings: Settings, num_classes: int, epoch: int
) -> tuple[Tensor, Tensor]:
    """MixUp or CutMix by torchvision, in epochs that mix: targets become class probabilities (n, C)."""
    if not mixes(settings, epoch):
        return images, targets
    from torchvision.transforms import v2

    kinds = ((v2.MixUp, settings.augment.mixup), (v2.CutMix, settings.augment.cutmix))
    choices = [kind(alpha=alpha, num_classes=num_classes) for kind, alpha in kinds if alpha]
    mix = choices[int(torch.randint(len(choices), ()))]
    mixed, probabilities = mix(images, targets)
    return mixed.contiguous(memory_format=torch.channels_last), probabilities

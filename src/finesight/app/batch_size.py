"""How many images a step takes: what the settings say, or what suits the number of training images."""

import dataclasses

from finesight import distributed
from finesight.analysis.wording import count_of
from finesight.config import Settings
from finesight.data.loader import order_batches
from finesight.errors import ConfigError
from finesight.progress import say
from finesight.training.microbatch import SMALLEST_SHARD
from finesight.training.optim import find_warmup

USUAL = 32


def choose_batch_size(settings: Settings, num_train: int) -> Settings:
    """With a batch_size where none is set: batch_size_per_device for each rank, or else USUAL.

    A quarter of the images where there are fewer than USUAL. Says what is not USUAL.
    """
    each, ranks = settings.batch_size_per_device, distributed.world_size()
    size = settings.batch_size or each * ranks or USUAL
    if each and not settings.batch_size:
        say(f"Note: batch_size is {size}, {each} images on each of {ranks} devices. optim.lr is not changed by it.")
    elif not settings.batch_size and num_train < USUAL:
        least = SMALLEST_SHARD * settings.optim.accumulate * ranks
        size = max(1, min(num_train, max(num_train // 4, least)))
        steps = count_of(len(order_batches(num_train, size)), "step")
        images = count_of(num_train, "training image")
        say(f"Note: batch_size is {size} instead of {USUAL}, with only {images}; an epoch has {steps}.")
    return dataclasses.replace(settings, batch_size=size)


def check_ranks(settings: Settings) -> None:
    """Raises ConfigError where a batch is too small to be divided."""
    each = SMALLEST_SHARD * settings.optim.accumulate
    least = distributed.world_size() * each
    if distributed.world_size() > 1 and settings.batch_size < least:
        raise ConfigError(
            f"batch_size = {settings.batch_size} is too small for {distributed.world_size()} processes, each of which "
            f"needs at least {each} images: raise it to {least} or more, or start fewer processes."
        )


def check_warmup(settings: Settings, num_train: int) -> None:
    """Notes a warm-up that is shorter than a step, and therefore left out."""
    steps = len(order_batches(num_train, settings.batch_size))
    if settings.optim.warmup_epochs and not find_warmup(settings.optim, steps, settings.epochs):
        say(
            f"Note: no warm-up, as optim.warmup_epochs = {settings.optim.warmup_epochs:g} is shorter than one step: an "
            f"epoch has {count_of(steps, 'step')}."
        )

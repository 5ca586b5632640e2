"""How many images a step takes: what the settings say, or what suits the number of training images."""

import dataclasses
import math
import time
from contextlib import closing

from finesight import distributed
from finesight.analysis.wording import count_of
from finesight.backend.memory import available_bytes, peak_bytes
from finesight.config import OptimSettings, Settings
from finesight.data.loader import order_batches
from finesight.errors import ConfigError
from finesight.progress import say
from finesight.training.costs import make_features
from finesight.training.job import Job
from finesight.training.microbatch import SMALLEST_SHARD
from finesight.training.optim import find_warmup
from finesight.training.trial import repeat_steps, start_trial

USUAL = 32
FEWEST_STEPS = 8  # of an epoch, whatever the batch that fits: the schedule needs some
LEAST_GAIN = 1.05  # times as many images per second, for which a batch is doubled
MOST_MEMORY = 0.8  # of what there is
WARM_UP, TIMED = 1, 2  # steps


def choose_batch_size(settings: Settings, num_train: int) -> Settings:
    """With a batch_size where none is set: batch_size_per_device for each rank, or else USUAL.

    A quarter of the images where there are fewer than USUAL. Says what is not USUAL.
    """
    each, ranks = settings.batch_size_per_device, distributed.world_size()
    size = max(settings.batch_size, 0) or each * ranks or USUAL
    is_auto = settings.batch_size < 0
    if each and not settings.batch_size:
        say(f"Note: batch_size is {size}, {each} images on each of {ranks} devices. optim.lr is not changed by it.")
    elif (is_auto or not settings.batch_size) and num_train < USUAL:
        least = SMALLEST_SHARD * settings.optim.accumulate * ranks
        size = max(1, min(num_train, max(num_train // 4, least)))
        steps = count_of(len(order_batches(num_train, size)), "step")
        images = count_of(num_train, "training image")
        if not is_auto:
            say(f"Note: batch_size is {size} instead of {USUAL}, with only {images}; an epoch has {steps}.")
    return dataclasses.replace(settings, batch_size=size)


def find_batch_size(job: Job) -> tuple[int, str]:
    """(size, why): from the usual size twice as many images as long as that is faster and memory is enough for it.

    Where memory is too small for the usual size, half as many as long as it is.
    """
    size, most = job.settings.batch_size, len(job.train) // FEWEST_STEPS
    pace = measure_pace(job, size)
    while pace is None and size >= 2 * least_batch(job.settings):
        size //= 2
        pace = measure_pace(job, size)
    if pace is None or size < job.settings.batch_size:
        return size, "Memory is too small for more."
    while True:
        if 2 * size > most:
            return size, f"A larger one would leave an epoch fewer than {FEWEST_STEPS} steps."
        if not has_room(job, size):
            return size, f"Memory may be too small for {2 * size}."
        twice = measure_pace(job, 2 * size)
        if twice is None:
            return size, f"Memory is too small for {2 * size}."
        if twice < LEAST_GAIN * pace:
            return size, f"{2 * size} are not faster: {twice:.3g} images/s instead of {pace:.3g}."
        size, pace = 2 * size, twice


def least_batch(settings: Settings) -> int:
    return SMALLEST_SHARD * settings.optim.accumulate * distributed.world_size()


def has_room(job: Job, size: int) -> bool:
    """Whether memory is expected to be enough for a batch twice as large, after steps of `size` images.

    On a CPU all ranks of a machine share what is free. The same on all ranks: that of the least.
    """
    device = job.machine.device
    peak, free = peak_bytes(device), available_bytes(device)
    sharing = distributed.local_world_size() if device.type == "cpu" else 1
    is_enough = peak is None or free is None or peak < MOST_MEMORY * (peak + free / sharing) / 2
    return not distributed.all_reduce_max(not is_enough)


def measure_pace(job: Job, size: int) -> float | None:
    """Images per second of training steps of `size` images; None where memory is too small for them."""
    settings = dataclasses.replace(job.settings, batch_size=size)
    with start_trial(dataclasses.replace(job, settings=settings)) as trainer:
        train = make_features(trainer) if trainer.cache else job.train
        seconds = []
        with closing(repeat_steps(trainer, 1, train)) as steps:
            for _ in range(WARM_UP + TIMED):
                started = time.perf_counter()
                next(steps)
                seconds.append(time.perf_counter() - started)
        fits = trainer.at.micro_batch_multiplier == 1
        return distributed.broadcast_result(lambda: size / min(seconds[WARM_UP:]) if fits else None)


def scale_rate(optim: OptimSettings, size: int) -> float:
    """optim.lr, which is meant for USUAL images a step, for a batch of `size`.

    SGD: times as much as the batch (Goyal 2017, arXiv:1706.02677). Adam and AdamW: times the square root of that
    (Malladi 2022, arXiv:2205.10287).
    """
    factor = size / USUAL
    return float(f"{optim.lr * (factor if optim.name == 'sgd' else math.sqrt(factor)):.3g}")


def describe_scaling(optim: OptimSettings, rate: float) -> str:
    rule = "as many times as the batch" if optim.name == "sgd" else "by the square root of the batch"
    return f"optim.lr is {rate:g} instead of {optim.lr:g}, which is for {USUAL} images: it is scaled {rule}."


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

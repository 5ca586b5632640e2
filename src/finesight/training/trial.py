"""Steps of training that leave nothing behind: they are timed, or their loss is looked at, before a run begins."""

import copy
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from finesight.data.loader import ImageDataset
from finesight.progress import silence
from finesight.training.job import Job
from finesight.training.position import Position
from finesight.training.trainer import Trainer


@contextmanager
def start_trial(job: Job) -> Iterator[Trainer]:
    """A trainer of a copy of the job's model. Weights, batch statistics and torch's generators stay as they were."""
    device = job.machine.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), silence():
        yield Trainer(replace(job, model=copy.deepcopy(job.model), callbacks=[]))


def repeat_steps(trainer: Trainer, epoch: int, train: ImageDataset) -> Generator[float]:
    """The loss of each step, from this epoch on without an end. train: what is read."""
    while True:
        trainer.at = Position(epoch=epoch, micro_batch_multiplier=trainer.at.micro_batch_multiplier)
        trainer.batches = trainer.order_batches()
        for loss in trainer.take_steps(train):
            yield float(loss.wait())
            trainer.at.step += 1
        epoch += 1

"""Run by test_data_parallel.py under torchrun: trainings that end and are resumed on ranks that sum in some order.

Argument: a folder for the runs. Three ranks, as two sum in only one order.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from trainers import SIZE, make_trainer

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.config import Preprocessing
from finesight.data.loader import Batch
from finesight.models.contract import Model, WeightsOrigin
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import Training
from finesight.training.trainer import Trainer

PLAIN = {"epochs": 3, "num_train": 26, "batch_size": 9, "optim__name": "sgd", "ema": 0.9, "checkpoint__minutes": 0}


class Killed(Exception):
    """In the place of a signal, from which this process could not go on."""


class WithUnused(nn.Sequential):
    """A network that holds a layer which it never calls."""

    def forward(self, images: Tensor) -> Tensor:
        for module in list(self)[1:]:
            images = module(images)
        return images


def make_network(kind: type[nn.Sequential] = nn.Sequential) -> Model:
    """Six megabytes of weights, whose first backward pass orders its messages otherwise than the layers lie."""
    torch.manual_seed(0)
    unused = [nn.Linear(3, 3)] if kind is WithUnused else []
    layers = [nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 64, 2), nn.BatchNorm2d(64), nn.ReLU()]
    dense = [nn.Flatten(), nn.Linear(256, 1000), nn.Dropout(0.1), nn.ReLU(), nn.Linear(1000, 1000), nn.Linear(1000, 3)]
    network = kind(*unused, *layers, *dense)
    names = {"name": "small", "head": str(len(network) - 1), "num_classes": 3}
    return Model(network, preprocessing=Preprocessing(size=SIZE), origin=WeightsOrigin("none"), **names)  # type: ignore[arg-type]


def make(name: str, settings: dict[str, object], kind: type[nn.Sequential] = nn.Sequential) -> Trainer:
    return make_trainer(Path(sys.argv[1]), make_network(kind), name, **(PLAIN | settings))  # type: ignore[arg-type]


def run(trainer: Trainer, end: Callable[[StopRequest], None] | None = None, at: tuple[int, int] = (0, 0)) -> int:
    """end: what happens on every rank before a step; at: which (epoch, step from 0)."""
    stop, step = StopRequest(), trainer._forward_backward

    def watched(batch: Batch) -> Tensor:
        if end and (trainer.at.epoch, trainer.at.step) == at:
            end(stop)
        return step(batch)

    trainer._forward_backward = watched  # type: ignore[method-assign]
    return trainer.run(stop)


def kill(_: StopRequest) -> None:
    raise Killed


def interrupt(stop: StopRequest) -> None:
    stop.signal = 15 if distributed.rank() == 1 else 0


def state(trainer: Trainer) -> dict[str, Tensor]:
    assert trainer.average
    tensors = Training.load(trainer.job.run).tensors
    return {
        **trainer.network.state_dict(),
        **{f"average/{k}": v for k, v in trainer.average.weights.items()},
        **tensors,
    }


def check_same(one: Trainer, other: Trainer) -> None:
    distributed.barrier()  # until the main rank has written the last checkpoint
    mine, theirs = state(one), state(other)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert one.job.run.read_lines("journal.jsonl") == other.job.run.read_lines("journal.jsonl")
    ranks = distributed.all_gather_object(one.network.state_dict())
    assert all(torch.equal(ranks[0][name], each[name]) for each in ranks for name in each)


def check_resuming(
    name: str, settings: dict[str, object], *ends: tuple[Callable[[StopRequest], None], int, int]
) -> None:
    """However often a training ends, and wherever, it ends with the same bits as one that runs through."""
    whole = make(f"{name}-whole", settings)
    assert run(whole) == 0
    for end, epoch, step in ends:
        trainer = make(f"{name}-ended", settings)
        trainer.resume()
        try:
            assert run(trainer, end, (epoch, step)) == 15
            late = int(
                trainer.job.settings.checkpoint.minutes > 0
            )  # all hear of it one step later, or with a checkpoint
            assert (trainer.at.epoch, trainer.at.step) == (epoch, step + 1 + late)
        except Killed:
            pass
        distributed.barrier()
    trainer = make(f"{name}-ended", settings)
    trainer.resume()
    assert run(trainer) == 0
    check_same(trainer, whole)


def check_unused() -> None:
    trainer = make("unused", {"epochs": 1}, WithUnused)
    before = trainer.network.get_parameter("0.weight").clone()
    assert run(trainer) == 0
    assert torch.equal(trainer.network.get_parameter("0.weight"), before)
    assert all(
        parameter not in trainer.optimiser.state for parameter in trainer.network.get_submodule("0").parameters()
    )


distributed.BUCKET_MB = 1
RunFolder.create = lambda run: run.path.mkdir(parents=True, exist_ok=True)  # type: ignore[method-assign] # by any rank
check_resuming("plain", {}, (kill, 1, 2), (interrupt, 2, 0), (kill, 3, 1))
check_resuming("late", {"epochs": 1, "checkpoint__minutes": 5}, (interrupt, 1, 0))
check_resuming("micro", {"optim__accumulate": 2, "optim__clip_norm": 1.0, "batch_size": 12}, (kill, 2, 1))
thawing = {"model__freeze_before": "head", "optim__unfreeze": [[2, "7"], [3, "0"]]}
check_resuming("thawing", thawing, (kill, 1, 1), (kill, 2, 0), (interrupt, 3, 1))
check_unused()
print(f"rank {distributed.rank()} agrees")

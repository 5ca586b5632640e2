"""Everything before epoch 1: data, model, loss and machine are made and checked, nothing is written."""

import dataclasses

import numpy as np

from finesight import distributed
from finesight.app.batch_size import check_ranks, check_warmup, choose_batch_size
from finesight.app.datasets import open_splits
from finesight.app.initial_model import start_model
from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import CheckpointSettings, Settings
from finesight.data.formats import FORMATS
from finesight.data.leftovers import quote_some
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset
from finesight.data.resident import make_resident
from finesight.data.sufficiency import Amount, find_shortage
from finesight.errors import ConfigError, DataError, suggest
from finesight.models.contract import Model
from finesight.progress import say_notes
from finesight.run.folder import RunFolder
from finesight.task import Task
from finesight.tasks import TASKS
from finesight.training.job import Job
from finesight.training.position import choose_tie


def prepare_job(settings: Settings, run: RunFolder, listing: Listing, *, pretrained: bool = True) -> Job:
    """A job whose settings hold what was decided. pretrained=False: weights will come from a checkpoint."""
    machine = Machine.resolve(settings.machine, to_train=True)
    task, classes = TASKS[FORMATS[listing.format].task], listing.classes
    task.check(settings)
    settings = dataclasses.replace(settings, checkpoint=choose_checkpoint(settings, task, classes))
    model = start_model(settings, task, listing, run, pretrained)
    train, val = open_splits(listing, settings, model.preprocessing, task)
    class_counts = check_sufficient(train, val, task, classes, settings)
    settings = choose_batch_size(settings, len(train))
    check_ranks(settings)
    check_warmup(settings, len(train))
    settings = record_choices(settings, listing, task, model, machine, choose_workers(settings, train))
    return Job(
        run=run,
        settings=settings,
        task=task,
        classes=classes,
        model=model,
        machine=machine,
        loss=task.make_loss(settings.loss, class_counts, classes),
        train=make_resident(train, machine.device),
        val=val,
        class_counts=class_counts,
        rule=listing.rule,
        callbacks=task.watch_training(run, val, classes, settings),
    )


def check_sufficient(
    train: ImageDataset, val: ImageDataset, task: Task, classes: ClassList, settings: Settings
) -> np.ndarray:
    """How often each class occurs in training. Raises DataError where there is too little to train or validate on."""
    counts, val_counts = (task.count_classes(dataset.targets, classes) for dataset in (train, val))
    targets = task.targets
    scored = set(targets.list_scored(classes))
    trained, held_out = (
        Amount(len(dataset), frozenset(np.flatnonzero(each).tolist()) & scored)
        for dataset, each in ((train, counts), (val, val_counts))
    )
    if reason := find_shortage(trained, held_out, settings.batch_size, targets.no_val, targets.no_class):
        raise DataError(reason)
    compared = targets.compare_amounts(trained, held_out, classes.names)
    say_notes(f"{sentence}: {quote_some(names)}." for sentence, names in compared)
    return counts


def choose_checkpoint(settings: Settings, task: Task, classes: ClassList) -> CheckpointSettings:
    """Which metric judges epochs, and what decides between equals. Raises ConfigError for what the task lacks."""
    known = task.list_metrics(classes)
    name = settings.checkpoint.best or task.best_metric
    if name not in known:
        hint = suggest(name, known, f"There are: {', '.join(n for n in known if '/' not in n)}.")
        raise ConfigError(f"checkpoint.best = {name!r} is not a metric of {task.name}. {hint}")
    if settings.checkpoint.tie == "log_loss" and "log_loss" not in known:
        raise ConfigError(f'checkpoint.tie = "log_loss" needs a log loss, which {task.name} lacks; choose "first".')
    return dataclasses.replace(settings.checkpoint, best=name, tie=choose_tie(settings.checkpoint.tie, name, known))


def choose_workers(settings: Settings, train: ImageDataset) -> int:
    """Stored pixels are read at once; decoding wants a process a core."""
    if settings.data.workers >= 0:
        return settings.data.workers
    return distributed.num_cores() if train.pixels.note else 0


def record_choices(
    settings: Settings, listing: Listing, task: Task, model: Model, machine: Machine, workers: int
) -> Settings:
    """Settings in which nothing is left to decide, so that the run says what was done."""
    seen = model.preprocessing
    return dataclasses.replace(
        settings,
        task=task.name,
        data=dataclasses.replace(settings.data, format=listing.format, workers=workers),
        image=dataclasses.replace(settings.image, size=seen.size, fit=seen.fit, interpolation=seen.interpolation),
        model=dataclasses.replace(settings.model, name=model.name),
        machine=dataclasses.replace(settings.machine, device=machine.name, precision=machine.precision),
    )

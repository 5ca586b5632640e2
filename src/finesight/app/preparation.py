"""Everything before epoch 1: data, network, loss and machine are made and checked, nothing is written."""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from finesight import distributed
from finesight.analysis.feature_history import start_history
from finesight.app.batch_size import check_ranks, choose_batch_size, tell_warmup
from finesight.app.run_data import restore_splits
from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import CheckpointSettings, PixelScale, Preprocessing, Settings
from finesight.data.decoders import Size, row_sizes
from finesight.data.formats import read_listing
from finesight.data.image_cache import common_size, open_pixels, stored_size
from finesight.data.images.reading import describe_reading, describe_scale
from finesight.data.images.scaling import choose_scale, measure_values
from finesight.data.leftovers import quote_some
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset
from finesight.data.sample import Item
from finesight.data.sufficiency import Amount, compare_classes, find_shortage
from finesight.errors import ConfigError, DataError
from finesight.inference.restore import load_weights, read_new_layers, read_preprocessing
from finesight.models import build_model
from finesight.models.contract import Model
from finesight.progress import progress_bar, say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.task import Task
from finesight.tasks import TASKS
from finesight.training.best_epoch import choose_tie
from finesight.training.job import Job


def prepare_job(settings: Settings, run: RunFolder, *, pretrained: bool = True) -> Job:
    """A job whose settings hold what was decided. pretrained=False: weights will come from a checkpoint."""
    if not settings.data.root:
        raise ConfigError("No data: name the folder or CSV file with your images, --data PATH.")
    machine = Machine.resolve(settings.machine)
    listing = read_data(settings, run)
    task = choose_task(settings, listing)
    task.check(settings)
    settings = dataclasses.replace(settings, checkpoint=choose_checkpoint(settings, task, listing.classes))
    model = start_model(settings, task, listing, pretrained)
    say(f"Network: {model.name}, {model.origin.source if pretrained else 'weights of the checkpoint'}.")
    items = [item for split in ("train", "val") for item in listing.splits[split]]
    if pretrained:
        chosen = choose_preprocessing(model.preprocessing, settings, items, task)
        model.preprocessing = dataclasses.replace(chosen, scale=find_scale(listing.splits["train"]))
    else:
        model.preprocessing = read_preprocessing(run)
        model.new_layers = read_new_layers(run)
    train, val = open_splits(listing, settings, model.preprocessing, task)
    class_counts = check_sufficient(train, val, task, listing.classes, settings)
    settings = choose_batch_size(settings, len(train))
    check_ranks(settings)
    tell_warmup(settings, len(train))
    loss = task.make_loss(settings.loss, class_counts, listing.classes)
    film = task.start_film(run, val.keys, val.targets, listing.classes, settings)
    settings = record_choices(settings, listing, task, model, machine, choose_workers(settings, train))
    feature_history = start_history(run, val, listing.classes, settings) if not task.has_masks else None
    return Job(
        run=run,
        settings=settings,
        task=task,
        classes=listing.classes,
        model=model,
        machine=machine,
        loss=loss,
        train=train,
        val=val,
        class_counts=class_counts,
        masks=listing.masks,
        film=film,
        feature_history=feature_history,
    )


def start_model(settings: Settings, task: Task, listing: Listing, pretrained: bool) -> Model:
    """The model with the weights the settings name, or with random ones. Raises ConfigError for one of another task."""
    name = settings.model.name or task.default_model
    weights = settings.model.weights if pretrained else "none"
    torch.manual_seed(settings.seed)  # of the new layers
    start = RunFolder.open(weights) if pretrained and RunFolder(Path(weights)).is_run() else None
    source = str(start.checkpoint("best") / schema.WEIGHTS) if start else weights
    model = build_model(name, len(listing.classes), source, settings.model.dropout, settings.image.size)
    if start:
        seen = read_preprocessing(start)
        model.preprocessing = dataclasses.replace(
            model.preprocessing, mean=seen.mean, std=seen.std, interpolation=seen.interpolation
        )
        model.origin = dataclasses.replace(model.origin, source=f"run {start.path}")
        if not task.has_masks and start.read_classes().names == listing.classes.names:  # its last layer serves, too
            load_weights(start, "best", model.network)
            model.new_layers = ()
    if model.task != task.name:
        raise ConfigError(f"{name} is a network for {model.task}, but {listing.root} holds data for {task.name}.")
    return model


def check_sufficient(
    train: ImageDataset, val: ImageDataset, task: Task, classes: ClassList, settings: Settings
) -> np.ndarray:
    """How often each class occurs in training. Raises DataError where there is too little to train or validate on."""
    counts, val_counts = (task.count_classes(dataset.targets, classes) for dataset in (train, val))
    ignored = {classes.ignore} if task.has_masks else set()
    learned, scored = (
        Amount(len(dataset), frozenset(np.flatnonzero(each).tolist()) - ignored)
        for dataset, each in ((train, counts), (val, val_counts))
    )
    if reason := find_shortage(learned, scored, settings.batch_size, task.has_masks):
        raise DataError(reason)
    if task.has_masks:  # of labels the listing tells
        for sentence, names in compare_classes(learned, scored, classes.names):
            say(f"Note: {sentence}: {quote_some(names)}.")
    return counts


def read_data(settings: Settings, run: RunFolder) -> Listing:
    """The listing, told to the person as it was understood; of a run that is there already with its splits."""
    data = settings.data
    listing = read_listing(data.root, data.val, data.format, data.classes, data.val_fraction, settings.seed, data)
    if run.is_run():
        listing = restore_splits(listing, run)
    elif data.limit:
        listing = limit_splits(listing, data.limit)
    counts = ", ".join(f"{len(items)} {split}" for split, items in listing.splits.items())
    say(f"Data: {listing.format}, {len(listing.classes)} classes, {counts}.")
    for note in listing.notes:
        for line in f"Note: {note}".splitlines():
            say(line)
    return listing


def limit_splits(listing: Listing, limit: int) -> Listing:
    """At most so many images of each split, evenly spread over it."""
    splits = {
        split: tuple(items[len(items) * number // limit] for number in range(limit)) if len(items) > limit else items
        for split, items in listing.splits.items()
    }
    return dataclasses.replace(listing, splits=splits)


def choose_task(settings: Settings, listing: Listing) -> Task:
    """Images with masks are segmented, images with labels classified."""
    found = "segmentation" if isinstance(listing.splits["train"][0].target, Path) else "classification"
    if settings.task not in ("auto", found):
        raise ConfigError(f"task = {settings.task}, but {listing.root} holds data for {found}.")
    return TASKS[found]


def choose_checkpoint(settings: Settings, task: Task, classes: ClassList) -> CheckpointSettings:
    """Which metric judges epochs, and what decides between equals. Raises ConfigError for what the task lacks."""
    known = task.list_metrics(classes)
    name = settings.checkpoint.best or task.best_metric
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(n for n in known if '/' not in n)}."
        raise ConfigError(f"checkpoint.best = {name!r} is no metric of {task.name}. {hint}")
    if settings.checkpoint.tie == "log_loss" and "log_loss" not in known:
        raise ConfigError(f'checkpoint.tie = "log_loss" needs a log loss, which {task.name} lacks; choose "first".')
    return dataclasses.replace(settings.checkpoint, best=name, tie=choose_tie(settings.checkpoint.tie, name, known))


def choose_preprocessing(
    preprocessing: Preprocessing, settings: Settings, items: Sequence[Item], task: Task
) -> Preprocessing:
    """That of the weights, changed where the settings say so, with the size images are stored at."""
    image = settings.image
    fit = image.fit or task.fits[0]
    if fit not in task.fits:
        raise ConfigError(f"image.fit = {fit!r} does not go with {task.name}; choose {' or '.join(task.fits)}.")
    size = image.size or preprocessing.size
    stored = stored_size(items, size, fit)
    if fit == "native":  # a piece is no larger than what it is cut from
        size = min(size[0], stored[0]), min(size[1], stored[1])
    interpolation = image.interpolation or preprocessing.interpolation
    return dataclasses.replace(preprocessing, size=size, fit=fit, interpolation=interpolation, stored=stored)


def find_scale(items: Sequence[Item]) -> PixelScale:
    """What becomes 0 and 255 of training images that are not uint8, told to the person."""
    stats = measure_values(items)
    for line in describe_scale(stats, len(items)):
        say(line)
    return choose_scale(stats, len(items))


def say_reading(items: Sequence[Item], preprocessing: Preprocessing, of: str = "") -> None:
    """What of these images is left out, clipped or not scaled as the run's own were."""
    for note in describe_reading(items, preprocessing.scale):
        say(f"Note: {of}{note}")


def open_splits(
    listing: Listing, settings: Settings, preprocessing: Preprocessing, task: Task
) -> tuple[ImageDataset, ImageDataset]:
    """(train, val); the error names the unreadable images of both, so that they can be repaired in one go."""
    opened, errors = [], []
    for split in ("train", "val"):
        try:
            opened.append(open_split(listing, split, settings, preprocessing, task, to_train=split == "train"))
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError("\n".join(errors))
    return opened[0], opened[1]


def open_split(
    listing: Listing, split: str, settings: Settings, preprocessing: Preprocessing, task: Task, to_train: bool = False
) -> ImageDataset:
    """A split's pixels and targets; unreadable images stop here, all named, or are left out and named.

    To train, whole images and their masks are cut or padded to one size. Else they keep their own sizes, and so do
    the masks of squashed images: an evaluation counts the pixels that `predict` answers.
    """
    data = settings.data
    items = listing.splits[split]
    say_reading(items, preprocessing, f"{split}: ")
    stored: Size | None = preprocessing.stored or preprocessing.size
    fit, of_mask = preprocessing.fit, stored
    if task.has_masks and (fit == "stretch" or not to_train):
        of_mask = common_size(items, stored if to_train else None)
    with progress_bar(f"Reading {split}", len(items), "images") as bar:
        pixels, kept, bad = open_pixels(
            items,
            of_mask if fit == "native" else stored,
            fit,
            preprocessing.interpolation,
            limit_gb=data.image_cache_gb,
            mode=data.image_cache,
            on_bad=data.on_bad_image,
            progress=bar.advance,
            scale=preprocessing.scale,
        )
    if pixels.note and data.image_cache == "auto":
        say(f"Note: {pixels.note}")
    for image in bad:
        say(f"Left out: {image.key}: {image.reason}")
    if not kept:
        raise DataError(f"No image of the {split} part could be read.")
    targets = task.open_targets(kept, listing, of_mask, preprocessing, settings)
    sizes = row_sizes(of_mask, kept) if task.has_masks and not to_train else None
    return ImageDataset(pixels, targets, [item.key for item in kept], sizes)


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

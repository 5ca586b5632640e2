"""The model that training starts from: its weights, and how it wants images."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from finesight.config import PixelScale, Preprocessing, Settings
from finesight.data.decoders import stored_size
from finesight.data.images.reading_notes import describe_scale
from finesight.data.images.scaling import choose_scale, measure_values
from finesight.data.listing import Listing
from finesight.data.sample import Item
from finesight.data.transforms import is_geometric
from finesight.errors import ConfigError
from finesight.inference.restore import load_weights
from finesight.models import build_model
from finesight.models.contract import Model
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.task import Task

REDUCED = 2  # times the stored size to which a JPEG may be reduced in decoding: of 12 megapixels six times as quick


def start_model(settings: Settings, task: Task, listing: Listing, run: RunFolder, pretrained: bool) -> Model:
    """With the weights and the preprocessing of the settings. pretrained=False: those of the run that is resumed."""
    model = load_model(settings, task, listing, pretrained)
    say(f"Model: {model.name}, {model.origin.source if pretrained else 'weights of the checkpoint'}.")
    if pretrained:
        items = [item for split in ("train", "val") for item in listing.splits[split]]
        chosen = choose_preprocessing(model.preprocessing, settings, items, task)
        model.preprocessing = dataclasses.replace(chosen, scale=find_scale(listing.splits["train"]))
    else:
        card = run.read_model()
        model.preprocessing, model.new_layers = card.preprocessing, card.new_layers
    return model


def load_model(settings: Settings, task: Task, listing: Listing, pretrained: bool) -> Model:
    """The model with the weights the settings name, or with random ones. Raises ConfigError for one of another task."""
    name = settings.model.name or task.default_model
    weights = settings.model.weights if pretrained else "none"
    torch.manual_seed(settings.seed)  # of the new layers
    start = RunFolder.open(weights) if pretrained and RunFolder(Path(weights)).is_run() else None
    source = str(start.checkpoint("best") / schema.WEIGHTS) if start else weights
    model = build_model(name, len(listing.classes), source, settings.model.dropout, settings.image.size)
    if start:
        seen = start.read_model().preprocessing
        model.preprocessing = dataclasses.replace(
            model.preprocessing, mean=seen.mean, std=seen.std, interpolation=seen.interpolation
        )
        model.origin = dataclasses.replace(model.origin, source=f"run {start.path}")
        if task.keeps_head and start.read_classes().names == listing.classes.names:  # its head serves, too
            load_weights(start, "best", model.network)
            model.new_layers = ()
    if model.task != task.network:
        raise ConfigError(f"{name} is a {model.task} model, but {listing.root} holds {task.name} data.")
    return model


def choose_preprocessing(
    preprocessing: Preprocessing, settings: Settings, items: Sequence[Item], task: Task
) -> Preprocessing:
    """That of the weights, changed where the settings say so, with the size images are stored at."""
    image = settings.image
    fit = image.fit or task.fits[0]
    if fit not in task.fits:
        raise ConfigError(f"image.fit = {fit!r} is not available for {task.name}; choose {' or '.join(task.fits)}.")
    size = image.size or preprocessing.size
    largest = stored_size(items, size, fit)
    if fit == "native":  # a crop is no larger than its image
        size = min(size[0], largest[0]), min(size[1], largest[1])
    is_enlarged = largest[0] < size[0] or largest[1] < size[1]  # by the network's machine: a small image is soon read
    stored = largest if fit == "native" or is_enlarged else size
    least = 0 if "native" in task.fits else REDUCED * max(largest)  # masks are predicted at the image's own size
    return dataclasses.replace(
        preprocessing,
        size=size,
        fit=fit,
        interpolation=image.interpolation or preprocessing.interpolation,
        stored=stored,
        stored_to_train=largest if is_geometric(settings.augment) and largest != stored else None,
        least_px=least,
    )


def find_scale(items: Sequence[Item]) -> PixelScale:
    """What becomes 0 and 255 of training images that are not uint8; says so."""
    stats = measure_values(items)
    for line in describe_scale(stats, len(items)):
        say(line)
    return choose_scale(stats, len(items))

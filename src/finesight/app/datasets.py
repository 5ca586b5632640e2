"""From a listing to data sets: pixels and targets of a split, read by index."""

import gc

from finesight.config import Preprocessing, Settings
from finesight.data.decoders import Images
from finesight.data.file_facts import looking_once
from finesight.data.image_cache import open_pixels
from finesight.data.images.reading_notes import say_reading
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset
from finesight.errors import DataError
from finesight.progress import progress_bar, say
from finesight.task import Task


def open_splits(
    listing: Listing, settings: Settings, preprocessing: Preprocessing, task: Task
) -> tuple[ImageDataset, ImageDataset]:
    """(train, val); the error names the unreadable images of both, so that they can be repaired in one go."""
    opened, errors = [], []
    for split in ("train", "val"):
        try:
            with looking_once():
                opened.append(open_split(listing, split, settings, preprocessing, task, to_train=split == "train"))
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError("\n".join(errors))
    gc.freeze()  # else each reading process copies the pages of every item when it first searches for cycles
    return opened[0], opened[1]


def open_split(
    listing: Listing, split: str, settings: Settings, preprocessing: Preprocessing, task: Task, to_train: bool = False
) -> ImageDataset:
    """A split's pixels and targets; unreadable images stop here, all named, or are left out and named."""
    data, items = settings.data, listing.splits[split]
    say_reading(items, preprocessing, f"{split}: ")
    size = task.targets.choose_size(items, preprocessing, to_train)
    stored = size if preprocessing.fit == "native" else preprocessing.decoded_size(to_train)
    with progress_bar(f"Reading {split}", len(items), "images") as bar:
        pixels, kept, bad = open_pixels(
            items,
            Images(stored, preprocessing.fit, preprocessing.interpolation, preprocessing.scale, preprocessing.least_px),
            limit_gb=data.image_cache_gb,
            mode=data.image_cache,
            on_bad=data.on_bad_image,
            progress=bar.advance,
        )
    if pixels.note and data.image_cache == "auto":
        say(f"Note: {pixels.note}")
    for image in bad:
        say(f"Left out: {image.key}: {image.reason}")
    if not kept:
        raise DataError(f"No image of the {split} split could be read.")
    targets = task.open_targets(kept, listing, size, preprocessing.fit, data)
    sizes = None if to_train else task.targets.list_sizes(kept, size)
    return ImageDataset(pixels, targets, [item.key for item in kept], sizes)

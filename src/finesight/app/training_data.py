"""From a folder or a CSV file to a listing: the images by split, their task, classes and reading rule."""

import dataclasses
import gc
from collections.abc import Collection, Sequence
from pathlib import Path
from types import MappingProxyType

from finesight.app.run_splits import Recorded, read_recorded, restore_splits
from finesight.collector import without_collector
from finesight.config import DataSettings, Settings
from finesight.data.class_choice import choose_classes
from finesight.data.formats import FORMATS, read_splits
from finesight.data.layouts.survey import survey_folder
from finesight.data.leftovers import Note
from finesight.data.listing import Listing
from finesight.data.sample import Item
from finesight.data.splits import split_train_val
from finesight.data.targets import Splits
from finesight.errors import ConfigError, DataError, suggest
from finesight.progress import say, say_notes
from finesight.run.folder import RunFolder
from finesight.tasks import TARGETS, TRAINABLE


def list_data(settings: Settings, run: RunFolder) -> Listing:
    """The data to train on, described to the user; of a run that is there already with its splits."""
    recorded = read_recorded(run) if run.is_run() else {}
    with without_collector():
        listing = read_listing(settings.data, settings.seed, settings.task, recorded)
        listing = restore_splits(listing, run, recorded) if recorded else listing
    gc.freeze()  # a search for cycles among the items of a million images takes half a second, and finds none
    if not run.is_run() and settings.data.limit:
        listing = limit_splits(listing, settings.data.limit)
    counts = ", ".join(f"{len(items)} {split}" for split, items in listing.splits.items())
    say(f"Data: {listing.format}, {len(listing.classes)} classes, {counts}.")
    say_notes(listing.notes)
    return listing


def read_listing(
    data: DataSettings, seed: int = 0, task: str = "auto", recorded: Recorded = MappingProxyType({})
) -> Listing:
    """Reads a data set for training, as the settings describe it: images by split, class list and reading rule.

    Where the data bring no validation images, data.val_fraction of each class is set aside, the same for the same seed
    and keys, unless they are recorded: the splits of a run. Classes are matched by id or name, never by order. Raises
    DataError.
    """
    notes: list[Note] = []
    name, base, splits = read_splits(data.root, data.val, data.format, notes=notes, masks=data)
    if "train" not in splits:
        root = survey_folder(data.root).root
        raise DataError(f"{str(root)!r} has no training split, only {', '.join(splits)}.")
    targets = TARGETS[choose_task(task, name, base)]
    known = choose_classes(data, splits, base, notes)
    splits, left_out = targets.leave_out_dropped(splits, known)
    if not splits.get("train"):
        raise DataError(f"Class file {data.classes!r} drops every training image.")
    items = [item for some in splits.values() for item in some]
    classes, rule, remarks = targets.read_classes(items, known, data)
    if "val" not in splits:
        splits["train"], splits["val"] = _find_val(splits["train"], recorded.get("val", {})) or split_train_val(
            splits["train"], data.val_fraction, seed, targets.find_stratum
        )
    _refuse_overlap(splits)
    texts = [note.text for note in (*notes, *left_out)]
    return Listing(name, base, splits, classes, (*texts, *remarks, *targets.compare_splits(splits, classes)), rule)


def _find_val(items: Sequence[Item], keys: Collection[str]) -> tuple[tuple[Item, ...], tuple[Item, ...]] | None:
    """(train, val) where val is of these keys; None where there are none, or not all of them are there."""
    val = tuple(item for item in items if item.key in keys)
    if not val or len(val) < len(keys):
        return None
    return tuple(item for item in items if item.key not in keys), val


def choose_task(name: str, format: str, root: Path) -> str:
    """Name of the task that a format is for. name: as the settings have it, `auto` or this one. Raises ConfigError."""
    found = FORMATS[format].task
    if name not in ("auto", *TRAINABLE):
        hint = suggest(name, TRAINABLE, f"There are: auto, {', '.join(TRAINABLE)}.")
        raise ConfigError(f"task = {name!r} is not a task. {hint}")
    if name not in ("auto", found):
        raise ConfigError(f"task = {name}, but {root} holds data for {found}.")
    return found


def limit_splits(listing: Listing, limit: int) -> Listing:
    """At most `limit` images of each split, evenly spread over it."""
    splits = {
        split: tuple(items[len(items) * number // limit] for number in range(limit)) if len(items) > limit else items
        for split, items in listing.splits.items()
    }
    return dataclasses.replace(listing, splits=splits)


def _refuse_overlap(splits: Splits) -> None:
    if len({item.key for items in splits.values() for item in items}) == sum(map(len, splits.values())):
        return
    seen: dict[str, str] = {}
    for split, items in splits.items():
        for item in items:
            if seen.setdefault(item.key, split) != split:
                raise DataError(
                    f"Image {item.key!r} is in both {seen[item.key]} and {split}; scores would be too high."
                )

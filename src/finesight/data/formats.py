"""Data sets on disk as items by split, whatever the layout: for training, for scoring, for prediction."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path, PurePosixPath

from finesight.classes import natural_key
from finesight.collector import without_collector
from finesight.config import DataSettings
from finesight.data.images.content import UNREAD_IMAGES
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.brush_files import is_brush
from finesight.data.layouts.detection import find_fitting, read_survey, settle
from finesight.data.layouts.names import is_mask
from finesight.data.layouts.pair_layouts import find_layout, leave_unmasked
from finesight.data.layouts.pairing import UnclearPairs
from finesight.data.layouts.patterns import read_globs
from finesight.data.layouts.survey import Splits as Found
from finesight.data.layouts.survey import Survey, locate, survey_folder
from finesight.data.layouts.table import FORMATS
from finesight.data.leftovers import Note
from finesight.data.sample import Item
from finesight.data.targets import Splits
from finesight.errors import ConfigError, DataError
from finesight.progress import say

__all__ = ["FORMATS", "detect_format", "list_images", "list_unmasked", "read_other", "read_splits"]

ORDER = ("train", "val", "test")
DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")


def read_splits(
    root: str | Path,
    val: str | Path = "",
    format: str = "auto",
    faults: list[str] | None = None,
    notes: list[Note] | None = None,
    masks: DataSettings | None = None,
) -> tuple[str, Path, Splits]:
    """(name of the format, root of all keys, items by split) as they stand on disk; nothing is opened or held back.

    faults: takes what is wrong with single rows of a manifest, and that images have no label; else both are raised.
    notes: takes what was passed over or guessed. masks: of which images, masks and unmasked are heeded.
    """
    with without_collector():
        found: list[Note] = []
        name, folder, splits = _read_root(root, format, masks, faults, found)
        base = _find_base(folder, splits)
        if val:
            # images of a single class look unlabelled; beside training images they are not
            _, val_folder, val_splits = _read_root(val, format, masks, faults, found, preferred=name)
            splits["val"] = _only_val(val_splits, val_folder)
            base = Path(os.path.commonpath([base, _find_base(val_folder, {"val": splits["val"]})]))
        ordered = {split: _in_order(splits[split], base) for split in sorted(splits, key=ORDER.index)}
        if masks and masks.unmasked == "skip":
            ordered = leave_unmasked(ordered, found)
        if notes is not None:
            notes += found
        return name, base, ordered


def _read_root(
    root: str | Path,
    format: str,
    masks: DataSettings | None,
    faults: list[str] | None,
    notes: list[Note],
    preferred: str = "",
) -> tuple[str, Path, Found]:
    """(name of the format, folder of the keys, items) of one folder or CSV file."""
    if masks and (masks.images or masks.masks):
        if format not in ("auto", "mask_folders"):
            raise ConfigError(f"--images and --masks name pairs, but --format says {format}; leave one of them out.")
        return "mask_folders", locate(root), read_globs(root, masks.images, masks.masks, notes)
    survey, name = settle(root, format, preferred)
    if masks:
        survey = replace(survey, unannotated=masks.unannotated, classes=masks.classes)
    splits = read_survey(survey, name, faults=faults)
    notes += survey.notes
    return name, survey.root, splits


def _find_base(root: Path, splits: Found) -> Path:
    """The data's folder; where a CSV file names images elsewhere, the folder that all of them lie in."""
    below = os.path.join(root, "")  # noqa: PTH118  text, as there may be a million
    if all(item.file.startswith(below) for items in splits.values() for item in items):
        return root
    return Path(os.path.commonpath([item.path.parent for items in splits.values() for item in items]))


def read_other(
    root: str | Path, format: str, data: DataSettings, has_class: Callable[[Item], bool]
) -> tuple[str, Path, Splits, list[Note]]:
    """As `read_splits`, of images to score a trained model on: none need be for training. Also the notes.

    format: that of the run's own data, tried first where `root` alone does not tell, as images of a single class look
    unlabelled. has_class: whether an item's target is a class of the run. data: whose patterns name images and masks.
    """
    notes: list[Note] = []
    if data.images:
        name, folder, splits = _read_root(root, "auto", data, None, notes)
    else:
        survey, name = survey_folder(root), ""
        if not find_fitting(survey):
            name, splits = _read_single_class(survey, format, has_class)
        if not name:
            survey, name = settle(root, preferred=format)
            splits = read_survey(replace(survey, unannotated=data.unannotated, classes=data.classes), name)
        folder, notes = survey.root, survey.notes
    base = _find_base(folder, splits)
    return name, base, {split: _in_order(items, base) for split, items in splits.items()}, notes


def _read_single_class(survey: Survey, format: str, has_class: Callable[[Item], bool]) -> tuple[str, Found]:
    """Read as the layout that finds known classes in it; ("", {}) where none does."""
    for name in (format, "class_folders", "name_prefix"):
        try:
            splits = read_survey(replace(survey, notes=[]), name)
        except DataError:
            continue
        if any(map(has_class, chain(*splits.values()))):
            return name, splits
    return "", {}


def detect_format(root: str | Path) -> str:
    """The one name of FORMATS that fits. Raises DataError that says what was seen if none or two do."""
    return settle(root)[1]


def list_images(folder: str | Path) -> list[Item]:
    """All images under a folder, or a single image file, without labels, in natural order of keys (2 before 10).

    Images that finesight does not read are among them, so that reading names them. What else is passed
    over is said.
    """
    path = locate(folder)
    if path.is_file() and path.suffix.lower() in (*IMAGE_SUFFIXES, *UNREAD_IMAGES):
        return [Item(path.name, path)]
    survey = survey_folder(folder)
    unread = [key for key in survey.others if _is_unread_image(key)]
    for note in survey.notes:
        if not set(note.keys) <= set(unread):
            say(f"Note: {note.text}")
    survey = replace(survey, images=(*survey.images, *unread))
    return list(_in_order(read_survey(survey, "unlabelled", needs_target=False)["train"], survey.root))


def _is_unread_image(key: str) -> bool:
    path = PurePosixPath(key)
    return path.suffix.lower() in UNREAD_IMAGES and not path.name.startswith(".")


def list_unmasked(folder: str | Path) -> list[Item]:
    """As `list_images`, but of image-mask pairs only the images."""
    items = [item for item in list_images(folder) if not is_brush(item.key)]
    if len(items) < 2:
        return items
    try:
        found = find_layout(survey_folder(folder))
    except UnclearPairs:
        return [item for item in items if not is_mask(item.key)]
    masks = {name.key for name in (*(mask for _, mask in found.pairs), *found.masks, *found.others)} if found else set()
    return [item for item in items if item.key not in masks]


def _only_val(splits: Found, root: Path) -> list[Item]:
    """What a validation root holds: its split val, or all of it."""
    if "val" in splits:
        return splits["val"]
    if len(splits) > 1:
        raise DataError(f"{str(root)!r} holds {' and '.join(splits)} but no val; name the folder to validate on.")
    return next(iter(splits.values()))


def _in_order(items: Iterable[Item], root: Path) -> tuple[Item, ...]:
    """Items in natural order, their keys relative to `root`."""
    below = os.path.join(root, "")  # noqa: PTH118
    rekeyed = [
        item
        if item.file == below + item.key
        else replace(item, key=os.path.relpath(item.file, root).replace(os.sep, "/"))
        for item in items
    ]
    if not is_in_order([item.key for item in rekeyed]):
        rekeyed.sort(key=lambda item: natural_key(item.key))
    return tuple(rekeyed)


def is_in_order(keys: Sequence[str]) -> bool:
    """Whether keys are in natural order. Told without `natural_key` where numbers of neighbours have as many digits."""
    shapes = "\0".join(keys).encode(errors="surrogatepass").translate(DIGITS_AS_ZERO).split(b"\0")
    return len(shapes) == len(keys) and all(
        one < other if shape == shape_of_other else natural_key(one) < natural_key(other)
        for (one, other), (shape, shape_of_other) in zip(pairwise(keys), pairwise(shapes), strict=True)
    )

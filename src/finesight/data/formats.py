"""Data sets on disk brought to one Listing: for training, for scoring, for prediction."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath

from finesight.classes import ClassList, list_twins, natural_key
from finesight.config import DataSettings
from finesight.data.class_files import load_classes, match_classes
from finesight.data.class_mapping import leave_out_dropped
from finesight.data.images.content import UNREAD_IMAGES
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.choice import find_fitting, read_survey, settle
from finesight.data.layouts.globs import read_globs
from finesight.data.layouts.mask_names import is_mask_half
from finesight.data.layouts.pair_layouts import find_layout, leave_unmasked
from finesight.data.layouts.pairing import UnclearPairs
from finesight.data.layouts.survey import Survey, locate, survey_folder
from finesight.data.layouts.table import FORMATS, Splits
from finesight.data.leftovers import Note, quote_some
from finesight.data.listing import Listing
from finesight.data.masks.looks import look_at_masks
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rules import choose_rule
from finesight.data.matching import find_class
from finesight.data.sample import Item
from finesight.data.splits import split_train_val
from finesight.data.sufficiency import describe_no_val
from finesight.errors import ConfigError, DataError
from finesight.progress import say

__all__ = ["FORMATS", "detect_format", "list_images", "list_unmasked", "read_labelled", "read_listing", "read_splits"]

ORDER = ("train", "val", "test")


def read_listing(
    root: str | Path,
    val: str | Path = "",
    format: str = "auto",
    classes: str = "",
    val_fraction: float = 0.1,
    seed: int = 0,
    masks: DataSettings | None = None,
) -> Listing:
    """Reads a data set for training: images by split and the class list.

    root: folder or CSV manifest. val: another one with the validation images. format: a name of FORMATS, or auto.
    classes: a class file or a preset. Where data brings no validation images, `val_fraction` of each class is set
    aside, the same for the same seed and keys. Classes are matched by id or name, never by order. masks: which masks
    there are (images, masks, unmasked) and how they are read (ignore, unmapped_fraction, colour_tolerance); every
    mask is looked at. Raises DataError.
    """
    told: list[Note] = []
    name, base, ordered = read_splits(root, val, format, notes=told, masks=masks)
    if "train" not in ordered:
        raise DataError(f"{str(survey_folder(root).root)!r} holds images of {', '.join(ordered)} but none to train on.")
    known = load_classes(classes) if classes else None
    ordered, left_out = leave_out_dropped(ordered, known)
    told += left_out
    if not ordered.get("train"):
        raise DataError(f"Class file {classes!r} drops every training image.")
    if FORMATS[name].task == "segmentation":
        class_list, rule, notes = _read_mask_classes(ordered, known, masks)
    else:
        class_list, rule, notes = match_classes(_labels(ordered), known), None, ()
    if "val" not in ordered:
        ordered["train"], ordered["val"] = split_train_val(ordered["train"], val_fraction, seed)
    _refuse_overlap(ordered)
    notes = (*(note.text for note in told), *notes)
    if rule is None:
        notes += tuple(_compare_classes(ordered, class_list))
    elif not ordered["val"]:
        raise DataError(describe_no_val(has_masks=True))
    return Listing(name, base, ordered, class_list, notes, rule)


def read_splits(
    root: str | Path,
    val: str | Path = "",
    format: str = "auto",
    faults: list[str] | None = None,
    notes: list[Note] | None = None,
    masks: DataSettings | None = None,
) -> tuple[str, Path, dict[str, tuple[Item, ...]]]:
    """(name of the format, root of all keys, items by split) as they stand on disk; nothing is opened or held back.

    faults: takes what is wrong with single rows of a manifest, and that images have no label; else both are raised.
    notes: takes what was passed over or guessed. masks: of which images, masks and unmasked are heeded.
    """
    told: list[Note] = []
    name, folder, splits = _read_root(root, format, masks, faults, told)
    base = _find_base(folder, splits)
    if val:
        # images of a single class look unlabelled; beside training images they are not
        _, val_folder, val_splits = _read_root(val, format, masks, faults, told, preferred=name)
        splits["val"] = _only_val(val_splits, val_folder)
        base = Path(os.path.commonpath([base, _find_base(val_folder, {"val": splits["val"]})]))
    ordered = {split: _in_order(splits[split], base) for split in sorted(splits, key=ORDER.index)}
    if masks and masks.unmasked == "skip":
        ordered = leave_unmasked(ordered, told)
    if notes is not None:
        notes += told
    return name, base, ordered


def _read_root(
    root: str | Path,
    format: str,
    masks: DataSettings | None,
    faults: list[str] | None,
    notes: list[Note],
    preferred: str = "",
) -> tuple[str, Path, Splits]:
    """(name of the format, folder of the keys, items) of one folder or CSV file."""
    if masks and (masks.images or masks.masks):
        if format not in ("auto", "mask_folders"):
            raise ConfigError(f"--images and --masks name pairs, but --format says {format}; leave one of them out.")
        return "mask_folders", locate(root), read_globs(root, masks.images, masks.masks, notes)
    survey, name = settle(root, format, preferred)
    splits = read_survey(survey, name, faults=faults)
    notes += survey.notes
    return name, survey.root, splits


def _find_base(root: Path, splits: Splits) -> Path:
    """The data's folder; where a CSV file names images elsewhere, the folder that all of them lie in."""
    paths = [item.path for items in splits.values() for item in items]
    if all(path.is_relative_to(root) for path in paths):
        return root
    return Path(os.path.commonpath([path.parent for path in paths]))


def _labels(splits: dict[str, tuple[Item, ...]]) -> set[str]:
    return {label for items in splits.values() for item in items if isinstance(label := item.target, str)}


def _read_mask_classes(
    splits: dict[str, tuple[Item, ...]], classes: ClassList | None, settings: DataSettings | None
) -> tuple[ClassList, MaskRule, tuple[str, ...]]:
    """Looks at every mask of every split, so that one rule reads them all."""
    looks = look_at_masks([item for items in splits.values() for item in items])
    rule, class_list, notes = choose_rule(looks, classes, settings or DataSettings())
    return class_list, rule, notes


def read_labelled(root: str | Path, format: str, classes: ClassList, masks: DataSettings | None = None) -> Listing:
    """Images to score a trained network on, in the splits they come in: none need be for training.

    Labels are as they stand on disk, and no mask is looked at. format: that of the network's own data, tried first
    where `root` alone does not tell, as images of a single class look unlabelled. classes: the network's. masks: whose
    patterns name images and masks, if they do.
    """
    if masks and masks.images:
        told: list[Note] = []
        name, folder, splits = _read_root(root, "auto", masks, None, told)
        base = _find_base(folder, splits)
        ordered = {split: _in_order(items, base) for split, items in splits.items()}
        return Listing(name, base, ordered, classes, tuple(note.text for note in told))
    survey, name = survey_folder(root), ""
    if not find_fitting(survey):
        name, splits = _read_single_class(survey, format, classes)
    if not name:
        survey, name = settle(root, preferred=format)
        splits = read_survey(survey, name)
    base = _find_base(survey.root, splits)
    ordered = {split: _in_order(items, base) for split, items in splits.items()}
    return Listing(name, base, ordered, classes, tuple(note.text for note in survey.notes))


def _read_single_class(survey: Survey, format: str, classes: ClassList) -> tuple[str, Splits]:
    """Read as the layout that finds labels of these classes in it; ("", {}) where none does."""
    for name in (format, "class_folders", "name_prefix"):
        try:
            splits = read_survey(replace(survey, notes=[]), name)
        except DataError:
            continue
        labels = (label for item in chain(*splits.values()) if isinstance(label := item.target, str))
        if any(find_class(label, classes) is not None for label in labels):
            return name, splits
    return "", {}


def detect_format(root: str | Path) -> str:
    """The one name of FORMATS that fits. Raises DataError that says what was seen if none or two do."""
    return settle(root)[1]


def list_images(folder: str | Path) -> list[Item]:
    """All images under a folder, or a single image file, without labels, in natural order of keys (2 before 10).

    Images that finesight does not read are among them, so that they are told when they are read. What else is passed
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
    items = list_images(folder)
    if len(items) < 2:
        return items
    try:
        found = find_layout(survey_folder(folder))
    except UnclearPairs:
        return [item for item in items if not is_mask_half(item.key)]
    masks = {name.key for name in (*(mask for _, mask in found.pairs), *found.masks, *found.others)} if found else set()
    return [item for item in items if item.key not in masks]


def _only_val(splits: Splits, root: Path) -> list[Item]:
    """What a validation root holds: its part called val, or all of it."""
    if "val" in splits:
        return splits["val"]
    if len(splits) > 1:
        raise DataError(f"{str(root)!r} holds {' and '.join(splits)} but no val; name the folder to validate on.")
    return next(iter(splits.values()))


def _in_order(items: Iterable[Item], root: Path) -> tuple[Item, ...]:
    """Items in natural order, their keys relative to `root`."""
    rekeyed = (replace(item, key=os.path.relpath(item.path, root).replace(os.sep, "/")) for item in items)
    return tuple(sorted(rekeyed, key=lambda item: (natural_key(item.key), item.key)))


def _refuse_overlap(splits: dict[str, tuple[Item, ...]]) -> None:
    seen: dict[str, str] = {}
    for split, items in splits.items():
        for item in items:
            if seen.setdefault(item.key, split) != split:
                raise DataError(
                    f"Image {item.key!r} is in both {seen[item.key]} and {split}; scores would be too good."
                )


def _compare_classes(splits: dict[str, tuple[Item, ...]], classes: ClassList) -> Iterator[str]:
    """Notes on classes that are missing somewhere. Raises DataError where no sense can be made of what is there."""
    labels = {split: _labels({split: items}) for split, items in splits.items()}
    present = {split: {classes.index(label) for label in found} for split, found in labels.items()}
    names = {split: [classes.names[index] for index in sorted(indices)] for split, indices in present.items()}
    if len(present["train"]) < 2:
        raise DataError(f"All training images are of one class, {quote_some(names['train'])}; two at least are needed.")
    if not splits["val"]:
        raise DataError(describe_no_val(has_masks=False))
    for split, found in present.items():
        if unknown := [classes.names[index] for index in sorted(found - present["train"])]:
            near = [quote_some(twins) for twins in list_twins(classes.names) if set(twins) & set(unknown)]
            hint = f" Names that differ in little more than case: {near[0]}." if near else ""
            raise DataError(f"{split} has images of {quote_some(unknown)}, of which there are none to train on.{hint}")
        if absent := [classes.names[index] for index in sorted(present["train"] - found)]:
            yield f"{'Classes' if len(absent) > 1 else 'Class'} without an image in {split}: {quote_some(absent)}."
    for twins in list_twins(classes.ids):
        yield f"Classes of nearly the same name, read as different classes: {quote_some(twins)}."
    if unused := [name for index, name in enumerate(classes.names) if index not in present["train"]]:
        yield f"In the class list but without images: {quote_some(unused)}."

"""Layouts of pictures on disk: told apart, read, and brought to one Listing.

A new layout is one Format in FORMATS; one of picture-mask pairs fills `Item.mask` instead of `Item.label`.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from finesight.classes import ClassList, natural_key
from finesight.config import DataSettings
from finesight.data.class_files import load_classes, match_classes
from finesight.data.manifest import MASK_COLUMNS, UnusableRows, is_manifest, read_manifest
from finesight.data.mask_rules import choose_rule
from finesight.data.masks import MaskRule, look_at_masks
from finesight.data.matching import find_class
from finesight.data.pairs import fits_mask_folders, fits_mask_suffix, is_mask_half, read_mask_folders, read_mask_suffix
from finesight.data.pictures import PICTURE_SUFFIXES
from finesight.data.sample import Item, Listing
from finesight.data.splits import split_name, split_train_val
from finesight.data.survey import Survey, describe, locate, quote_some, survey_folder
from finesight.errors import DataError

ORDER = ("train", "val", "test")
Splits = dict[str, list[Item]]  # by train, val, test; all is train in a layout that tells no splits apart


@dataclass(frozen=True)
class Format:
    """One layout. fits: whether a survey looks like it; read: its items, or a DataError that says what is wrong."""

    title: str
    task: Literal["classification", "segmentation", "none"]
    fits: Callable[[Survey], bool]
    read: Callable[[Survey], Splits]


def _place(survey: Survey) -> Iterator[tuple[str, str, list[str]]]:
    """(split, key, parts of the path below the split's folder) of each picture.

    Folders are splits only if all pictures lie in folders called train, val_50, test and the like, one a split.
    """
    placed = [(key, key.split("/")) for key in survey.pictures]
    splits = {parts[0]: split_name(parts[0]) if len(parts) > 1 else "" for _, parts in placed}
    if all(splits.values()) and len(set(splits.values())) == len(splits):
        return ((splits[parts[0]], key, parts[1:]) for key, parts in placed)
    return (("train", key, parts) for key, parts in placed)


def _fits_name_prefix(survey: Survey) -> bool:
    """The id must hold a digit, so that pairs like 0007_sat.jpg and 0007_mask.png are not taken for classes."""
    names = [_split_prefix(parts[0]) if len(parts) == 1 else ("", "") for _, _, parts in _place(survey)]
    return all(label and re.search("[0-9]", number) for label, number in names) and len({n[0] for n in names}) > 1


def _read_name_prefix(survey: Survey) -> Splits:
    splits: Splits = {}
    for split, key, parts in _place(survey):
        label, _ = _split_prefix(parts[-1])
        if not label or len(parts) > 1:
            raise DataError(f"Picture {key!r} in {str(survey.root)!r} should be called CLASS_ID and lie in no folder.")
        splits.setdefault(split, []).append(Item(key, survey.root / key, label))
    return splits


def _split_prefix(name: str) -> tuple[str, str]:
    """("willow_tree", "7") of willow_tree_7.png."""
    label, _, number = name.rpartition(".")[0].rpartition("_")
    return label, number


def _fits_class_folders(survey: Survey) -> bool:
    """Two folders called like splits are no classes: such a root holds something else than this layout."""
    paths = [parts for _, _, parts in _place(survey)]
    labels = {parts[0] for parts in paths}
    looks_like_splits = sum(bool(split_name(label)) for label in labels) > 1
    return all(len(parts) == 2 for parts in paths) and len(labels) > 1 and not looks_like_splits


def _read_class_folders(survey: Survey) -> Splits:
    splits: Splits = {}
    for split, key, parts in _place(survey):
        if len(parts) != 2:
            raise DataError(f"Picture {key!r} in {str(survey.root)!r} should lie in a folder named after its class.")
        splits.setdefault(split, []).append(Item(key, survey.root / key, parts[0]))
    return splits


def _fits_manifest(survey: Survey) -> bool:
    """A CSV file alone can be nothing else, whatever its columns: reading says which one is missing."""
    return sum(map(is_manifest, survey.tables)) == 1 or (len(survey.tables) == 1 and not survey.pictures)


def _read_manifest(survey: Survey) -> Splits:
    tables = [table for table in survey.tables if is_manifest(table)] or survey.tables
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that is the manifest.")
    return read_manifest(tables[0])


def _fits_mask_manifest(survey: Survey) -> bool:
    return sum(is_manifest(table, MASK_COLUMNS) for table in survey.tables) == 1


def _read_mask_manifest(survey: Survey) -> Splits:
    tables = [table for table in survey.tables if is_manifest(table, MASK_COLUMNS)]
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file with the columns image,mask.")
    return read_manifest(tables[0], MASK_COLUMNS)


def _read_unlabelled(survey: Survey) -> Splits:
    return {"train": [Item(key, survey.root / key) for key in survey.pictures]} if survey.pictures else {}


FORMATS = {
    "name_prefix": Format(
        "pictures called CLASS_ID.png, in one folder or in train and val",
        "classification",
        _fits_name_prefix,
        _read_name_prefix,
    ),
    "class_folders": Format(
        "a folder of pictures for each of two classes or more, perhaps below train and val",
        "classification",
        _fits_class_folders,
        _read_class_folders,
    ),
    "manifest": Format(
        "a CSV file with the columns path,label and perhaps split", "classification", _fits_manifest, _read_manifest
    ),
    "mask_suffix": Format(
        "pairs such as 7_sat.jpg and 7_mask.png (or 7.jpg and 7_mask.png), perhaps below train and val",
        "segmentation",
        fits_mask_suffix,
        read_mask_suffix,
    ),
    "mask_folders": Format(
        "folders images and masks with pairs of the same name, above or below train and val",
        "segmentation",
        fits_mask_folders,
        read_mask_folders,
    ),
    "mask_manifest": Format(
        "a CSV file with the columns image,mask and perhaps split",
        "segmentation",
        _fits_mask_manifest,
        _read_mask_manifest,
    ),
    "unlabelled": Format(
        "any folder of pictures; for prediction", "none", lambda survey: bool(survey.pictures), _read_unlabelled
    ),
}


def read_listing(
    root: str | Path,
    val: str | Path = "",
    format: str = "auto",
    classes: str = "",
    val_share: float = 0.1,
    seed: int = 0,
    masks: DataSettings | None = None,
) -> Listing:
    """Reads a data set for training: pictures by split and the class list.

    root: folder or CSV manifest. val: another one with the validation pictures. format: a name of FORMATS, or auto.
    classes: a class file or a preset. Where data brings no validation pictures, `val_share` of each class is set
    aside, the same for the same seed and keys. Classes are matched by id or name, never by order. masks: how masks are
    read (ignore, stray_share, colour_tolerance); every mask is looked at. Raises DataError.
    """
    name, base, ordered = read_splits(root, val, format)
    if "train" not in ordered:
        raise DataError(
            f"{str(survey_folder(root).root)!r} holds pictures of {', '.join(ordered)} but none to train on."
        )
    known = load_classes(classes) if classes else None
    if FORMATS[name].task == "segmentation":
        class_list, rule, notes = _read_mask_classes(ordered, known, masks)
    else:
        class_list, rule, notes = match_classes(_labels(ordered), known), None, ()
    if "val" not in ordered:
        ordered["train"], ordered["val"] = split_train_val(ordered["train"], val_share, seed)
    _refuse_overlap(ordered)
    if rule is None:
        notes = tuple(_compare_classes(ordered, class_list))
    elif not ordered["val"]:
        raise DataError("A single pair leaves none to validate on; add pairs or give --val.")
    return Listing(name, base, ordered, class_list, notes, rule)


def read_splits(
    root: str | Path, val: str | Path = "", format: str = "auto", faults: list[str] | None = None
) -> tuple[str, Path, dict[str, tuple[Item, ...]]]:
    """(name of the format, root of all keys, items by split) as they stand on disk; nothing is opened or held back.

    faults: takes what is wrong with single rows of a manifest, and that pictures have no label; else both are raised.
    """
    survey = survey_folder(root)
    name = _detect(survey) if format == "auto" else format
    splits, base = _read(survey, name, faults=faults), survey.root
    if val:
        val_survey = survey_folder(val)
        val_name = _detect(val_survey) if format == "auto" else format
        # pictures of a single class look unlabelled; beside training pictures they are not
        val_splits = _read(val_survey, name if val_name == "unlabelled" else val_name, faults=faults)
        splits["val"] = _only_val(val_splits, val_survey.root)
        base = Path(os.path.commonpath([survey.root, val_survey.root]))
    return name, base, {split: _in_order(splits[split], base) for split in sorted(splits, key=ORDER.index)}


def _labels(splits: dict[str, tuple[Item, ...]]) -> set[str]:
    return {item.label for items in splits.values() for item in items if item.label is not None}


def _read_mask_classes(
    splits: dict[str, tuple[Item, ...]], classes: ClassList | None, settings: DataSettings | None
) -> tuple[ClassList, MaskRule, tuple[str, ...]]:
    """Looks at every mask of every split, so that one rule reads them all."""
    looks = look_at_masks([item for items in splits.values() for item in items])
    rule, class_list, notes = choose_rule(looks, classes, settings or DataSettings())
    return class_list, rule, notes


def read_labelled(root: str | Path, format: str, classes: ClassList) -> Listing:
    """Images to score a trained network on, in the splits they come in: none need be for training.

    Labels are as they stand on disk, and no mask is looked at. format: that of the network's own data, tried first
    where `root` alone does not tell, as images of a single class look unlabelled. classes: the network's.
    """
    survey = survey_folder(root)
    name = _detect(survey)
    if FORMATS[name].task == "none":
        name, splits = _read_single_class(survey, format, classes)
    else:
        splits = _read(survey, name)
    ordered = {split: _in_order(items, survey.root) for split, items in splits.items()}
    return Listing(name, survey.root, ordered, classes)


def _read_single_class(survey: Survey, format: str, classes: ClassList) -> tuple[str, Splits]:
    """Read as the layout that finds labels of these classes in it; else as `format`, which says what is wrong."""
    for name in (format, "class_folders", "name_prefix"):
        try:
            splits = _read(survey, name)
        except DataError:
            continue
        if any(item.label and find_class(item.label, classes) is not None for item in chain(*splits.values())):
            return name, splits
    return format, _read(survey, format)


def detect_format(root: str | Path) -> str:
    """The one name of FORMATS that fits. Raises DataError that says what was seen if none or two do."""
    return _detect(survey_folder(root))


def list_pictures(folder: str | Path) -> list[Item]:
    """All pictures under a folder, or a single picture file, without labels, in natural order of keys (2 before 10)."""
    path = locate(folder)
    if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
        return [Item(path.name, path)]
    survey = survey_folder(folder)
    return list(_in_order(_read(survey, "unlabelled", needs_target=False)["train"], survey.root))


def list_unmasked(folder: str | Path) -> list[Item]:
    """As `list_pictures`, but of picture-mask pairs only the pictures."""
    items = list_pictures(folder)
    if len(items) < 2 or not any(FORMATS[name].fits(survey_folder(folder)) for name in ("mask_suffix", "mask_folders")):
        return items
    return [item for item in items if not is_mask_half(item.key)]


def _detect(survey: Survey) -> str:
    fitting = [name for name, format in FORMATS.items() if format.fits(survey)]
    labelled = [name for name in fitting if FORMATS[name].task != "none"] or fitting
    # pairs are the more special layout: images/ and masks/ would also do as two classes
    labelled = [name for name in fitting if FORMATS[name].task == "segmentation"] or labelled
    if not labelled:
        raise DataError(f"{describe(survey)} {_expected()}")
    if len(labelled) > 1:
        raise DataError(f"{describe(survey)} It can be read as {' or '.join(labelled)}: say which with --format.")
    return labelled[0]


def _read(survey: Survey, name: str, needs_target: bool = True, faults: list[str] | None = None) -> Splits:
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(FORMATS)}."
        raise DataError(f"No data format {name!r}. {hint}")
    if needs_target and FORMATS[name].task == "none":
        reason = f"{describe(survey)} None tells its class. {_expected()}"
        if faults is None:
            raise DataError(reason)
        faults.append(reason)
    try:
        splits = FORMATS[name].read(survey)
    except UnusableRows as error:
        if faults is None:
            raise
        faults += error.reasons
        splits = error.splits
    if not splits:
        raise DataError(f"{describe(survey)} {_expected()}")
    return splits


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
                    f"Picture {item.key!r} is in both {seen[item.key]} and {split}; scores would be too good."
                )


def _compare_classes(splits: dict[str, tuple[Item, ...]], classes: ClassList) -> Iterator[str]:
    """Notes on classes that are missing somewhere. Raises DataError where no sense can be made of what is there."""
    labels = {split: {item.label for item in items if item.label is not None} for split, items in splits.items()}
    present = {split: {classes.index(label) for label in found} for split, found in labels.items()}
    names = {split: [classes.names[index] for index in sorted(indices)] for split, indices in present.items()}
    if len(present["train"]) < 2:
        raise DataError(
            f"All training pictures are of one class, {quote_some(names['train'])}; two at least are needed."
        )
    if not splits["val"]:
        raise DataError("No class has two pictures, so none is left to validate on; add pictures or give --val.")
    for split, found in present.items():
        if unknown := [classes.names[index] for index in sorted(found - present["train"])]:
            raise DataError(f"{split} has pictures of {quote_some(unknown)}, of which there are none to train on.")
        if absent := [classes.names[index] for index in sorted(present["train"] - found)]:
            yield f"{'Classes' if len(absent) > 1 else 'Class'} without a picture in {split}: {quote_some(absent)}."
    if unused := [name for index, name in enumerate(classes.names) if index not in present["train"]]:
        yield f"In the class list but without pictures: {quote_some(unused)}."


def _expected() -> str:
    return f"Expected: {'; or '.join(format.title for format in FORMATS.values() if format.task != 'none')}."

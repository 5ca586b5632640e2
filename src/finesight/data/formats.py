"""Layouts of pictures on disk: told apart, read, and brought to one Listing.

A new layout is one Format in FORMATS; one of picture-mask pairs fills `Item.mask` instead of `Item.label`.
"""

import difflib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Literal

from finesight.classes import ClassList, compose, list_twins, natural_key
from finesight.config import DataSettings
from finesight.data.class_files import load_classes, match_classes
from finesight.data.class_mapping import leave_out_dropped
from finesight.data.content import UNREAD_IMAGES
from finesight.data.globs import read_globs
from finesight.data.hidden_pairs import find_hidden_pairs, find_nested_pairs
from finesight.data.label_folders import (
    explain_misfit,
    fits_class_folders,
    fits_name_prefix,
    is_few,
    read_class_folders,
    read_name_prefix,
)
from finesight.data.leftovers import Note, quote_some
from finesight.data.manifest import COLUMNS, MASK_COLUMNS, UnusableRows, guess_manifest, is_manifest, read_manifest
from finesight.data.mask_rules import choose_rule
from finesight.data.masks import MaskRule, look_at_masks
from finesight.data.matching import find_class
from finesight.data.pair_layouts import explain_unpaired, find_layout, fits_pairs, leave_unmasked, read_pairs
from finesight.data.pairing import UnclearPairs
from finesight.data.pairs import is_mask_half
from finesight.data.pictures import PICTURE_SUFFIXES
from finesight.data.sample import Item, Listing
from finesight.data.splits import split_train_val
from finesight.data.sufficiency import describe_no_val
from finesight.data.survey import Survey, describe, locate, survey_folder
from finesight.errors import ConfigError, DataError
from finesight.progress import say

ORDER = ("train", "val", "test")
Splits = dict[str, list[Item]]  # by train, val, test; all is train in a layout that tells no splits apart


@dataclass(frozen=True)
class Format:
    """One layout. fits: whether a survey looks like it; read: its items, or a DataError that says what is wrong."""

    title: str
    task: Literal["classification", "segmentation", "none"]
    fits: Callable[[Survey], bool]
    read: Callable[[Survey], Splits]


def _list_manifests(survey: Survey, kind: str) -> list[Path]:
    """Tables that give images `labels`, or `masks`: those with the plain columns, else those that can be understood."""
    columns = MASK_COLUMNS if kind == "masks" else COLUMNS
    plain = [table for table in survey.tables if is_manifest(table, columns)]
    return plain or [table for table in survey.tables if guess_manifest(table) == kind]


def _fits_manifest(survey: Survey, kind: str = "labels") -> bool:
    """Beside other layouts only plain columns tell a manifest. A CSV file alone can be nothing else."""
    columns = MASK_COLUMNS if kind == "masks" else COLUMNS
    if survey.pictures or len(survey.tables) != 1:
        return sum(is_manifest(table, columns) for table in survey.tables) == 1
    (table,) = survey.tables
    return (guess_manifest(table) or ("masks" if is_manifest(table, MASK_COLUMNS) else "labels")) == kind


def _read_manifest(survey: Survey, kind: str = "labels") -> Splits:
    tables = _list_manifests(survey, kind) or survey.tables
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their {kind}, with --data.")
    return read_manifest(tables[0], MASK_COLUMNS if kind == "masks" else COLUMNS, survey.is_named, survey.notes)


def _read_unlabelled(survey: Survey) -> Splits:
    return {"train": [Item(key, survey.root / key) for key in survey.pictures]} if survey.pictures else {}


FORMATS = {
    "name_prefix": Format(
        "pictures called CLASS_ID.png (or CLASS.ID.png, CLASS-ID.png), in one folder or in train and val",
        "classification",
        fits_name_prefix,
        read_name_prefix,
    ),
    "class_folders": Format(
        "a folder of pictures for each of two classes or more, perhaps below train and val",
        "classification",
        fits_class_folders,
        read_class_folders,
    ),
    "manifest": Format(
        "a CSV file with the columns path,label and perhaps split, or others that mean the same",
        "classification",
        _fits_manifest,
        _read_manifest,
    ),
    "mask_suffix": Format(
        "pairs such as 7_sat.jpg and 7_mask.png (or 7.jpg and 7_mask.png), perhaps below train and val",
        "segmentation",
        partial(fits_pairs, way="mask_suffix"),
        partial(read_pairs, way="mask_suffix"),
    ),
    "mask_folders": Format(
        "folders images and masks with pairs of the same name, above or below train and val",
        "segmentation",
        partial(fits_pairs, way="mask_folders"),
        partial(read_pairs, way="mask_folders"),
    ),
    "mask_manifest": Format(
        "a CSV file with the columns image,mask and perhaps split",
        "segmentation",
        partial(_fits_manifest, kind="masks"),
        partial(_read_manifest, kind="masks"),
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
    aside, the same for the same seed and keys. Classes are matched by id or name, never by order. masks: which masks
    there are (images, masks, unmasked) and how they are read (ignore, stray_share, colour_tolerance); every mask is
    looked at. Raises DataError.
    """
    told: list[Note] = []
    name, base, ordered = read_splits(root, val, format, notes=told, masks=masks)
    if "train" not in ordered:
        raise DataError(
            f"{str(survey_folder(root).root)!r} holds pictures of {', '.join(ordered)} but none to train on."
        )
    known = load_classes(classes) if classes else None
    ordered, left_out = leave_out_dropped(ordered, known)
    told += left_out
    if not ordered.get("train"):
        raise DataError(f"Class file {classes!r} drops every training picture.")
    if FORMATS[name].task == "segmentation":
        class_list, rule, notes = _read_mask_classes(ordered, known, masks)
    else:
        class_list, rule, notes = match_classes(_labels(ordered), known), None, ()
    if "val" not in ordered:
        ordered["train"], ordered["val"] = split_train_val(ordered["train"], val_share, seed)
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

    faults: takes what is wrong with single rows of a manifest, and that pictures have no label; else both are raised.
    notes: takes what was passed over or guessed. masks: of which images, masks and unmasked are heeded.
    """
    told: list[Note] = []
    name, folder, splits = _read_root(root, format, masks, faults, told)
    base = _find_base(folder, splits)
    if val:
        # pictures of a single class look unlabelled; beside training pictures they are not
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
    survey, name = _settle(root, format, preferred)
    splits = _read(survey, name, faults=faults)
    notes += survey.notes
    return name, survey.root, splits


def _find_base(root: Path, splits: Splits) -> Path:
    """The data's folder; where a CSV file names images elsewhere, the folder that all of them lie in."""
    paths = [item.path for items in splits.values() for item in items]
    if all(path.is_relative_to(root) for path in paths):
        return root
    return Path(os.path.commonpath([path.parent for path in paths]))


def _labels(splits: dict[str, tuple[Item, ...]]) -> set[str]:
    return {item.label for items in splits.values() for item in items if item.label is not None}


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
    if not _find_fitting(survey):
        name, splits = _read_single_class(survey, format, classes)
    if not name:
        survey, name = _settle(root, preferred=format)
        splits = _read(survey, name)
    base = _find_base(survey.root, splits)
    ordered = {split: _in_order(items, base) for split, items in splits.items()}
    return Listing(name, base, ordered, classes, tuple(note.text for note in survey.notes))


def _read_single_class(survey: Survey, format: str, classes: ClassList) -> tuple[str, Splits]:
    """Read as the layout that finds labels of these classes in it; ("", {}) where none does."""
    for name in (format, "class_folders", "name_prefix"):
        try:
            splits = _read(replace(survey, notes=[]), name)
        except DataError:
            continue
        if any(item.label and find_class(item.label, classes) is not None for item in chain(*splits.values())):
            return name, splits
    return "", {}


def detect_format(root: str | Path) -> str:
    """The one name of FORMATS that fits. Raises DataError that says what was seen if none or two do."""
    return _settle(root)[1]


def list_pictures(folder: str | Path) -> list[Item]:
    """All pictures under a folder, or a single picture file, without labels, in natural order of keys (2 before 10).

    Images that finesight does not read are among them, so that they are told when they are read. What else is passed
    over is said.
    """
    path = locate(folder)
    if path.is_file() and path.suffix.lower() in (*PICTURE_SUFFIXES, *UNREAD_IMAGES):
        return [Item(path.name, path)]
    survey = survey_folder(folder)
    unread = [key for key in survey.others if _is_unread_image(key)]
    for note in survey.notes:
        if not set(note.keys) <= set(unread):
            say(f"Note: {note.text}")
    survey = replace(survey, pictures=(*survey.pictures, *unread))
    return list(_in_order(_read(survey, "unlabelled", needs_target=False)["train"], survey.root))


def _is_unread_image(key: str) -> bool:
    path = PurePosixPath(key)
    return path.suffix.lower() in UNREAD_IMAGES and not path.name.startswith(".")


def list_unmasked(folder: str | Path) -> list[Item]:
    """As `list_pictures`, but of picture-mask pairs only the pictures."""
    items = list_pictures(folder)
    if len(items) < 2:
        return items
    try:
        found = find_layout(survey_folder(folder))
    except UnclearPairs:
        return [item for item in items if not is_mask_half(item.key)]
    masks = {name.key for name in (*(mask for _, mask in found.pairs), *found.masks, *found.others)} if found else set()
    return [item for item in items if item.key not in masks]


def _settle(root: str | Path, format: str = "auto", preferred: str = "") -> tuple[Survey, str]:
    """(what to read, name of its format). A single folder that holds everything is gone into, which is noted.

    preferred: the format of what cannot be told by itself, such as pictures of a single class.
    """
    survey = survey_folder(root)
    if format != "auto":
        _check_name(format)
    names = _find_fitting(survey, format)
    inner = survey
    is_readable = not names and bool(preferred) and _can_be_read(survey, preferred)
    while not names and (folder := _only_folder(inner)):
        inner = survey_folder(inner.root / folder)
        found = _find_fitting(inner, format)
        if names := [] if is_readable and found != [preferred] else found:
            below = f"{inner.root.relative_to(survey.root)}".replace(os.sep, "/")
            inner.notes[:0] = [
                Note(f"All pictures lie in the folder {below!r}, which is read as if --data named it.", (below,)),
                *(note for note in survey.notes if not any(key.startswith(f"{below}/") for key in note.keys)),
            ]
            survey = inner
    if is_readable and not names:
        return survey, preferred
    if len(names) > 1:
        raise DataError(f"{describe(survey)} It can be read as {' or '.join(names)}: say which with --format.")
    if names or format != "auto":
        name = (names or [format])[0]
        survey.notes.extend(_note_tables(survey, name))
        return survey, name
    if not survey.pictures:
        raise DataError(_explain(survey))
    return survey, preferred or "unlabelled"


def _note_tables(survey: Survey, name: str) -> Iterator[Note]:
    """What CSV files say that are not read."""
    if FORMATS[name].task == "classification" and name != "manifest":
        for table in survey.tables:
            if guess_manifest(table) == "labels":
                text = f"Passed over: {table.name!r}, which gives images labels, too; --format manifest reads it."
                yield Note(text, (table.name,))


def _find_fitting(survey: Survey, format: str = "auto") -> list[str]:
    """Names of the formats with labels or masks that a survey looks like."""
    if format != "auto":
        return [format] if FORMATS[format].fits(survey) else []
    names: list[str] = []
    unclear = None
    for name, each in FORMATS.items():
        try:
            names += [name] if each.task != "none" and each.fits(survey) else []
        except UnclearPairs as error:
            unclear = error
    # pairs are the more special layout: images/ and masks/ would also do as two classes
    if paired := [name for name in names if FORMATS[name].task == "segmentation"]:
        return paired
    if unclear:
        raise unclear
    hidden = {name: reason for name in names if (reason := _find_hidden_pairs(survey, name))}
    if hidden and len(hidden) == len(names):
        raise DataError(next(iter(hidden.values())))
    names = [name for name in names if name not in hidden]
    if names:
        return names
    kinds = [kind for kind in map(guess_manifest, survey.tables) if kind]
    return ["mask_manifest" if "masks" in kinds else "manifest"] if len(kinds) == 1 else []


def _find_hidden_pairs(survey: Survey, name: str) -> str:
    """Why files that could be read as classes are not; "" where they can."""
    if name not in ("class_folders", "name_prefix"):
        return ""
    return find_hidden_pairs(survey.root, FORMATS[name].read(replace(survey, notes=[])))


def _can_be_read(survey: Survey, name: str) -> bool:
    try:
        return FORMATS[name].task != "none" and bool(FORMATS[name].read(replace(survey, notes=[])))
    except DataError:
        return False


def _only_folder(survey: Survey) -> str:
    """Name of the one folder in which all pictures lie, or ""."""
    tops = {key.split("/")[0] if "/" in key else "" for key in survey.pictures}
    return tops.pop() if len(tops) == 1 else ""


def _check_name(name: str) -> None:
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(FORMATS)}."
        raise DataError(f"No data format {name!r}. {hint}")


def _read(survey: Survey, name: str, needs_target: bool = True, faults: list[str] | None = None) -> Splits:
    _check_name(name)
    if needs_target and FORMATS[name].task == "none":
        reason = _explain(survey)
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
    return {split: _compose_labels(survey, items) for split, items in splits.items()}


def _compose_labels(survey: Survey, items: list[Item]) -> list[Item]:
    """Labels in one Unicode form: the same name may be written in two."""
    other = {item.label for item in items if item.label is not None and item.label != compose(item.label)}
    if other:
        names = quote_some(sorted(compose(label) for label in other))
        text = f"Class names in decomposed Unicode, as macOS writes them, are read in their composed form: {names}."
        if text not in [note.text for note in survey.notes]:
            survey.notes.append(Note(text))
    return [replace(item, label=compose(item.label)) if item.label in other else item for item in items]


def _explain(survey: Survey) -> str:
    """Why pictures tell no class, and the nearest layout that would."""
    if tables := [table.name for table in survey.tables if guess_manifest(table)]:
        return f"{describe(survey)} Name the one CSV file that holds the labels, with --data: {quote_some(tables)}."
    for folder in sorted({key.split("/")[0] for key in survey.pictures if "/" in key}):
        inner = survey_folder(survey.root / folder)
        is_most = is_few(len(survey.pictures) - len(inner.pictures), len(survey.pictures))
        if is_most and _find_fitting(inner) == ["class_folders"]:
            count = len({item.label for items in read_class_folders(inner).values() for item in items})
            others = sorted({key.split("/")[0] for key in survey.pictures} - {folder})
            return (
                f"{str(survey.root)!r} holds {quote_some(others, 3)} beside {folder!r}, which holds {count} class "
                f"folders: --data {shlex.quote(str(inner.root))} reads those."
            )
    if reason := explain_unpaired(survey) or find_nested_pairs(survey.root, survey.pictures):
        return reason
    told = "None tells its class. " if survey.pictures else ""
    return next(explain_misfit(survey), "") or f"{describe(survey)} {told}{_expected()}"


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
        raise DataError(describe_no_val(has_masks=False))
    for split, found in present.items():
        if unknown := [classes.names[index] for index in sorted(found - present["train"])]:
            raise DataError(f"{split} has pictures of {quote_some(unknown)}, of which there are none to train on.")
        if absent := [classes.names[index] for index in sorted(present["train"] - found)]:
            yield f"{'Classes' if len(absent) > 1 else 'Class'} without a picture in {split}: {quote_some(absent)}."
    for twins in list_twins(classes.ids):
        yield f"Classes of nearly the same name, which are kept apart: {quote_some(twins)}."
    if unused := [name for index, name in enumerate(classes.names) if index not in present["train"]]:
        yield f"In the class list but without pictures: {quote_some(unused)}."


def _expected() -> str:
    return (
        "Expected: a folder a class, CLASS_ID.png, images/ and masks/, or a CSV file (docs/labels.md, docs/layouts.md)."
    )

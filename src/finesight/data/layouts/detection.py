"""Detects which layout a folder or file is in, reads its items, and explains why it is in none."""

import os
from dataclasses import replace
from pathlib import Path

from finesight.classes import compose
from finesight.data.layouts.hidden_pairs import find_hidden_pairs, find_nested_pairs
from finesight.data.layouts.label_folders import explain_misfit, is_few, place_keys, read_class_folders
from finesight.data.layouts.manifest import guess_manifest, names_tools
from finesight.data.layouts.pair_layouts import explain_unpaired
from finesight.data.layouts.pairing import UnclearPairs, find_pairs
from finesight.data.layouts.survey import Splits, Survey, describe, survey_folder
from finesight.data.layouts.table import FORMATS
from finesight.data.layouts.table_items import UnusableRows
from finesight.data.layouts.yolo_files import explain_boxes
from finesight.data.leftovers import Note, quote_some
from finesight.data.sample import Item
from finesight.errors import DataError, suggest
from finesight.progress import quote


def settle(root: str | Path, format: str = "auto", preferred: str = "") -> tuple[Survey, str]:
    """(what to read, name of its format). A single folder that holds everything is read in its place, with a note.

    preferred: the format where the files alone do not decide, such as images of a single class.
    """
    survey = survey_folder(root)
    if format != "auto":
        _check_name(format)
    names = find_fitting(survey, format)
    inner = survey
    is_readable = not names and bool(preferred) and _can_be_read(survey, preferred)
    while not names and (folder := _only_folder(inner)):
        inner = survey_folder(inner.root / folder)
        found = find_fitting(inner, format)
        if names := [] if is_readable and found != [preferred] else found:
            below = f"{inner.root.relative_to(survey.root)}".replace(os.sep, "/")
            inner.notes[:0] = [
                Note(f"All images lie in the folder {below!r}, which is read as if --data named it.", (below,)),
                *(note for note in survey.notes if not any(key.startswith(f"{below}/") for key in note.keys)),
            ]
            survey = inner
    if is_readable and not names:
        return survey, preferred
    if len(names) > 1:
        raise DataError(f"{describe(survey)} It can be read as {' or '.join(names)}: say which with --format.")
    if names or format != "auto":
        name = (names or [format])[0]
        if FORMATS[name].task == "classification" and name != "manifest":
            for table in (table for table in survey.tables if guess_manifest(table) == "labels"):
                text = f"Skipped: {table.name!r}, which gives images labels, too; --format manifest reads it."
                survey.notes.append(Note(text, (table.name,)))
        return survey, name
    if not survey.images:
        raise DataError(_explain(survey))
    return survey, preferred or "unlabelled"


def find_fitting(survey: Survey, format: str = "auto") -> list[str]:
    """Names of the formats with labels or masks that a survey looks like."""
    if format != "auto":
        return [format] if FORMATS[format].fits(survey) else []
    names: list[str] = []
    unclear = None
    for name, each in FORMATS.items():
        if each.task == "none" or (survey.named and not each.is_declared):
            continue
        try:
            names += [name] if each.fits(survey) else []
        except UnclearPairs as error:
            unclear = error
    # images/ and masks/ would also do as two classes, several labels in a cell as one
    if special := [name for name in names if FORMATS[name].task != "classification"]:
        return [name for name in special if name not in {FORMATS[other].refines for other in special}]
    if survey.named and not names:
        raise DataError(
            f"{str(survey.root / survey.named)!r} is not an annotation file that is read: name COCO JSON, Label "
            "Studio's JSON or CSV, a data.yaml of Ultralytics, a CSV file, or a folder."
        )
    if unclear:
        raise unclear
    if any(FORMATS[name].is_declared for name in names) or ("manifest" in names and names_tools(survey)):
        names = [name for name in names if name != "name_prefix"]  # which numbered files fit by chance
    hidden = {
        name: find_hidden_pairs(survey.root, FORMATS[name].read(replace(survey, notes=[])))
        for name in names
        if name in ("class_folders", "name_prefix")
    }
    if names and all(map(hidden.get, names)):
        raise DataError(hidden[names[0]])
    if names := [name for name in names if not hidden.get(name)]:
        return names
    kinds = [kind for kind in map(guess_manifest, survey.tables) if kind]
    return ["mask_manifest" if "masks" in kinds else "manifest"] if len(kinds) == 1 else []


def _can_be_read(survey: Survey, name: str) -> bool:
    try:
        return FORMATS[name].task != "none" and bool(FORMATS[name].read(replace(survey, notes=[])))
    except DataError:
        return False


def _only_folder(survey: Survey) -> str:
    """Name of the one folder in which all images lie, or ""."""
    tops = {key.split("/")[0] if "/" in key else "" for key in survey.images}
    return tops.pop() if len(tops) == 1 else ""


def _check_name(name: str) -> None:
    if name not in FORMATS:
        hint = suggest(name, FORMATS, f"There are: {', '.join(FORMATS)}.")
        raise DataError(f"No data format {name!r}. {hint}")


def read_survey(survey: Survey, name: str, needs_target: bool = True, faults: list[str] | None = None) -> Splits:
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
    place_keys.cache_clear()  # what names say of a million images is large, and training is long
    find_pairs.cache_clear()
    if not splits:
        raise DataError(faults[-1] if faults else f"{describe(survey)} {_expected()}")
    return {split: _compose_labels(survey, items) for split, items in splits.items()}


def _compose_labels(survey: Survey, items: list[Item]) -> list[Item]:
    """Labels in one Unicode form: the same name may be written in two."""
    labels = {item.target for item in items if isinstance(item.target, str)}
    other = {label for label in labels if label != compose(label)}
    if not other:
        return items
    names = quote_some(sorted(compose(label) for label in other))
    text = f"Class names in decomposed Unicode, as macOS writes them, are read in their composed form: {names}."
    if text not in [note.text for note in survey.notes]:
        survey.notes.append(Note(text))
    return [
        replace(item, target=compose(label)) if isinstance(label := item.target, str) and label in other else item
        for item in items
    ]


def _explain(survey: Survey) -> str:
    """Why the images have no labels, and the nearest layout that would give them some."""
    if reason := explain_boxes(survey):
        return reason
    while (only := _only_folder(survey)) and any(key.count("/") > 1 for key in survey.images):
        survey = survey_folder(survey.root / only)
    if tables := [table.name for table in survey.tables if guess_manifest(table)]:
        return f"{describe(survey)} Name the one CSV file that holds the labels, with --data: {quote_some(tables)}."
    for folder in sorted({key.split("/")[0] for key in survey.images if "/" in key}):
        inner = survey_folder(survey.root / folder)
        is_most = is_few(len(survey.images) - len(inner.images), len(survey.images))
        if is_most and find_fitting(inner) == ["class_folders"]:
            count = len({item.target for items in read_class_folders(inner).values() for item in items})
            others = sorted({key.split("/")[0] for key in survey.images} - {folder})
            return (
                f"{str(survey.root)!r} holds {quote_some(others, 3)} beside {folder!r}, which holds {count} class "
                f"folders: --data {quote(inner.root)} reads those."
            )
    if reason := explain_unpaired(survey) or find_nested_pairs(survey.root, survey.images):
        return reason
    unlabelled = "No image has a label. " if survey.images else ""
    return next(explain_misfit(survey), "") or f"{describe(survey)} {unlabelled}{_expected()}"


def _expected() -> str:
    return (
        "Expected: a folder per class, CLASS_ID.png, images/ and masks/, a CSV file, COCO JSON or a data.yaml. See "
        "docs/labels.md, layouts.md, annotations.md."
    )

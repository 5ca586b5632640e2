"""The table of layouts: what each looks like on disk, and its items.

A new layout is one Format in FORMATS; one of image-mask pairs gives masks' files as targets instead of labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from finesight.data.layouts.label_folders import (
    fits_class_folders,
    fits_name_prefix,
    read_class_folders,
    read_name_prefix,
)
from finesight.data.layouts.manifest import COLUMNS, MASK_COLUMNS, guess_manifest, is_manifest, read_manifest
from finesight.data.layouts.pair_layouts import fits_pairs, read_pairs
from finesight.data.layouts.survey import Splits, Survey, describe
from finesight.data.sample import Item
from finesight.errors import DataError


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
    if survey.images or len(survey.tables) != 1:
        return sum(is_manifest(table, columns) for table in survey.tables) == 1
    (table,) = survey.tables
    return (guess_manifest(table) or ("masks" if is_manifest(table, MASK_COLUMNS) else "labels")) == kind


def _read_manifest(survey: Survey, kind: str = "labels") -> Splits:
    tables = _list_manifests(survey, kind) or survey.tables
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their {kind}, with --data.")
    return read_manifest(tables[0], MASK_COLUMNS if kind == "masks" else COLUMNS, survey.is_named, survey.notes)


def _read_unlabelled(survey: Survey) -> Splits:
    return {"train": [Item(key, survey.root / key) for key in survey.images]} if survey.images else {}


FORMATS = {
    "name_prefix": Format(
        "images called CLASS_ID.png (or CLASS.ID.png, CLASS-ID.png), in one folder or in train and val",
        "classification",
        fits_name_prefix,
        read_name_prefix,
    ),
    "class_folders": Format(
        "a folder of images for each of two classes or more, perhaps below train and val",
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
        "any folder of images; for prediction", "none", lambda survey: bool(survey.images), _read_unlabelled
    ),
}

"""Manifests: CSV files with an image a row, its label or its mask, and perhaps its split.

Plainest are `path,label[,split]` and `image,mask[,split]`; `columns.py` says what else is understood.
Paths are relative to the file's folder.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from finesight.data.layouts.columns import PLAIN, Columns, Kind, find_columns, has_label_column
from finesight.data.layouts.named_files import NamedFiles
from finesight.data.layouts.one_hot import find_flag_columns, find_one_label
from finesight.data.layouts.survey import Splits, Survey, describe
from finesight.data.layouts.table_items import is_outside, key_of, read_tables
from finesight.data.layouts.table_rows import read_rows
from finesight.data.layouts.table_sets import TOOLS, TableOfSplit, find_split_tables
from finesight.data.leftovers import Note
from finesight.data.sample import Item, Target
from finesight.errors import DataError
from finesight.run.files import write_csv

ROWS_SAMPLED = 20  # to decide what a table is


def is_manifest(table: Path, kind: Kind = "labels") -> bool:
    """Whether a CSV file's first row has the very columns of a manifest."""
    try:
        return set(PLAIN[kind]) <= set(read_rows(table, limit=1)[0])
    except DataError:
        return False


def guess_manifest(table: Path) -> Kind | None:
    """What a table gives to images that exist; None where it gives nothing."""
    try:
        header, *rows = read_rows(table, limit=ROWS_SAMPLED)
        try:
            columns = find_columns(header, rows)
        except DataError:
            columns = _find_one_label(table)
        cells = [row[columns.image] for row in rows if len(row) == len(header)]
        files = NamedFiles(table.parent)
        return columns.kind if any(map(files.find, cells)) or any(map(files.locate, cells[:1])) else None
    except DataError:
        return None


def _find_one_label(table: Path) -> Columns:
    """Those of a table that has a column of 0 and 1 for each class. Raises DataError."""
    header, *rows = read_rows(table)
    return find_one_label(header, rows)


def fits_manifest(survey: Survey, kind: Kind) -> bool:
    """Beside other layouts only plain columns, or a table as a tool writes it, make a manifest. A CSV file alone can be
    nothing else."""
    if find_split_tables(survey, partial(_gives, kind=kind)):
        return True
    if survey.images or len(survey.tables) != 1:
        fitting = [table for table in survey.tables if is_manifest(table, kind) or is_tools(table, kind)]
        return len(fitting) == 1
    (table,) = survey.tables
    return (guess_manifest(table) or ("masks" if is_manifest(table, "masks") else "labels")) == kind


def is_tools(table: Path, kind: Kind = "labels") -> bool:
    """Whether a table is called as a tool calls it, and gives labels by a column whose name says so."""
    return kind == "labels" and table.name.lower() in TOOLS and _gives(table, kind)


def names_tools(survey: Survey) -> bool:
    """Whether the labels are in tables for each split, or in one as a tool writes it."""
    return bool(find_split_tables(survey, partial(_gives, kind="labels")) or any(map(is_tools, survey.tables)))


def _gives(table: Path, kind: Kind) -> bool:
    """Whether a table gives images that exist labels, or masks, and not some text that is neither."""
    if guess_manifest(table) != kind:
        return False
    header, *rows = read_rows(table, limit=ROWS_SAMPLED)
    return kind == "masks" or has_label_column(header) or bool(find_flag_columns(header, rows))


def read_manifest_of(survey: Survey, kind: Kind) -> Splits:
    """The tables of splits, or the one table with the plain columns, else the one that can be understood."""
    if tables := find_split_tables(survey, partial(_gives, kind=kind)):
        return read_tables(survey, tables, partial(_settle_columns, kind=kind))
    alone = [table for table in survey.tables if is_manifest(table, kind) or is_tools(table, kind)]
    alone = alone or [table for table in survey.tables if guess_manifest(table) == kind] or [*survey.tables]
    if len(alone) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their {kind}, with --data.")
    return read_tables(survey, [TableOfSplit(alone[0])], partial(_settle_columns, kind=kind))


def _settle_columns(table: Path, header: list[str], rows: list[list[str]], kind: Kind) -> Columns:
    try:
        return find_columns(header, rows, kind)
    except DataError as error:
        with suppress(DataError):
            if kind == "labels":
                return find_one_label(header, rows)
        raise DataError(f"Manifest {str(table)!r} {error}") from None


def read_manifest(
    table: Path, kind: Kind = "labels", may_leave: bool = False, notes: list[Note] | None = None
) -> Splits:
    """Items by split; all are `train` where no column names it.

    kind: what the table gives images. may_leave: whether paths may lead out of the file's folder. notes: takes what
    was guessed.
    Raises DataError: not UTF-8, no such column; UnusableRows: too few or many fields, an empty label, an unknown split,
    an image that does not exist, that two rows name differently, or that lies outside the file's folder.
    """
    survey = Survey(table.parent, (), (table,), may_leave, notes=[] if notes is None else notes)
    return read_tables(survey, [TableOfSplit(table)], partial(_settle_columns, kind=kind))


def check_place(table: Path, data: Path) -> None:
    """Raises DataError where a manifest cannot lie above the images of a data folder, wherever in it they are."""
    is_beside = is_outside(data, table) and is_outside(table, data / table.name)
    if data.is_dir() and is_beside:
        raise DataError(
            f"A manifest must lie above all its images: {str(table)!r} does not lie above {str(data)!r}, but "
            f"{str(data / table.name)!r} does."
        )


def write_manifest(table: Path, splits: Mapping[str, Sequence[Item]]) -> None:
    """Writes what `read_manifest` reads back. Raises DataError where an image is not below the file's folder."""
    rows = [
        (_cell(item.path, table), _cell(item.target, table), split) for split, items in splits.items() for item in items
    ]
    has_masks = any(isinstance(item.target, Path) for items in splits.values() for item in items)
    write_csv(table, (*PLAIN["masks" if has_masks else "labels"], "split"), rows)


def _cell(value: Target, table: Path) -> str:
    if isinstance(value, Path) and is_outside(value, table):
        raise DataError(f"A manifest must lie above all its images: {str(table)!r} does not lie above {str(value)!r}.")
    return key_of(value, table.parent) if isinstance(value, Path) else str(value)

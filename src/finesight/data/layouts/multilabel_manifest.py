"""Manifests that give each image any number of labels: listed in one cell, or in a column of 0 and 1 for each class."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finesight.data.layouts.columns import IMAGE_NAMES, LABEL_NAMES, Columns, find_column, find_splits
from finesight.data.layouts.one_hot import FlagColumns, find_flag_columns, is_one_each
from finesight.data.layouts.survey import Splits, Survey, describe
from finesight.data.layouts.table_items import read_tables
from finesight.data.layouts.table_rows import LISTED, read_rows
from finesight.data.layouts.table_sets import TableOfSplit, find_split_tables
from finesight.data.sample import Target
from finesight.errors import DataError

ROWS_SAMPLED = 1000  # to decide what a table is
LIST_NAMES = ("labels", "classes", "categories", "targets", "tags")  # columns that may list with commas, too
SPACED = "tags"  # the column whose labels may be separated by blanks


@dataclass(frozen=True)
class ListColumns(Columns):
    """separator: of the labels in the target column."""

    separator: str = ""

    def read_target(self, row: Sequence[str]) -> Target:
        """None for an empty list: it may mean that nobody looked."""
        labels = (part.strip() for part in row[self.target].split(self.separator))
        return tuple(dict.fromkeys(filter(None, labels))) or None


def fits_multilabel_manifest(survey: Survey) -> bool:
    return bool(_find_split_tables(survey)) or len(_find_tables(survey)) == 1


def read_multilabel_manifest(survey: Survey) -> Splits:
    """Items by split, whose targets are tuples of labels. Raises DataError, UnusableRows as `read_tables` does."""
    tables = _find_split_tables(survey)
    alone = [] if tables else _find_tables(survey) or [*survey.tables]
    if len(alone) > 1 or not (tables or alone):
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their labels, with --data.")
    return read_tables(survey, tables or [TableOfSplit(alone[0])], _settle_columns)


def _settle_columns(table: Path, header: list[str], rows: list[list[str]]) -> Columns:
    columns = _find_columns(header, rows)
    if columns is None:
        raise DataError(
            f"{str(table)!r} does not list several labels: it takes a column such as labels with 'forest;water', "
            "or a column of 0 and 1 for each class."
        )
    flags = columns.flags if isinstance(columns, FlagColumns) else ()
    if wrong := [name for _, name in flags if ";" in name]:
        where = f"Column {wrong[0]!r} of {str(table)!r}"
        raise DataError(f"{where} has ';' in its name, which separates labels: rename it.")
    return columns


def _find_tables(survey: Survey) -> list[Path]:
    return [table for table in survey.tables if _is_multilabel(table)]


def _find_split_tables(survey: Survey) -> list[TableOfSplit]:
    """Of which at least one has rows of several labels, or of none."""
    tables = find_split_tables(survey, _has_labels)
    return tables if any(_is_multilabel(each.path) for each in tables) else []


def _has_labels(table: Path) -> bool:
    """Whether a table has columns that can give an image several labels."""
    try:
        header, *rows = read_rows(table, ROWS_SAMPLED)
        return _find_columns(header, rows) is not None
    except DataError:
        return False


def _is_multilabel(table: Path) -> bool:
    """Whether a row has several labels, or none: else it is a table of single labels."""
    try:
        header, *rows = read_rows(table, ROWS_SAMPLED)
        columns = _find_columns(header, rows)
        if isinstance(columns, FlagColumns) and len(rows) >= ROWS_SAMPLED - 1:
            header, *rows = read_rows(table)
            columns = _find_columns(header, rows)
    except DataError:
        return False
    if isinstance(columns, FlagColumns):
        return not is_one_each(columns, header, rows)
    targets = [columns.read_target(row) for row in rows if len(row) == len(header)] if columns else []
    return any(isinstance(target, tuple) and len(target) != 1 for target in targets)


def _find_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> FlagColumns | ListColumns | None:
    plain = [re.sub(r"[\s_.-]+", "", name.lower()) for name in header]
    whole = [row for row in rows if len(row) == len(header)]
    image = find_column(header, plain, IMAGE_NAMES, ())
    if image is None or not whole:
        return None
    label = find_column(header, plain, (*LABEL_NAMES, SPACED), (image,))
    if label is None:
        return find_flag_columns(header, rows)
    splits, notes = find_splits(header, plain, rows, (image, label))
    separator = _find_separator(plain[label], [row[label] for row in whole])
    return ListColumns(image, label, "labels", splits, tuple(notes), separator=separator) if separator else None


def _find_separator(name: str, cells: Sequence[str]) -> str:
    """The first that occurs; "" where none does."""
    candidates = [LISTED, ";", "|", *([","] if name in LIST_NAMES else []), *([" "] if name == SPACED else [])]
    return next((each for each in candidates if any(each in cell.strip() for cell in cells)), "")

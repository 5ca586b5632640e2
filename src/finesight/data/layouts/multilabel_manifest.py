"""Manifests that give each image any number of labels: listed in one cell, or in a column of 0 and 1 for each class."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finesight.data.layouts.columns import IMAGE_NAMES, LABEL_NAMES, YES, Columns, find_column, find_splits, is_flag
from finesight.data.layouts.manifest import read_items, read_rows
from finesight.data.layouts.survey import Splits, Survey, describe
from finesight.data.leftovers import Note, quote_some
from finesight.data.sample import Target
from finesight.errors import DataError

ROWS_SAMPLED = 1000  # to decide what a table is
LIST_NAMES = ("labels", "classes", "categories", "targets", "tags")  # columns that may list with commas, too
SPACED = "tags"  # the column whose labels may be separated by blanks


@dataclass(frozen=True)
class LabelColumns(Columns):
    """separator: of the labels in the target column; "" with flags: columns of 0 and 1, and the class of each."""

    separator: str = ""
    flags: tuple[tuple[int, str], ...] = ()

    def read_target(self, row: Sequence[str]) -> Target:
        """None for an empty list: it may mean that nobody looked. A row of zeros is an image without any label."""
        if self.flags:
            return tuple(name for position, name in self.flags if row[position].strip().lower() in YES)
        labels = (part.strip() for part in row[self.target].split(self.separator))
        return tuple(dict.fromkeys(filter(None, labels))) or None


def fits_multilabel_manifest(survey: Survey) -> bool:
    return len(_find_tables(survey)) == 1


def read_multilabel_manifest(survey: Survey) -> Splits:
    """Items by split, whose targets are tuples of labels. Raises DataError, UnusableRows as `read_items` does."""
    tables = _find_tables(survey) or [*survey.tables]
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their labels, with --data.")
    header, *rows = read_rows(tables[0])
    columns = _find_columns(header, rows)
    if columns is None:
        raise DataError(
            f"{str(tables[0])!r} does not list several labels: it takes a column such as labels with 'forest;water', "
            "or a column of 0 and 1 for each class."
        )
    if wrong := [name for _, name in columns.flags if ";" in name]:
        raise DataError(
            f"Column {wrong[0]!r} of {str(tables[0])!r} has ';' in its name, which separates labels: rename it."
        )
    survey.notes.extend(map(Note, columns.notes))
    return read_items(tables[0], header, rows, columns, survey.is_named, survey.notes)


def _find_tables(survey: Survey) -> list[Path]:
    return [table for table in survey.tables if _is_multilabel(table)]


def _is_multilabel(table: Path) -> bool:
    """Whether a row has several labels, or none: else it is a table of single labels."""
    try:
        header, *rows = read_rows(table, ROWS_SAMPLED)
        columns = _find_columns(header, rows)
    except DataError:
        return False
    targets = [columns.read_target(row) for row in rows if len(row) == len(header)] if columns else []
    return any(isinstance(target, tuple) and len(target) != 1 for target in targets)


def _find_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> LabelColumns | None:
    plain = [re.sub(r"[\s_.-]+", "", name.lower()) for name in header]
    whole = [row for row in rows if len(row) == len(header)]
    image = find_column(header, plain, IMAGE_NAMES, ())
    if image is None or not whole:
        return None
    label = find_column(header, plain, (*LABEL_NAMES, SPACED), (image,))
    splits, notes = find_splits(header, plain, rows, (image, label))
    if label is not None:
        separator = _find_separator(plain[label], [row[label] for row in whole])
        return LabelColumns(image, label, "labels", splits, tuple(notes), separator) if separator else None
    left = [each for each in range(len(header)) if each not in (image, *(position for _, position in splits))]
    flags = [(each, header[each]) for each in left if is_flag(whole, each)]
    if len(flags) < 2:
        return None
    if unused := [name for each, name in flags if not any(row[each].strip().lower() in YES for row in whole)]:
        notes.append(f"Columns without a 1 make no class: {quote_some(unused)}.")
    if others := [header[each] for each in left if (each, header[each]) not in flags]:
        notes.append(f"Columns that are not 0 or 1 in every row are not used: {quote_some(others)}.")
    return LabelColumns(image, image, "labels", splits, tuple(notes), flags=tuple(flags))


def _find_separator(name: str, cells: Sequence[str]) -> str:
    """The first that occurs; "" where none does."""
    candidates = [";", "|", *([","] if name in LIST_NAMES else []), *([" "] if name == SPACED else [])]
    return next((each for each in candidates if any(each in cell.strip() for cell in cells)), "")

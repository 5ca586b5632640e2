"""Manifests: CSV files with an image a row, its label or its mask, and perhaps its split.

Plainest are `path,label[,split]` and `image,mask[,split]`; `columns.py` says what else is understood.
Paths are relative to the file's folder.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from finesight.data.layouts.columns import PLAIN, Columns, Kind, find_columns
from finesight.data.layouts.named_files import NamedFiles
from finesight.data.layouts.survey import Splits, Survey, describe
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item, Target
from finesight.errors import DataError
from finesight.run.files import write_csv

ROWS_SAMPLED = 20  # to decide what a table is
DELIMITERS = ",;\t|"


class UnusableRows(DataError):
    """Rows that cannot be used. reasons: what there is to say in one sentence, and if that is not all, a sentence for
    each row; splits: the items of all other rows."""

    def __init__(self, message: str, rows: list[str], splits: Splits) -> None:
        super().__init__(message)
        self.reasons = [message, *rows] if len(rows) > 1 else [message]
        self.splits = splits


class _Missing(DataError):
    """No file has the name that the message holds."""


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
        columns = find_columns(header, rows)
        cells = [row[columns.image] for row in rows if len(row) == len(header)]
        files = NamedFiles(table.parent)
        return columns.kind if any(map(files.find, cells)) or any(map(files.locate, cells[:1])) else None
    except DataError:
        return None


def fits_manifest(survey: Survey, kind: Kind) -> bool:
    """Beside other layouts only plain columns make a manifest. A CSV file alone can be nothing else."""
    if survey.images or len(survey.tables) != 1:
        return sum(is_manifest(table, kind) for table in survey.tables) == 1
    (table,) = survey.tables
    return (guess_manifest(table) or ("masks" if is_manifest(table, "masks") else "labels")) == kind


def read_manifest_of(survey: Survey, kind: Kind) -> Splits:
    """The one table with the plain columns, else the one that can be understood."""
    tables = [table for table in survey.tables if is_manifest(table, kind)]
    tables = tables or [table for table in survey.tables if guess_manifest(table) == kind] or [*survey.tables]
    if len(tables) != 1:
        raise DataError(f"{describe(survey)} Name the one CSV file that gives images their {kind}, with --data.")
    return read_manifest(tables[0], kind, survey.is_named, survey.notes)


def read_manifest(
    table: Path, kind: Kind = "labels", may_leave: bool = False, notes: list[Note] | None = None
) -> Splits:
    """Items by split; all are `train` where no column names it.

    kind: what the table gives images. may_leave: whether paths may lead out of the file's folder. notes: takes what
    was guessed.
    Raises DataError: not UTF-8, no such column; UnusableRows: too few or many fields, an empty label, an unknown split,
    an image that does not exist, that two rows name, or that lies outside the file's folder.
    """
    header, *rows = read_rows(table)
    try:
        columns = find_columns(header, [row for row in rows if row], kind)
    except DataError as error:
        raise DataError(f"Manifest {str(table)!r} {error}") from None
    found = [] if notes is None else notes
    found += [Note(note) for note in columns.notes]
    return read_items(table, header, rows, columns, may_leave, found)


def read_items(
    table: Path, header: list[str], rows: Sequence[list[str]], columns: Columns, may_leave: bool, notes: list[Note]
) -> Splits:
    """Items by split of rows whose columns are known. Raises UnusableRows."""
    reading = _Reading(table, columns, NamedFiles(table.parent), may_leave).read(header, rows)
    places = (columns.image, columns.target) if columns.kind == "masks" else (columns.image,)
    cells = [row[each] for row in rows if len(row) == len(header) for each in places if row[each].strip()]
    if len(reading.missing) == sum(map(bool, rows)) and len(folders := reading.files.find_folder(cells)) == 1:
        notes.append(Note(f"Its paths are relative to the folder {folders[0].relative_to(table.parent).as_posix()!r}."))
        reading = _Reading(table, columns, NamedFiles(folders[0]), may_leave).read(header, rows)
    if reading.unlabelled:
        some = f"{count_of(len(reading.unlabelled), 'row')} of test without a label"
        notes.append(Note(f"Skipped: {some} ({quote_some(reading.unlabelled, 1)}).", tuple(reading.unlabelled)))
    if near := reading.files.near:
        where = f"such as {_key(near[0][1], table)!r} for {near[0][0]!r}"
        notes.append(Note(f"{count_of(len(near), 'file')} found nearly as written, {where}."))
    if reading.reasons:
        message = _describe_missing(reading, sum(map(bool, rows))) if reading.missing else reading.reasons[0]
        if len(reading.reasons) > max(1, len(reading.missing)):
            message = f"{len(reading.reasons):,} rows of {str(table)!r} cannot be used, for example: {message}"
        raise UnusableRows(message, reading.reasons, reading.splits)
    return reading.splits


@dataclass
class _Reading:
    """What is read of a table so far. lines: where an image was named first, by path."""

    table: Path
    columns: Columns
    files: NamedFiles
    may_leave: bool
    splits: Splits = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    missing: list[tuple[int, str]] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def read(self, header: list[str], rows: Sequence[list[str]]) -> "_Reading":
        for number, fields in enumerate(rows, start=2):
            start = f"Manifest {str(self.table)!r}, row {number}:"
            try:
                if fields:
                    self._read_row(header, fields, number)
            except _Missing as error:
                self.missing.append((number, str(error)))
                self.reasons.append(f"{start} image {str(error)!r} does not exist.")
            except DataError as error:
                self.reasons.append(f"{start} {error}")
        return self

    def _read_row(self, header: list[str], fields: list[str], number: int) -> None:
        """Adds the row's item, or raises DataError with what is wrong with it."""
        if len(fields) != len(header):
            raise DataError(f"{len(fields)} fields where the first row has {len(header)}; quote names with commas.")
        columns = self.columns
        cell, target = fields[columns.image], columns.read_target(fields)
        split = columns.name_split(fields)
        if not split:
            named = " and ".join(repr(fields[position]) for _, position in columns.splits)
            raise DataError(f"split {named} should be train, val or test.")
        if target is None and split == "test":
            self.unlabelled.append(cell)
            return
        path = self._find(cell)
        if columns.kind == "masks" and isinstance(target, str):
            target = self._find(target)
        key = _key(path, self.table)
        if target is None:
            raise DataError(f"{key!r} has no {columns.kind.removesuffix('s')}; add one or remove the row.")
        if self.lines.setdefault(path, number) != number:
            raise DataError(f"{key!r} is already in row {self.lines[path]}; remove one of them.")
        self.splits.setdefault(split, []).append(Item(key, path, target))

    def _find(self, cell: str) -> Path:
        """The file. Raises _Missing where there is none, and DataError for what leads out."""
        if not self.may_leave and _is_outside(self.table.parent / cell, self.table):
            raise DataError(
                f"{cell!r} is outside the manifest's folder; to read it anyway, name the CSV file itself with --data."
            )
        path = self.files.find(cell)
        if path is None:
            raise _Missing(cell)
        return path


def _key(path: Path, table: Path) -> str:
    """The path from the table's folder, `/`-separated."""
    return os.path.relpath(path, table.absolute().parent).replace(os.sep, "/")


def _is_outside(path: Path, table: Path) -> bool:
    return _key(path, table).split("/")[0] == ".."


def _describe_missing(reading: _Reading, total: int) -> str:
    (number, cell), table = reading.missing[0], str(reading.table)
    place = reading.files.locate(cell)
    where = f"; a file of that name lies at {place!r}" if place else ""
    what = f"Manifest {table!r}, row {number}: image {cell!r} does not exist"
    if len(reading.missing) > 1:
        count = f"{len(reading.missing):,} of {total:,} rows of manifest {table!r}"
        what = f"{count} name files that do not exist, such as {cell!r} in row {number}"
    return f"{what}{where}; paths are relative to the manifest's folder."


def write_manifest(table: Path, splits: Mapping[str, Sequence[Item]]) -> None:
    """Writes what `read_manifest` reads back. Raises DataError where an image is not below the file's folder."""
    rows = [
        (_cell(item.path, table), _cell(item.target, table), split) for split, items in splits.items() for item in items
    ]
    has_masks = any(isinstance(item.target, Path) for items in splits.values() for item in items)
    write_csv(table, (*PLAIN["masks" if has_masks else "labels"], "split"), rows)


def _cell(value: Target, table: Path) -> str:
    if isinstance(value, Path) and _is_outside(value, table):
        raise DataError(f"A manifest must lie above all its images: {str(table)!r} does not lie above {str(value)!r}.")
    return _key(value, table) if isinstance(value, Path) else str(value)


def read_rows(table: Path, limit: int | None = None) -> list[list[str]]:
    """The first rows, or all; the first of them is the header, without blanks around its names."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)  # the comma, where there is none
            rows = list(islice(csv.reader(file, strict=True, delimiter=delimiter), limit))
    except UnicodeDecodeError:
        raise DataError(f"Manifest {str(table)!r} is not in UTF-8; save it as UTF-8.") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"Manifest {str(table)!r} cannot be read as CSV: {error}.") from None
    if not rows:
        raise DataError(f"Manifest {str(table)!r} is empty; its first row should read path,label.")
    if rows[0] and rows[0][0].startswith("version https://git-lfs"):
        raise DataError(f"Manifest {str(table)!r} is a Git LFS pointer, not the file: run `git lfs pull`.")
    return [[name.strip() for name in rows[0]], *rows[1:]]

"""Tables to items: each row's image, its label or mask, and its split. What is wrong with single rows is collected."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from finesight.data.layouts.columns import Columns
from finesight.data.layouts.label_folders import place_keys
from finesight.data.layouts.named_files import NamedFiles
from finesight.data.layouts.one_hot import FlagColumns
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.layouts.table_rows import first_row, read_rows
from finesight.data.layouts.table_sets import TableOfSplit, list_left_out
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item, Target
from finesight.errors import DataError


class UnusableRows(DataError):
    """Rows that cannot be used. reasons: what there is to say in one sentence, and if that is not all, a sentence for
    each row; splits: the items of all other rows."""

    def __init__(self, message: str, rows: list[str], splits: Splits) -> None:
        super().__init__(message)
        self.reasons = [message, *rows] if len(rows) > 1 else [message]
        self.splits = splits


class _Missing(DataError):
    """No file has the name that the message holds."""


def read_tables(
    survey: Survey, tables: Sequence[TableOfSplit], settle: Callable[[Path, list[str], list[list[str]]], Columns]
) -> Splits:
    """Items by split of one table, or of a table for each split. settle: the columns of a table, from its header and
    rows. What is guessed, repeated or left out is added to the survey's notes. Raises DataError, UnusableRows."""
    splits: Splits = defaultdict(list)
    faults: list[UnusableRows] = []
    classes: dict[str, None] = {}
    for table in tables:
        header, *rows = read_rows(table.path)
        columns = settle(table.path, header, rows)
        if table.split:
            columns = replace(columns, splits=(), split=table.split)
        if isinstance(columns, FlagColumns):
            classes |= dict.fromkeys(name for _, name in columns.flags)
        known = {note.text for note in survey.notes}
        survey.notes.extend(Note(text) for text in columns.notes if text not in known)
        try:
            found = _read_items(survey, table.path, header, rows, columns)
        except UnusableRows as error:
            faults.append(error)
            found = error.splits
        if not (table.split or columns.splits):
            found = _split_by_folders(found, survey.notes)
        for split, items in found.items():
            splits[split] += items
    if len(tables) > 1 or tables[0].split:
        counts = ", ".join(f"{each.path.relative_to(survey.root).as_posix()} ({each.split})" for each in tables)
        left = list_left_out(survey, tables)
        others = f" Not used, as no label of an image is found in it: {quote_some(left, 3)}." if left else ""
        survey.notes.append(Note(f"Splits as in the tables {counts}.{others}", tuple(left)))
    _note_unused(survey, tables, splits, list(classes))
    if faults:
        reasons = [reason for each in faults for reason in (each.reasons[1:] or each.reasons)]
        text = f"{len(reasons):,} rows of {len(faults)} tables cannot be used, for example: {reasons[0]}"
        raise UnusableRows(text if len(faults) > 1 else faults[0].reasons[0], reasons, dict(splits))
    return dict(splits)


def _split_by_folders(splits: Splits, notes: list[Note]) -> Splits:
    """Where no column names the split and the images lie in folders called like splits: these, with a note."""
    items = {item.key: item for item in splits.get("train", ())}
    placed = {key: each.split for each in place_keys(tuple(items)) for key in each.keys}
    if len(set(placed.values())) < 2 or "train" not in placed.values():
        return splits
    found: Splits = defaultdict(list)
    for key, item in items.items():
        found[placed.get(key, "train")].append(item)
    folders = list(dict.fromkeys(key.split("/")[0] for key in items))
    notes.append(Note(f"No column names the split: it is read from the folders {quote_some(folders)}."))
    return dict(found)


def _note_unused(survey: Survey, tables: Sequence[TableOfSplit], splits: Splits, classes: Sequence[str]) -> None:
    """Images in no row, and columns that are 1 in none."""
    items = [item for some in splits.values() for item in some]
    listed = {item.file for item in items}
    left = tuple(key for key in survey.images if os.fspath(survey.root / key) not in listed)
    if left:
        where = quote_some([each.path.relative_to(survey.root).as_posix() for each in tables], 3)
        text = f"Left out: {count_of(len(left), 'image')} in no row of {where} ({quote_some(left, 2)})."
        survey.notes.append(Note(text, left))
    held = {label for item in items for label in (item.target if isinstance(item.target, tuple) else (item.target,))}
    if unused := [name for name in classes if name not in held]:
        survey.notes.append(Note(f"Columns without a 1 make no class: {quote_some(unused)}."))


def _read_items(survey: Survey, table: Path, header: list[str], rows: Sequence[list[str]], columns: Columns) -> Splits:
    """Items by split of rows whose columns are known. Raises UnusableRows."""
    start = _Reading(table, survey.root, columns, NamedFiles(table.parent), survey.is_named)
    reading = start.read(header, rows)
    notes = survey.notes
    places = (columns.image, columns.target) if columns.kind == "masks" else (columns.image,)
    cells = [row[each] for row in rows if len(row) == len(header) for each in places if row[each].strip()]
    if len(reading.missing) == sum(map(bool, rows)) and len(folders := reading.files.find_folder(cells)) == 1:
        notes.append(Note(f"Its paths are relative to the folder {folders[0].relative_to(table.parent).as_posix()!r}."))
        reading = _Reading(table, survey.root, columns, NamedFiles(folders[0]), survey.is_named).read(header, rows)
    if reading.unlabelled:
        some = f"{count_of(len(reading.unlabelled), 'row')} of test without a label"
        notes.append(Note(f"Skipped: {some} ({quote_some(reading.unlabelled, 1)}).", tuple(reading.unlabelled)))
    if reading.repeated:
        some = f"{count_of(len(reading.repeated), 'row')} that {'repeat' if len(reading.repeated) > 1 else 'repeats'}"
        text = f"Skipped: {some} an earlier one of {table.name!r} ({quote_some(reading.repeated, 2)})."
        notes.append(Note(text, tuple(reading.repeated)))
    if near := reading.files.near:
        where = f"such as {key_of(near[0][1], table.parent)!r} for {near[0][0]!r}"
        notes.append(Note(f"{count_of(len(near), 'file')} found nearly as written, {where}."))
    if reading.reasons:
        message = _describe_missing(reading, sum(map(bool, rows))) if reading.missing else reading.reasons[0]
        if len(reading.reasons) > max(1, len(reading.missing)):
            message = f"{len(reading.reasons):,} rows of {str(table)!r} cannot be used, for example: {message}"
        raise UnusableRows(message, reading.reasons, reading.splits)
    return reading.splits


@dataclass
class _Reading:
    """What is read of a table so far. root: of the keys. lines: where an image was named first, by path."""

    table: Path
    root: Path
    columns: Columns
    files: NamedFiles
    may_leave: bool
    splits: Splits = field(default_factory=dict)
    lines: dict[Path, tuple[int, str, Target]] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    missing: list[tuple[int, str]] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def read(self, header: list[str], rows: Sequence[list[str]]) -> "_Reading":
        for number, fields in enumerate(rows, first_row(self.table)):
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
        key = key_of(path, self.root)
        if target is None:
            raise DataError(f"{key!r} has no {columns.kind.removesuffix('s')}; add one or remove the row.")
        line, *before = self.lines.setdefault(path, (number, split, target))
        if before != [split, target]:
            raise DataError(f"{key!r} is already in row {line}; remove one of them.")
        if line != number:
            self.repeated.append(cell)
            return
        self.splits.setdefault(split, []).append(Item(key, path, target))

    def _find(self, cell: str) -> Path:
        """The file. Raises _Missing where there is none, and DataError for what leads out."""
        if not self.may_leave and is_outside(self.table.parent / cell, self.table):
            raise DataError(
                f"{cell!r} is outside the manifest's folder; to read it anyway, name the CSV file itself with --data."
            )
        path = self.files.find(cell)
        if path is None:
            raise _Missing(cell)
        return path


def key_of(path: Path, folder: Path) -> str:
    """The path from a folder, `/`-separated."""
    return os.path.relpath(path, folder.absolute()).replace(os.sep, "/")


def is_outside(path: Path, table: Path) -> bool:
    return key_of(path, table.parent).split("/")[0] == ".."


def _describe_missing(reading: _Reading, total: int) -> str:
    (number, cell), table = reading.missing[0], str(reading.table)
    place = reading.files.locate(cell)
    where = f"; a file of that name lies at {place!r}" if place else ""
    what = f"Manifest {table!r}, row {number}: image {cell!r} does not exist"
    if len(reading.missing) > 1:
        count = f"{len(reading.missing):,} of {total:,} rows of manifest {table!r}"
        what = f"{count} name files that do not exist, such as {cell!r} in row {number}"
    return f"{what}{where}; paths are relative to the manifest's folder."

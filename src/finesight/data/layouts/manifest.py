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

from finesight.data.layouts.columns import Columns, find_columns
from finesight.data.layouts.named_files import NamedFiles
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item
from finesight.errors import DataError
from finesight.run.files import write_csv

COLUMNS = ("path", "label")
MASK_COLUMNS = ("image", "mask")
ROWS_LOOKED_AT = 20  # to tell what a table is
DELIMITERS = ",;\t|"


class UnusableRows(DataError):
    """Rows that cannot be used. reasons: what there is to say in one sentence, and if that is not all, a sentence for
    each row; splits: the items of all other rows."""

    def __init__(self, message: str, rows: list[str], splits: dict[str, list[Item]]) -> None:
        super().__init__(message)
        self.reasons = [message, *rows] if len(rows) > 1 else [message]
        self.splits = splits


class _Missing(DataError):
    """There is no file of the name that it holds."""


@dataclass
class _Reading:
    """What is read of a table so far. lines: where an image was named first, by path."""

    table: Path
    columns: Columns
    files: NamedFiles
    may_leave: bool
    splits: dict[str, list[Item]] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    missing: list[tuple[int, str]] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)


def is_manifest(table: Path, columns: tuple[str, str] = COLUMNS) -> bool:
    """Whether a CSV file's first row has the very columns of a manifest."""
    try:
        return set(columns) <= set(_read_rows(table, limit=1)[0])
    except DataError:
        return False


def guess_manifest(table: Path) -> str:
    """`labels` or `masks`, whichever a table gives to images that are there; "" where it does not."""
    try:
        header, *rows = _read_rows(table, limit=ROWS_LOOKED_AT)
        columns = find_columns(header, rows)
        cells = [row[columns.image] for row in rows if len(row) == len(header)]
        files = NamedFiles(table.parent)
        is_there = any(map(files.find, cells)) or any(map(files.locate, cells[:1]))
    except DataError:
        return ""
    return ("masks" if columns.has_masks else "labels") if is_there else ""


def read_manifest(
    table: Path, columns: tuple[str, str] = COLUMNS, may_leave: bool = False, notes: list[Note] | None = None
) -> dict[str, list[Item]]:
    """Items by split; all are `train` where no column tells it.

    columns: COLUMNS or MASK_COLUMNS, the kind of the table; others of the same meaning do as well. may_leave: whether
    paths may lead out of the file's folder. notes: takes what was guessed.
    Raises DataError: not UTF-8, no such column; UnusableRows: too few or many fields, an empty label, an unknown split,
    an image that does not exist, that two rows name, or that lies outside the file's folder.
    """
    header, *rows = _read_rows(table)
    rows = [*rows]
    try:
        found = find_columns(header, [row for row in rows if row], "masks" if columns == MASK_COLUMNS else "labels")
    except DataError as error:
        raise DataError(f"Manifest {str(table)!r} {error}") from None
    told = [Note(note) for note in found.notes]
    reading = _read_all(_Reading(table, found, NamedFiles(table.parent), may_leave), header, rows)
    cells = [row[each] for row in rows if len(row) == len(header) for each in _file_columns(found) if row[each].strip()]
    if len(reading.missing) == sum(map(bool, rows)) and len(folders := reading.files.find_folder(cells)) == 1:
        told.append(Note(f"Its paths are relative to the folder {folders[0].relative_to(table.parent).as_posix()!r}."))
        reading = _read_all(_Reading(table, found, NamedFiles(folders[0]), may_leave), header, rows)
    if reading.unlabelled:
        some = f"{count_of(len(reading.unlabelled), 'row')} of test without a label"
        told.append(Note(f"Passed over: {some} ({quote_some(reading.unlabelled, 1)}).", tuple(reading.unlabelled)))
    if near := reading.files.near:
        where = os.path.relpath(near[0][1], table.parent).replace(os.sep, "/")
        told.append(
            Note(f"{count_of(len(near), 'file')} found nearly as written, such as {where!r} for {near[0][0]!r}.")
        )
    if notes is not None:
        notes += told
    if reading.reasons:
        message = _describe_missing(reading, sum(map(bool, rows))) if reading.missing else reading.reasons[0]
        if len(reading.reasons) > max(1, len(reading.missing)):
            message = f"{len(reading.reasons):,} rows of {str(table)!r} cannot be used, for example: {message}"
        raise UnusableRows(message, reading.reasons, reading.splits)
    return reading.splits


def _file_columns(columns: Columns) -> tuple[int, ...]:
    return (columns.image, columns.target) if columns.has_masks else (columns.image,)


def _describe_missing(reading: _Reading, total: int) -> str:
    (number, cell), table = reading.missing[0], str(reading.table)
    place = reading.files.locate(cell)
    where = f"; a file of that name lies at {place!r}" if place else ""
    what = f"Manifest {table!r}, row {number}: there is no image {cell!r}"
    if len(reading.missing) > 1:
        count = f"{len(reading.missing):,} of {total:,} rows of manifest {table!r}"
        what = f"{count} name files that do not exist, such as {cell!r} in row {number}"
    return f"{what}{where}; paths are relative to the manifest's folder."


def write_manifest(table: Path, splits: Mapping[str, Sequence[Item]]) -> None:
    """Writes what `read_manifest` reads back. Raises DataError where an image is not below the file's folder."""
    rows = []
    for split, items in splits.items():
        for item in items:
            target = _from_folder(item.target, table) if isinstance(item.target, Path) else str(item.target)
            rows.append((_from_folder(item.path, table), target, split))
    has_masks = any(isinstance(item.target, Path) for items in splits.values() for item in items)
    write_csv(table, (*(MASK_COLUMNS if has_masks else COLUMNS), "split"), rows)


def _from_folder(path: Path, table: Path) -> str:
    relative = os.path.relpath(path, table.absolute().parent)
    if Path(relative).parts[:1] == ("..",):
        raise DataError(f"A manifest must lie above all its images: {str(table)!r} does not lie above {str(path)!r}.")
    return relative.replace(os.sep, "/")


def _read_all(reading: _Reading, header: list[str], rows: Sequence[list[str]]) -> _Reading:
    for number, fields in enumerate(rows, start=2):
        if not fields:
            continue
        try:
            _read_row(reading, header, fields, number)
        except _Missing as error:
            reading.missing.append((number, str(error)))
            reading.reasons.append(f"Manifest {str(reading.table)!r}, row {number}: there is no image {str(error)!r}.")
        except DataError as error:
            reading.reasons.append(f"Manifest {str(reading.table)!r}, row {number}: {error}")
    return reading


def _read_row(reading: _Reading, header: list[str], fields: list[str], number: int) -> None:
    """Adds the row's item, or raises DataError with what is wrong with it."""
    if len(fields) != len(header):
        raise DataError(f"{len(fields)} fields where the first row has {len(header)}; quote names with commas.")
    columns = reading.columns
    cell, target = fields[columns.image], fields[columns.target].strip()
    split = columns.name_split(fields)
    if not split:
        named = " and ".join(repr(fields[position]) for _, position in columns.splits)
        raise DataError(f"split {named} should be train, val or test.")
    if not target and split == "test":
        reading.unlabelled.append(cell)
        return
    path, *masks = (
        _find(reading, written) for written in ((cell, target) if columns.has_masks and target else (cell,))
    )
    key = os.path.relpath(path, reading.table.parent).replace(os.sep, "/")
    if not target:
        raise DataError(f"{key!r} has no {'mask' if columns.has_masks else 'label'}; add one or remove the row.")
    if reading.lines.setdefault(path, number) != number:
        raise DataError(f"{key!r} already stands in row {reading.lines[path]}; remove one of them.")
    item = Item(key, path, masks[0] if columns.has_masks else target)
    reading.splits.setdefault(split, []).append(item)


def _find(reading: _Reading, cell: str) -> Path:
    """The file. Raises _Missing where there is none, and DataError for what leads out."""
    folder = reading.table.parent
    leaves = Path(os.path.relpath(os.path.normpath(folder / cell), folder)).parts[:1] == ("..",)
    if leaves and not reading.may_leave:
        raise DataError(
            f"{cell!r} leads out of the folder in which the manifest was found; to read it all the same, name the CSV "
            "file itself with --data."
        )
    path = reading.files.find(cell)
    if path is None:
        raise _Missing(cell)
    return path


def _read_rows(table: Path, limit: int | None = None) -> list[list[str]]:
    """The first rows, or all; the first of them is the header, without blanks around its names."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = list(islice(csv.reader(file, strict=True, delimiter=_guess_delimiter(first)), limit))
    except UnicodeDecodeError:
        raise DataError(f"Manifest {str(table)!r} is not in UTF-8; save it as such.") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"Manifest {str(table)!r} cannot be read as CSV: {error}.") from None
    if not rows:
        raise DataError(f"Manifest {str(table)!r} is empty; its first row should read path,label.")
    if rows[0] and rows[0][0].startswith("version https://git-lfs"):
        raise DataError(f"Manifest {str(table)!r} is a Git LFS pointer, not the file: run `git lfs pull`.")
    return [[name.strip() for name in rows[0]], *rows[1:]]


def _guess_delimiter(first: str) -> str:
    """The one that makes most fields of the first row; a comma in doubt."""
    return max(DELIMITERS, key=first.count) if any(map(first.count, DELIMITERS)) else ","

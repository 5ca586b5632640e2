"""Manifests: CSV files with a picture a row, `path,label[,split]` or `image,mask[,split]`.

Paths are relative to the file's folder.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from finesight.data.sample import Item
from finesight.data.splits import split_name
from finesight.errors import DataError
from finesight.run import write_csv

NUM_LISTED = 20  # rows an error names
COLUMNS = ("path", "label")
MASK_COLUMNS = ("image", "mask")


class UnusableRows(DataError):
    """Rows that cannot be used. reasons: a sentence each; splits: the items of all other rows."""

    def __init__(self, reasons: list[str], splits: dict[str, list[Item]]) -> None:
        more = [f"and {len(reasons) - NUM_LISTED:,} more rows"] if len(reasons) > NUM_LISTED else []
        super().__init__("\n  ".join([*reasons[:NUM_LISTED], *more]))
        self.reasons = reasons
        self.splits = splits


def is_manifest(table: Path, columns: tuple[str, str] = COLUMNS) -> bool:
    """Whether a CSV file's first row has the columns of a manifest."""
    try:
        return set(columns) <= set(_read_rows(table, limit=1)[0])
    except DataError:
        return False


def read_manifest(table: Path, columns: tuple[str, str] = COLUMNS) -> dict[str, list[Item]]:
    """Items by split; all are `train` without a column `split`. Columns of other names are passed over.

    columns: those of the picture and of its target.

    Raises DataError: not UTF-8, no such column; UnusableRows: too few or many fields, an empty label, an unknown split,
    a picture that does not exist, that two rows name, or that lies outside the file's folder.
    """
    header, *rows = _read_rows(table)
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            f"Manifest {str(table)!r} has no column {missing[0]!r}; its first row reads {','.join(header)!r}."
        )
    if any(header.count(column) > 1 for column in (*columns, "split")):
        raise DataError(f"Manifest {str(table)!r} has a column twice; its first row reads {','.join(header)!r}.")
    splits: dict[str, list[Item]] = {}
    seen: dict[str, int] = {}
    reasons: list[str] = []
    for number, fields in enumerate(rows, start=2):
        if not fields:
            continue
        where = f"Manifest {str(table)!r}, row {number}"
        try:
            split, item = _read_row(header, fields, table.parent, columns, where)
            if seen.setdefault(item.key, number) != number:
                raise DataError(f"{where}: {item.key!r} already stands in row {seen[item.key]}; remove one of them.")
        except DataError as error:
            reasons.append(str(error))
            continue
        splits.setdefault(split, []).append(item)
    if reasons:
        raise UnusableRows(reasons, splits)
    return splits


def write_manifest(table: Path, splits: Mapping[str, Sequence[Item]]) -> None:
    """Writes what `read_manifest` reads back. Raises DataError where a picture is not below the file's folder."""
    rows = []
    for split, items in splits.items():
        for item in items:
            target = str(item.label) if item.mask is None else _from_folder(item.mask, table)
            rows.append((_from_folder(item.path, table), target, split))
    has_masks = any(item.mask for items in splits.values() for item in items)
    write_csv(table, (*(MASK_COLUMNS if has_masks else COLUMNS), "split"), rows)


def _from_folder(path: Path, table: Path) -> str:
    relative = os.path.relpath(path, table.absolute().parent)
    if Path(relative).parts[:1] == ("..",):
        raise DataError(f"A manifest must lie above all its pictures: {str(table)!r} does not lie above {str(path)!r}.")
    return relative.replace(os.sep, "/")


def _read_row(
    header: list[str], fields: list[str], folder: Path, columns: tuple[str, str], where: str
) -> tuple[str, Item]:
    """(split, item)."""
    if len(fields) != len(header):
        raise DataError(
            f"{where}: {len(fields)} fields where the first row has {len(header)}; quote names with commas."
        )
    row = dict(zip(header, fields, strict=True))
    key = _key(row[columns[0]], folder, where)
    target = row[columns[1]].strip()
    if not target:
        raise DataError(f"{where}: {key!r} has no {columns[1]}; add one or remove the row.")
    split = split_name(row.get("split", "train").strip())
    if not split:
        raise DataError(f"{where}: split {row['split']!r} should be train, val or test.")
    return split, _item(key, target, folder, columns, where)


def _item(key: str, target: str, folder: Path, columns: tuple[str, str], where: str) -> Item:
    if columns == MASK_COLUMNS:
        return Item(key, folder / key, mask=folder / _key(target, folder, where))
    return Item(key, folder / key, target)


def _key(path: str, folder: Path, where: str) -> str:
    """The path relative to the folder, `/`-separated; refuses what leads out of it or does not exist."""
    relative = os.path.relpath(os.path.normpath(folder / path), folder)
    if Path(relative).parts[:1] == ("..",):
        raise DataError(f"{where}: {path!r} leads out of the manifest's folder; put the CSV above all its pictures.")
    if not path or not _is_file(folder / relative):
        raise DataError(f"{where}: there is no picture {path!r}; paths are relative to the manifest's folder.")
    return relative.replace(os.sep, "/")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than a name can be
        return False


def _read_rows(table: Path, limit: int | None = None) -> list[list[str]]:
    """The first rows, or all; the first of them is the header, without blanks around its names."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(islice(csv.reader(file, strict=True), limit))
    except UnicodeDecodeError:
        raise DataError(f"Manifest {str(table)!r} is not in UTF-8; save it as such.") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"Manifest {str(table)!r} cannot be read as CSV: {error}.") from None
    if not rows:
        raise DataError(f"Manifest {str(table)!r} is empty; its first row should read path,label.")
    return [[name.strip() for name in rows[0]], *rows[1:]]

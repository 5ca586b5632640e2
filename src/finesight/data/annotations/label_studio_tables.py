"""Label Studio's exports CSV and TSV: the records of JSON-MIN, whose lists and objects are JSON in a cell.

Form: csv2.py of HumanSignal/label-studio-sdk.
"""

import csv
import json
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from finesight.errors import DataError

SUFFIXES = (".csv", ".tsv")
COLUMNS = frozenset(("annotation_id", "lead_time"))  # that every export has
DELIMITERS = ",;\t"
JSON = ('[{"', '{"')  # what the cells of regions and of several choices begin with
START = 1 << 16  # characters of the header that are looked at
MOST_CHARACTERS = 1 << 30  # of a cell: a brush is long


def is_label_studio_table(path: Path) -> bool:
    """By the first row."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(START)
        return set(next(csv.reader([first], delimiter=_find_delimiter(first)), ())) >= COLUMNS
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def read_label_studio_table(path: Path) -> list[dict[str, Any]]:
    """A record a row, without empty cells but for those of COLUMNS. Raises DataError."""
    try:
        header, *rest = _read_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{str(path)!r} cannot be read as CSV: {error}.") from None
    return [_read_record(header, row, f"{str(path)!r}, row {number}") for number, row in enumerate(rest, start=2)]


def _read_record(header: list[str], row: list[Any], where: str) -> dict[str, Any]:
    if len(row) != len(header):
        raise DataError(f"{where}: it has not as many cells as the header; export it again.")
    record = {}
    for name, cell in zip(header, row, strict=True):
        try:
            if cell != "" or name in COLUMNS:
                record[name] = _read_cell(cell)
        except DataError as error:
            raise DataError(f"{where}: {name!r} {error}.") from None
    return record


def _read_rows(path: Path) -> list[list[Any]]:
    """Cells as text; numbers where the tool wrote the file, as it quotes all else."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read()
    delimiter = _find_delimiter(text.partition("\n")[0])
    before = csv.field_size_limit(MOST_CHARACTERS)
    try:
        with suppress(ValueError):  # a spreadsheet wrote it
            return [row for row in csv.reader(StringIO(text), delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC) if row]
        return [row for row in csv.reader(StringIO(text), delimiter=delimiter) if row]
    finally:
        csv.field_size_limit(before)


def _find_delimiter(first: str) -> str:
    return max(DELIMITERS, key=first.count)


def _read_cell(cell: Any) -> Any:
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else cell
    try:
        return json.loads(cell) if cell.startswith(JSON) else cell
    except (ValueError, RecursionError):
        raise DataError("is not whole JSON, as spreadsheets cut long cells: export it again") from None

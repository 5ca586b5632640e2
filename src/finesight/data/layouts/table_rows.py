"""Tables as rows of text, whatever file they are in: CSV, or lines of JSON as Hugging Face's metadata.jsonl."""

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from finesight.errors import DataError

DELIMITERS = ",;\t|"
JSON_LINES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".tab", *JSON_LINES))
LISTED = "\x1f"  # between the values of a JSON list in one cell: no name holds a unit separator


def read_rows(table: Path, limit: int | None = None) -> list[list[str]]:
    """The first rows, or all; the first of them is the header, without blanks around its names."""
    is_json = table.suffix.lower() in JSON_LINES
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            if first.startswith("version https://git-lfs"):
                raise DataError(f"Manifest {str(table)!r} is a Git LFS pointer, not the file: run `git lfs pull`.")
            if is_json:
                return _align(list(islice(_read_objects(file, table), limit)), table)
            delimiter = max(DELIMITERS, key=first.count)  # the comma, where there is none
            rows = list(islice(csv.reader(file, strict=True, delimiter=delimiter), limit))
    except UnicodeDecodeError:
        raise DataError(f"Manifest {str(table)!r} is not in UTF-8; save it as UTF-8.") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"Manifest {str(table)!r} cannot be read as CSV: {error}.") from None
    if not rows:
        raise DataError(f"Manifest {str(table)!r} is empty; its first row should read path,label.")
    return [[name.strip() for name in rows[0]], *rows[1:]]


def first_row(table: Path) -> int:
    """The number by which people call the first row after the header: lines of JSON have none."""
    return 1 if table.suffix.lower() in JSON_LINES else 2


def _read_objects(lines: Iterator[str], table: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"Manifest {str(table)!r}, row {number}: it is not JSON ({error}).") from None
        if not isinstance(value, dict):
            where = f"Manifest {str(table)!r}, row {number}"
            raise DataError(f'{where}: it should be an object such as {{"file_name": "1.png", "label": "fox"}}.')
        yield value


def _align(objects: Sequence[dict[str, Any]], table: Path) -> list[list[str]]:
    """A header of all keys, in the order in which they are met first, and a row an object; "" for what it lacks."""
    header = list(dict.fromkeys(key for each in objects for key in each))
    if not header:
        raise DataError(f"Manifest {str(table)!r} is empty; its first row should hold file_name and label.")
    return [[name.strip() for name in header], *([spell(each.get(name)) for name in header] for each in objects)]


def spell(value: Any) -> str:
    """A cell's text of a JSON value. Those of a list are separated by LISTED."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
        return LISTED.join(spell(each).replace(LISTED, " ") for each in value)
    return json.dumps(value, ensure_ascii=False)

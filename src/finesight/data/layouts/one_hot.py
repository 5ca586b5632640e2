"""Tables with a column of 0 and 1 for each class: one label an image where every row has exactly one 1."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from finesight.data.layouts.columns import IMAGE_NAMES, YES, Columns, find_column, find_splits, is_flag
from finesight.data.leftovers import quote_some
from finesight.data.sample import Target
from finesight.errors import DataError


@dataclass(frozen=True)
class FlagColumns(Columns):
    """flags: position and class of each column of 0 and 1. one_each: whether a row has to have exactly one 1."""

    flags: tuple[tuple[int, str], ...] = ()
    one_each: bool = False

    def read_target(self, row: Sequence[str]) -> Target:
        """Raises DataError where a row has not the one label it should have."""
        labels = tuple(name for position, name in self.flags if row[position].strip().lower() in YES)
        if not self.one_each:
            return labels
        if len(labels) > 1:
            raise DataError(
                f"{quote_some(labels)} are all 1 where other rows have one class; for images of several classes give "
                "--format multilabel_manifest."
            )
        return labels[0] if labels else None


def find_flags(header: Sequence[str], rows: Sequence[Sequence[str]], used: Collection[int]) -> list[tuple[int, str]]:
    """Positions and names of the columns that hold 0 and 1 in every row, but for those used otherwise."""
    left = [each for each in range(len(header)) if each not in used and header[each]]
    return [(each, header[each]) for each in left if is_flag(rows, each)]


def find_flag_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> FlagColumns | None:
    """None for a table without an image column, or with fewer than two columns of 0 and 1."""
    plain = [re.sub(r"[\s_.-]+", "", name.lower()) for name in header]
    whole = [row for row in rows if len(row) == len(header)]
    image = find_column(header, plain, IMAGE_NAMES, ())
    if image is None or not whole:
        return None
    splits, notes = find_splits(header, plain, rows, (image,))
    used = (image, *(position for _, position in splits))
    flags = find_flags(header, whole, used)
    if len(flags) < 2:
        return None
    if others := [name for each, name in enumerate(header) if each not in used and (each, name) not in flags]:
        notes.append(f"Columns that are not 0 or 1 in every row are not used: {quote_some(others)}.")
    return FlagColumns(image, image, "labels", splits, tuple(notes), flags=tuple(flags))


def find_one_label(header: Sequence[str], rows: Sequence[Sequence[str]]) -> FlagColumns:
    """Those of a table whose every row has a 1 in exactly one column. Raises DataError."""
    columns = find_flag_columns(header, rows)
    if columns is None or not is_one_each(columns, header, rows):
        raise DataError("has no column of 0 and 1 for each class, with exactly one 1 in each row.")
    classes = quote_some([name for _, name in columns.flags])
    note = f"Every row has one 1 in the columns {classes}: one label an image (--format multilabel_manifest: several)."
    return replace(columns, one_each=True, notes=(note, *columns.notes))


def is_one_each(columns: FlagColumns, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether every row has exactly one 1."""
    whole = [row for row in rows if len(row) == len(header)]
    return all(sum(row[each].strip().lower() in YES for each, _ in columns.flags) == 1 for row in whole)

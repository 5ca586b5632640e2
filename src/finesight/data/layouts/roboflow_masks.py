"""Roboflow's export of semantic masks: `x.jpg` and `x_mask.png` in a split's folder, `_classes.csv` with the values."""

from pathlib import Path

from finesight.data.annotations.drawn_masks import ValueMask
from finesight.data.layouts.annotated import convert_splits
from finesight.data.layouts.pair_layouts import fits_pairs, read_pairs
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.layouts.table_rows import read_rows
from finesight.errors import DataError

TABLE = "_classes.csv"
HEADER = ["pixel value", "class"]


def fits_roboflow_masks(survey: Survey) -> bool:
    return any(_is_table(path) for path in _list_tables(survey)) and fits_pairs(survey, "mask_suffix")


def _list_tables(survey: Survey) -> list[Path]:
    below = [survey.root / key for key in survey.others if key.rpartition("/")[2] == TABLE]
    return [*below, *(table for table in survey.tables if table.name == TABLE)]


def _is_table(path: Path) -> bool:
    try:
        return [cell.lower() for cell in read_rows(path, limit=1)[0]] == HEADER
    except DataError:
        return False


def read_roboflow_masks(survey: Survey) -> Splits:
    """Each split has a table of its own, which may number the classes in another way."""
    tables = {path.parent: _read_table(path) for path in _list_tables(survey) if _is_table(path)}
    if not tables:
        raise DataError(f"{str(survey.root)!r} holds no {TABLE} with the columns Pixel Value, Class.")
    only = next(iter(tables.values()))
    images = {
        split: [
            ValueMask(item.key, item.path, item.target, tables.get(item.target.parent, only))
            for item in items
            if isinstance(item.target, Path)
        ]
        for split, items in read_pairs(survey, "mask_suffix").items()
    }
    names = dict.fromkeys(name for table in tables.values() for _, name in sorted(table.items()))
    return convert_splits(survey, images, list(names), [])


def _read_table(path: Path) -> dict[int, str]:
    """Class by value."""
    _, *rows = read_rows(path)
    try:
        return {int(value): name.strip() for value, name in (row for row in rows if row)}
    except ValueError:
        raise DataError(f"{str(path)!r} should hold a whole number and a class in each row.") from None

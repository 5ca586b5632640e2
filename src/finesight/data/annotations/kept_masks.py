"""Masks that lie in the cache, copied beside a table that lists them: they name their classes wherever they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from finesight.cache import cache_folder
from finesight.data.leftovers import CLAIM
from finesight.data.sample import Item
from finesight.errors import DataError
from finesight.run.files import write_atomically

Splits = dict[str, tuple[Item, ...]]


def keep_masks(splits: Mapping[str, Sequence[Item]], table: Path) -> Splits:
    """Items whose masks lie in `NAME_masks` beside `NAME.csv`, where they lay in the cache; all others as they are.

    Raises DataError where that folder holds anything else, OSError where it cannot be written.
    """
    folder, drawn = table.absolute().with_name(f"{table.stem}_masks"), cache_folder().absolute()
    if not any(_is_below(item, drawn) for items in splits.values() for item in items):
        return {split: tuple(items) for split, items in splits.items()}
    if folder.exists() and not (folder / CLAIM).is_file():
        raise DataError(f"Masks drawn from annotations go to {folder}, which exists already: name another --split.")
    write_atomically(folder / CLAIM, json.dumps({"made_by": "finesight inspect --split"}).encode())
    return {
        split: tuple(_keep(item, folder) if _is_below(item, drawn) else item for item in items)
        for split, items in splits.items()
    }


def _is_below(item: Item, folder: Path) -> bool:
    return isinstance(item.target, Path) and item.target.is_relative_to(folder)


def _keep(item: Item, folder: Path) -> Item:
    assert isinstance(item.target, Path)
    mask = folder / f"{item.key}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    mask.write_bytes(item.target.read_bytes())
    return replace(item, target=mask)

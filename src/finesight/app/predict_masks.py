"""Predict masks: a folder of pictures in, a folder of mask files out."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finesight.classes import ClassList
from finesight.data.formats import list_unmasked
from finesight.data.mask_files import encode_colours, encode_overlay, encode_values
from finesight.data.pairs import mask_name
from finesight.data.pictures import UnreadablePicture, map_in_threads, read_picture
from finesight.data.sample import Item
from finesight.engine.device import Machine
from finesight.engine.restore import restore_model
from finesight.engine.tiles import predict_mask
from finesight.errors import ConfigError, DataError
from finesight.progress import progress_bar
from finesight.run import RunFolder, write_atomically


def predict_masks(
    run: str | Path,
    pictures: str | Path,
    *,
    out: str | Path = "masks",
    index: bool = False,
    overlay: str | Path = "",
    tta: bool = False,
) -> dict[str, Any]:
    """Segments every picture under a folder; each mask has its picture's size and name.

    `7_sat.jpg` becomes `7_mask.png`, `7.jpg` becomes `7.png`. Masks that lie beside the pictures are passed over.
    index: grey masks of class values, not colours. overlay: folder for pictures under their masks.
    tta: mean over flips and quarter turns, eight times as slow.
    Returns `out`, `num_samples` and `unreadable`: the pictures that could not be read, as [key, reason].
    """
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    items = list_unmasked(pictures)
    _refuse_collisions(items, Path(out))
    machine = Machine.resolve_here(settings.machine)
    machine.place(model.network)
    unreadable: list[tuple[str, str]] = []
    num_samples = 0
    with progress_bar("Predicting", len(items), "images") as bar:
        for item, picture in map_in_threads(_read, items, workers=min(2, os.cpu_count() or 1), chunk=1):
            if isinstance(picture, str):
                unreadable.append((item.key, picture))
            else:
                mask = predict_mask(model, picture, machine, tta)
                _write(item.key, picture, mask, classes, Path(out), index, Path(overlay) if overlay else None)
                num_samples += 1
            bar.advance()
    if not num_samples:
        key, reason = unreadable[0]
        raise DataError(f"None of the {len(items)} pictures under {pictures} could be read: {key!r} {reason}.")
    return {"out": str(out), "num_samples": num_samples, "unreadable": unreadable}


def _read(item: Item) -> tuple[Item, np.ndarray | str]:
    try:
        return item, read_picture(item.path, item.key)
    except UnreadablePicture as error:
        return item, error.reason


def _write(
    key: str, picture: np.ndarray, mask: np.ndarray, classes: ClassList, out: Path, index: bool, overlay: Path | None
) -> None:
    name = mask_name(key)
    try:
        write_atomically(out / name, encode_values(mask, classes) if index else encode_colours(mask, classes))
        if overlay:
            write_atomically((overlay / name).with_suffix(".jpg"), encode_overlay(mask, picture, classes))
    except OSError as error:
        raise ConfigError(f"{out / name} cannot be written: {error.strerror}. Name another --out.") from None


def _refuse_collisions(items: Sequence[Item], out: Path) -> None:
    """Two pictures with one mask's name, or masks in the place of pictures."""
    names = Counter(mask_name(item.key) for item in items)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise DataError(f"{count} pictures would have the mask {name!r}; rename or move all but one.")
    paths = {item.path.resolve() for item in items}
    if any((out / name).resolve() in paths for name in names):
        raise ConfigError(f"Masks in {out} would overwrite the pictures themselves; name another --out.")

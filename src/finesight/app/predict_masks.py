"""Predict masks: a folder of images in, a folder of mask files out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from finesight import distributed
from finesight.app.continuation import (
    Unreadable,
    claim,
    divide,
    gather_unreadable,
    identify,
    last_change,
    refuse_nothing,
    stopped,
)
from finesight.app.preparation import say_reading
from finesight.app.run_masks import read_mask_rule
from finesight.backend.interrupt import StopRequest
from finesight.classes import ClassList
from finesight.config import PixelScale
from finesight.data.formats import list_unmasked
from finesight.data.images.image import IMAGE_SUFFIXES, UnreadableImage, image_sizes, read_image
from finesight.data.layouts.mask_names import mask_name
from finesight.data.leftovers import CLAIM
from finesight.data.loader import batch_by_size
from finesight.data.masks.files import encode_colours, encode_overlay, encode_values
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import ConfigError, DataError
from finesight.inference.predictor import Predictor, evaluation_batch, segment
from finesight.inference.restore import restore_model
from finesight.progress import progress_bar
from finesight.run.files import write_atomically
from finesight.run.folder import RunFolder

Image = tuple[Item, np.ndarray]  # uint8 (h, w, 3)
Predicted = tuple[str, np.ndarray, np.ndarray]  # key, image uint8 (h, w, 3), mask uint8 (h, w)


def predict_masks(
    run: str | Path,
    images: str | Path,
    *,
    out: str | Path = "masks",
    index: bool = False,
    overlay: str | Path = "",
    tta: bool = False,
) -> dict[str, Any]:
    """Segments every image under a folder; each mask has its image's size and name.

    `7_sat.jpg` becomes `7_mask.png`, `7.jpg` becomes `7.png`. Masks that lie beside the images are passed over.
    index: grey masks of class values as in the run's own masks, not colours. overlay: folder for images under their
    masks.
    tta: mean over the flips and turns of training, up to eight times as slow.
    Masks that the same command wrote before are kept, so that it goes on after a stop, with any number of ranks.
    Returns `out`, `num_samples` and `unreadable`: the images that could not be read, as [key, reason].
    """
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    items, rule = list_unmasked(images), read_mask_rule(folder)
    out, over = Path(out), Path(overlay) if overlay else None
    _refuse_collisions(items, out)
    say_reading(items, model.preprocessing)

    def find_done() -> set[str]:
        return _find_done(items, out, over, identify(folder, images, index=index, tta=tta))

    left = divide(items, distributed.broadcast_result(find_done))
    predictor = Predictor.here(model, settings, tta)
    unreadable: Unreadable = []

    def predict_left() -> Iterator[Predicted]:
        sizes = [size or (0, 0) for size in image_sizes(left)]
        batches = batch_by_size(sizes, evaluation_batch(settings))
        for some in _read_batches(left, batches, unreadable, model.preprocessing.scale):
            masks = segment(predictor, [image for _, image in some])
            yield from ((item.key, image, mask) for (item, image), mask in zip(some, masks, strict=True))
            bar.advance(len(some))
            if stop.signal:
                return
        bar.advance(len(unreadable))

    def write(predicted: Predicted) -> None:
        _write(*predicted, classes, rule, out, index, over)

    with StopRequest() as stop, progress_bar("Predicting", len(left), "images") as bar:
        for _ in map_in_threads(write, predict_left(), workers=1, chunk=1):
            """One mask is encoded and written while the network looks at the next image."""
    if stop.signal:
        raise stopped(stop.signal)
    unreadable = gather_unreadable(unreadable, items)
    refuse_nothing(images, items, unreadable)
    return {"out": str(out), "num_samples": len(items) - len(unreadable), "unreadable": unreadable}


def _find_done(items: Sequence[Item], out: Path, overlay: Path | None, identity: dict[str, object]) -> set[str]:
    """Keys whose files are there and no older than the image. Raises ConfigError where they are of something else."""

    def is_done(item: Item) -> bool:
        name = mask_name(item.key)
        if item.path.suffix.lower() not in IMAGE_SUFFIXES:  # 7.heic is not read, though 7.jpg may have made 7.png
            return False
        files = [out / name, *([(overlay / name).with_suffix(".jpg")] if overlay else [])]
        return all(file.exists() and file.stat().st_mtime_ns >= last_change(item) for file in files)

    if not (out / CLAIM).exists():
        strange = [name for item in items if (out / (name := mask_name(item.key))).exists()]
        if strange:
            raise ConfigError(f"{out} holds {strange[0]!r}, which this command did not write; name another --out.")
    try:
        claim(out, identity)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    return {item.key for item in items if is_done(item)}


def _read_batches(
    items: Sequence[Item], batches: Sequence[Sequence[int]], unreadable: Unreadable, scale: PixelScale | None
) -> Iterator[list[Image]]:
    """Images of one size at a time. What cannot be read is added to `unreadable`."""
    order = [items[index] for batch in batches for index in batch]
    images = map_in_threads(partial(_read, scale), order, workers=min(2, distributed.num_cores()), chunk=1)
    for batch in batches:
        some: list[Image] = []
        for item, image in islice(images, len(batch)):
            if isinstance(image, str):
                unreadable.append((item.key, image))
            else:
                some.append((item, image))
        for _, group in groupby(some, key=lambda pair: pair[1].shape):
            yield list(group)


def _read(scale: PixelScale | None, item: Item) -> tuple[Item, np.ndarray | str]:
    try:
        return item, read_image(item.path, item.key, scale=scale)
    except UnreadableImage as error:
        return item, error.reason


def _write(
    key: str,
    image: np.ndarray,
    mask: np.ndarray,
    classes: ClassList,
    rule: MaskRule | None,
    out: Path,
    index: bool,
    overlay: Path | None,
) -> None:
    name = mask_name(key)
    try:
        write_atomically(out / name, encode_values(mask, classes, rule) if index else encode_colours(mask, classes))
        if overlay:
            write_atomically((overlay / name).with_suffix(".jpg"), encode_overlay(mask, image, classes))
    except OSError as error:
        raise ConfigError(f"{out / name} cannot be written: {error.strerror}. Name another --out.") from None


def _refuse_collisions(items: Sequence[Item], out: Path) -> None:
    """Two images with one mask's name, or masks in the place of images."""
    names = Counter(mask_name(item.key) for item in items if item.path.suffix.lower() in IMAGE_SUFFIXES)
    name, count = next(iter(names.most_common(1)), ("", 0))
    if count > 1:
        raise DataError(f"{count} images would have the mask {name!r}; rename or move all but one.")
    paths = {item.path.resolve() for item in items}
    if any((out / name).resolve() in paths for name in names):
        raise ConfigError(f"Masks in {out} would overwrite the images themselves; name another --out.")

"""Predictions of a segmenter: a folder of mask files."""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.classes import ClassList
from finesight.config import Preprocessing
from finesight.data.batches import batch_by_size
from finesight.data.image_stream import count_ahead
from finesight.data.images.image import IMAGE_SUFFIXES, UnreadableImage, fit_image, image_sizes, read_fitted, read_image
from finesight.data.layouts.names import mask_name
from finesight.data.leftovers import CLAIM
from finesight.data.masks.encoding import encode_colours, encode_overlay, encode_values
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import ConfigError, DataError
from finesight.inference.continuation import claim, divide, gather_unreadable, identify, last_change, stopped
from finesight.inference.network import ImageGroup, Network, PendingMask
from finesight.progress import progress_bar
from finesight.run.files import write_atomically
from finesight.run.results import Unreadable
from finesight.tasks.prediction import PredictRequest
from finesight.tasks.segmentation.mask_targets import read_mask_rule

IGNORES_CASE = sys.platform in ("win32", "darwin")  # by default, the file system: A.png is a.png


@dataclass(frozen=True)
class Image:
    """size: its own (height, width). fitted: uint8 (h, w, 3), as the network takes it. whole: where it is needed."""

    item: Item
    size: tuple[int, int]
    fitted: np.ndarray
    whole: np.ndarray | None = None


def predict(request: PredictRequest) -> Unreadable:
    """A mask of each image's size and name: `7_sat.jpg` becomes `7_mask.png`, `7.jpg` becomes `7.png`.

    Masks that the same command wrote before are kept.
    """
    run, options, network, items, out = request.run, request.options, request.network, request.items, request.out
    classes, rule, overlay = run.read_classes(), read_mask_rule(run), Path(options.overlay) if options.overlay else None
    _refuse_collisions(items, out)

    def find_done() -> set[str]:
        return _find_done(
            items,
            out,
            overlay,
            identify(run, request.images, engine=network.engine_name, index=options.index, tta=options.tta),
        )

    left = divide(items, distributed.broadcast_result(find_done))
    unreadable: Unreadable = []
    taken = deque[Image]()

    def read_left() -> Iterator[ImageGroup]:
        for some in _read_batches(left, network, unreadable, keep_whole=overlay is not None):
            taken.extend(some)
            yield [image.fitted for image in some], some[0].size
            if stop.signal:
                return

    def predict_left() -> Iterator[tuple[Image, PendingMask]]:
        for pending in network.start_masks(read_left()):
            yield taken.popleft(), pending
            bar.advance()
        bar.advance(len(unreadable))

    def write(predicted: tuple[Image, PendingMask]) -> None:
        image, pending = predicted
        _write(image, pending(), classes, rule, out, options.index, overlay)

    with StopRequest() as stop, progress_bar("Predicting", len(left), "images") as bar:
        for _ in map_in_threads(write, predict_left(), workers=min(2, distributed.num_cores()), chunk=1):
            """Masks are decided, encoded and written while the model predicts the next."""
    if stop.signal:
        raise stopped(stop.signal)
    return gather_unreadable(unreadable, items)


def _find_done(items: Sequence[Item], out: Path, overlay: Path | None, identity: dict[str, object]) -> set[str]:
    """Keys whose files are there and no older than the image. Raises ConfigError where they are of something else."""

    def is_done(item: Item) -> bool:
        name = mask_name(item.key)
        if item.path.suffix.lower() not in IMAGE_SUFFIXES:  # 7.cr2 is not read, though 7.jpg may have made 7.png
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
    items: Sequence[Item], network: Network, unreadable: Unreadable, keep_whole: bool
) -> Iterator[list[Image]]:
    """Images of one size at a time. What cannot be read is added to `unreadable`."""
    sizes = list(image_sizes(items))
    batches = batch_by_size([size or (0, 0) for size in sizes], network.batch_size)
    read = partial(_read, network.preprocessing, keep_whole)
    order = ((items[index], sizes[index]) for batch in batches for index in batch)
    ahead = 0 if keep_whole or network.preprocessing.fit == "native" else count_ahead(network.preprocessing.size)
    images = map_in_threads(read, order, workers=min(2, distributed.num_cores()), chunk=1, ahead=ahead)
    for batch in batches:
        some: list[Image] = []
        for image in islice(images, len(batch)):
            if isinstance(image, UnreadableImage):
                unreadable.append((image.key, image.reason))
            else:
                some.append(image)
        for _, group in groupby(some, key=lambda image: image.size):
            yield list(group)


def _read(
    preprocessing: Preprocessing, keep_whole: bool, which: tuple[Item, tuple[int, int] | None]
) -> Image | UnreadableImage:
    """which: an image and its size, None where its header does not tell that."""
    item, size = which
    how = preprocessing.decoded_size(), preprocessing.fit, preprocessing.interpolation
    try:
        if size and not keep_whole and preprocessing.fit != "native":
            return Image(item, size, read_fitted(item.path, item.key, *how, scale=preprocessing.scale))
        whole = read_image(item.path, item.key, scale=preprocessing.scale)
    except UnreadableImage as error:
        return error
    fitted = whole if preprocessing.fit == "native" else fit_image(whole, *how)
    return Image(item, (whole.shape[0], whole.shape[1]), fitted, whole)


def _write(
    image: Image,
    mask: np.ndarray,
    classes: ClassList,
    rule: MaskRule | None,
    out: Path,
    index: bool,
    overlay: Path | None,
) -> None:
    name = mask_name(image.item.key)
    try:
        write_atomically(out / name, encode_values(mask, classes, rule) if index else encode_colours(mask, classes))
        if overlay and image.whole is not None:
            content = encode_overlay(mask, image.whole, classes)
            write_atomically((overlay / name).with_suffix(".jpg"), content)
    except OSError as error:
        raise ConfigError(f"{out / name} cannot be written: {error.strerror}. Name another --out.") from None


def _refuse_collisions(items: Sequence[Item], out: Path) -> None:
    """Two images with one mask's name, or masks in the place of images."""
    names = Counter(mask_name(item.key) for item in items if item.path.suffix.lower() in IMAGE_SUFFIXES)
    files = Counter(map(str.casefold, names.elements())) if IGNORES_CASE else names
    name, count = next(iter(files.most_common(1)), ("", 0))
    if count > 1:
        raise DataError(f"{count} images would have the mask {name!r}; rename or move all but one.")
    paths = {item.path.resolve() for item in items}
    if any((out / name).resolve() in paths for name in names):
        raise ConfigError(f"Masks in {out} would overwrite the images themselves; name another --out.")

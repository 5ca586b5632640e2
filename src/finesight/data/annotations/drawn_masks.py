"""Masks drawn from annotations, once each, as files in the cache folder: everything after that reads masks.

A mask's name holds a digest of all that decides it, so that a changed annotation is drawn again. The masks name their
classes themselves (`masks.named`), as each data set numbers them in its own way.
"""

import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from finesight.cache import cache_folder
from finesight.classes import IGNORE_INDEX, compose
from finesight.data.annotations.drawing import UNANNOTATED, draw
from finesight.data.annotations.shapes import Shape, Size
from finesight.data.images.image import image_sizes
from finesight.data.images.image_files import open_image
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.masks.codes import NODATA
from finesight.data.masks.encoding import encode_named
from finesight.data.masks.looks import read_mask
from finesight.data.masks.named import read_text
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.progress import track

VERSION = 1  # of how shapes are drawn
GROUND = "background"  # the class of pixels that no shape covers
Unannotated = Literal["background", "ignore"]
Facts = dict[str, int]


@dataclass(frozen=True)
class Annotated:
    """An image and the shapes on it, (class, shape) in draw order; of class None what is left out of everything.

    key, path: as of Item. size: (height, width) that the annotations say; None where they say none.
    """

    key: str
    path: Path
    shapes: tuple[tuple[str | None, Shape], ...] = ()
    size: Size | None = None


@dataclass(frozen=True)
class ValueMask:
    """An image and its mask of values, whose classes another file names. names: class by value; None: no class."""

    key: str
    path: Path
    mask: Path
    names: Mapping[int, str | None]


@dataclass(frozen=True)
class Drawn:
    """items: by the order of the images, without those in faults, a sentence each. notes: what was lost or assumed."""

    items: list[Item] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def draw_masks(
    root: Path,
    images: Sequence[Annotated],
    names: Sequence[str],
    unannotated: Unannotated = "background",
    winner: str = "the later shape",
) -> Drawn:
    """Items of the images with their masks. names: all classes, in the order of indices.

    root: the data's folder. winner: which of two shapes is seen where both cover a pixel, for the note.
    """
    names = list_names(names)
    sizes = image_sizes([Item(image.key, image.path) for image in images])
    works = [_plan(image, size, names, unannotated) for image, size in zip(images, sizes, strict=True)]
    drawn, facts = _make_all(root, works, "Drawing masks")
    drawn.notes.extend(_describe(facts, names[0], unannotated, winner))
    return drawn


def convert_masks(root: Path, images: Sequence[ValueMask], names: Sequence[str]) -> Drawn:
    """Items of the images with masks that name their classes. names: all of them, in the order of indices."""
    names = list_names(names)
    return _make_all(root, [_plan_conversion(image, names) for image in images], "Reading masks")[0]


def list_names(names: Sequence[str]) -> list[str]:
    """Names of the values of masks: the background first, as the annotations call it, then all others in order."""
    known = list(dict.fromkeys(map(compose, names)))
    ground = next((name for name in known if is_ground(name)), GROUND)
    found = [ground, *(name for name in known if name != ground)]
    if len(found) > IGNORE_INDEX:
        raise DataError(
            f"Masks can hold {IGNORE_INDEX} classes; the annotations have {len(found):,}. Merge some with --classes, a "
            "CSV file with the columns from,to; an empty to leaves a class out."
        )
    return found


def is_ground(name: str) -> bool:
    """`_background_` is labelme's."""
    return name.strip("_ ").casefold() == GROUND


@dataclass(frozen=True)
class _Work:
    """A mask to make. digest: of all that decides it. make: its values, and facts on it. Raises DataError, the end of a
    sentence. fault: what is wrong already."""

    item: Item
    names: Sequence[str]
    digest: str = ""
    make: Callable[[], tuple[np.ndarray, Facts]] | None = None
    fault: str = ""


def _plan(image: Annotated, size: Size | None, names: Sequence[str], unannotated: Unannotated) -> _Work:
    item = Item(image.key, image.path)
    if size and image.size and size != image.size:
        turned = "; annotate it as viewers show it, upright" if size == image.size[::-1] else ""
        said = f"{image.size[0]}x{image.size[1]} in the annotations, its file {size[0]}x{size[1]}"
        return _Work(item, names, fault=f"{image.key!r} is {said} pixels{turned}.")
    size = size or image.size or (1, 1)  # of an image that cannot be read, which whoever reads it says
    values = {name: index for index, name in enumerate(names)}
    shapes = [(UNANNOTATED if name is None else values[compose(name)], shape) for name, shape in image.shapes]
    digest = blake2b(json.dumps([VERSION, size, names, unannotated]).encode(), digest_size=6)
    for value, shape in shapes:
        digest.update(bytes([value]) + shape.content)
    return _Work(item, names, digest.hexdigest(), partial(_paint, size, shapes, unannotated))


def _paint(size: Size, shapes: Sequence[tuple[int, Shape]], unannotated: Unannotated) -> tuple[np.ndarray, Facts]:
    drawing = draw(size, shapes)
    mask = drawing.mask
    if unannotated == "background":
        mask = np.where(drawing.covered, mask, np.uint8(0))
    facts = {"clipped": drawing.clipped, "empty": drawing.empty, "overlapped": drawing.overlapped}
    return mask, facts | {"bare": int((~drawing.covered).sum()), "pixels": mask.size}


def _plan_conversion(image: ValueMask, names: Sequence[str]) -> _Work:
    item = Item(image.key, image.path)
    values = {name: index for index, name in enumerate(names)}
    table = {code: IGNORE_INDEX if name is None else values[compose(name)] for code, name in image.names.items()}
    try:
        digest = blake2b(image.mask.read_bytes(), digest_size=6)
    except OSError as error:
        return _Work(item, names, fault=f"Mask {image.mask.name!r} cannot be read: {error.strerror}.")
    digest.update(json.dumps([VERSION, names, sorted(table.items())]).encode())
    return _Work(item, names, digest.hexdigest(), partial(_convert, image.mask, table))


def _convert(path: Path, table: Mapping[int, int]) -> tuple[np.ndarray, Facts]:
    raw = read_mask(path, path.name)
    if raw.kind not in ("value", "palette"):
        raise DataError(f"has the mask {path.name!r} of colours, where values are expected")
    known = {**table, NODATA: IGNORE_INDEX}
    codes, places = np.unique(raw.codes, return_inverse=True)
    if strange := [code for code in codes.tolist() if code not in known]:
        held = ", ".join(map(str, strange[:5]))
        raise DataError(f"has a mask, {path.name!r}, with values that name no class ({held})")
    indices = np.array([known[code] for code in codes.tolist()], np.uint8)
    return indices[places.reshape(raw.codes.shape)], {}


def _make_all(root: Path, works: Sequence[_Work], label: str) -> tuple[Drawn, dict[str, Facts]]:
    """Also the facts on each mask by key."""
    folder = cache_folder() / "masks" / blake2b(str(root).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    drawn, facts = Drawn(), dict[str, Facts]()
    results = map_in_threads(partial(_make, folder), works, chunk=4)
    for work, result in zip(works, track(results, label, len(works), "masks"), strict=True):
        if isinstance(result, str):
            drawn.faults.append(result)
            continue
        path, facts[work.item.key] = result
        drawn.items.append(Item(work.item.key, work.item.path, path))
    return drawn, facts


def _make(folder: Path, work: _Work) -> tuple[Path, Facts] | str:
    """The mask's file and facts on it; or what is wrong, in a sentence."""
    if work.make is None:
        return work.fault
    path = folder / PurePosixPath(work.item.key).with_suffix(f".{work.digest}.png")
    if (known := _read_facts(path)) is not None:
        return path, known
    try:
        mask, facts = work.make()
    except DataError as error:
        return f"{work.item.key!r} {error}."
    try:
        _write(path, encode_named(mask, work.names, facts))
    except OSError as error:
        raise DataError(
            f"Masks drawn from annotations cannot be kept in {folder}: {error.strerror}. Name a folder with room in "
            "the environment variable FINESIGHT_CACHE."
        ) from None
    return path, facts


def _write(path: Path, content: bytes) -> None:
    """Under another name first, as other processes may draw the same; not synced, as it can be drawn again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read_facts(path: Path) -> Facts | None:
    """None where the mask is not drawn yet, or its file is damaged."""
    try:
        with open_image(path) as image:
            text = read_text(image)
    except Exception:  # a broken file can raise anything
        return None
    return {name: value for name, value in text.items() if isinstance(value, int)} if text else None


def _describe(facts: Mapping[str, Facts], ground: str, unannotated: Unannotated, winner: str) -> Iterator[Note]:
    def find(name: str) -> tuple[int, tuple[str, ...]]:
        held = {key: count for key, each in facts.items() if (count := each.get(name, 0))}
        return sum(held.values()), tuple(held)

    clipped, keys = find("clipped")
    if clipped:
        yield Note(f"Cut off at the border of the image: {_count_shapes(clipped, keys)}.", keys)
    empty, keys = find("empty")
    if empty:
        yield Note(f"Without a pixel, so passed over: {_count_shapes(empty, keys)}.", keys)
    overlapped, keys = find("overlapped")
    total = sum(each.get("pixels", 0) for each in facts.values())
    if overlapped:
        what = f"{overlapped / total:.2g} of all pixels, in {count_of(len(keys), 'image')}"
        yield Note(f"Shapes of different classes overlap ({what}): {winner} is seen.", keys)
    bare, keys = find("bare")
    if bare:
        outcome = f"are of class {ground!r}; data.unannotated = ignore leaves them out"
        outcome = outcome if unannotated == "background" else "are left out, as data.unannotated = ignore"
        yield Note(f"Pixels that no shape covers ({bare / total:.2g} of all) {outcome}.")


def _count_shapes(count: int, keys: Collection[str]) -> str:
    return f"{count_of(count, 'shape')} of {count_of(len(keys), 'image')} ({quote_some(sorted(keys), 1)})"

"""Decoded images or masks, read by index: from one memory-mapped file, or decoded anew each time."""

import json
import math
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, Literal, Protocol

import numpy as np
import PIL

from finesight.cache import cache_folder
from finesight.config import PixelScale
from finesight.data.decoders import Decoder, Images
from finesight.data.images.image import (
    BadImage,
    Fit,
    Interpolation,
    Progress,
    UnreadableImage,
    check_images,
    image_sizes,
)
from finesight.data.images.scaling import AS_STORED
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.errors import DataError

STORE_FORMAT = 2
SPARE_BYTES = 256 << 20  # of disk that a new store leaves to others
NUM_LISTED = 20  # bad images an error names

if sys.platform == "win32":

    def _lock(file: IO[bytes], exclusive: bool) -> None:
        """Windows itself refuses to delete an open file."""

else:
    import fcntl

    def _lock(file: IO[bytes], exclusive: bool) -> None:
        """Marks a file as in use until it is closed. Raises BlockingIOError if exclusive and in use elsewhere."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)


class Pixels(Protocol):
    """Rows; those that are read together are of one shape.

    note: why they are decoded anew at each reading; "" if they are stored.
    """

    note: str

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 RGB images (n, h, w, 3), or masks (n, h, w), in the order of `indices`."""


class StoredPixels:
    """Pixels in a file: a `.npy` array of rows, then JSON: `bad`, `[[index, reason], …]` of unreadable images, and
    `shapes` of the rows where they differ; the array is then flat.

    The rows of unreadable images are black, and passed over: index i is the i-th image that could be read.
    Raises OSError or ValueError if there is no such file or it is not whole.
    """

    note = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = path.open("rb")
        weakref.finalize(self, file.close)  # held open as long: its lock tells other processes of the use
        with suppress(OSError):  # a file system without locks or one that is read-only serves as well
            _lock(file, exclusive=False)
            os.utime(path)  # the least recently used store is the first to go
        rows = np.load(path, mmap_mode="r")
        file.seek(rows.offset + rows.nbytes)
        told = json.load(file)
        self.bad = tuple((int(index), str(reason)) for index, reason in told["bad"])
        self._rows = rows.view(np.ndarray)
        self._shapes = [tuple(shape) for shape in told["shapes"]]
        self._starts = np.cumsum([0, *map(math.prod, self._shapes)])
        self._kept = np.delete(np.arange(len(self._shapes) or len(rows)), [index for index, _ in self.bad])

    def __len__(self) -> int:
        return len(self._kept)

    def __reduce__(self) -> tuple[type["StoredPixels"], tuple[Path]]:
        return StoredPixels, (self.path,)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        places = self._kept[np.asarray(indices, np.int64)]
        if not self._shapes:
            return np.take(self._rows, places, axis=0)
        rows = [self._rows[self._starts[i] : self._starts[i + 1]].reshape(self._shapes[i]) for i in places]
        return np.stack(rows) if rows else np.empty((0, 0, 0), np.uint8)


class DecodedPixels:
    """Pixels decoded from their files at each reading. Raises UnreadableImage then."""

    def __init__(self, items: Sequence[Item], decoder: Decoder, note: str = "") -> None:
        self.items = tuple(items)
        self.decoder = decoder
        self.note = note

    def __len__(self) -> int:
        return len(self.items)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        if not len(indices):
            return np.empty((0, *self.decoder.shapes(self.items[:1])[0]), np.uint8)
        return np.stack([self.decoder.decode(self.items[index]) for index in indices])


def open_pixels(
    items: Sequence[Item],
    stored: tuple[int, int] | None,
    fit: Fit,
    interpolation: Interpolation,
    *,
    limit_gb: float = 8.0,
    mode: Literal["auto", "on", "off"] = "auto",
    on_bad: Literal["stop", "skip"] = "stop",
    progress: Progress | None = None,
    scale: PixelScale | None = AS_STORED,
) -> tuple[Pixels, tuple[Item, ...], tuple[BadImage, ...]]:
    """`open_rows` of images fitted to `stored`; None: each in its own size."""
    decoder = Images(stored, fit, interpolation, scale)
    return open_rows(items, decoder, limit_gb=limit_gb, mode=mode, on_bad=on_bad, progress=progress)


def open_rows(
    items: Sequence[Item],
    decoder: Decoder,
    *,
    limit_gb: float = 8.0,
    mode: Literal["auto", "on", "off"] = "auto",
    on_bad: Literal["stop", "skip"] = "stop",
    progress: Progress | None = None,
) -> tuple[Pixels, tuple[Item, ...], tuple[BadImage, ...]]:
    """(pixels, the items they are of, the images left out), every file having been decoded once.

    auto: from a store, built now if it is not there, if it fits into `limit_gb` of all stores and on the disk; else
    decoded at each reading, and `pixels.note` says why. on: from a store or DataError. off: decoded at each reading.
    on_bad: stop raises DataError that lists all images that cannot be read; skip leaves them out.
    """
    note = "Images are decoded at each reading, as asked for."
    pixels: StoredPixels | None = None
    if mode != "off":
        try:
            pixels = _open_store(items, decoder, round(limit_gb * 1e9), progress)
        except OSError as error:
            reason = error.strerror or str(error)
            if mode == "on":
                raise DataError(
                    f"Images cannot be stored: {reason}; make room, or let data.image_cache be auto."
                ) from None
            note = f"Images are decoded at each reading: {reason}."
    if pixels is not None:
        bad = {items[index].key: reason for index, reason in pixels.bad}
    else:
        bad = {image.key: image.reason for image in check_images(items, decoder.decode, progress=progress)}
    kept = tuple(item for item in items if item.key not in bad)
    if bad and (on_bad == "stop" or not kept):
        raise DataError(_list_bad(bad, len(items)))
    left_out = tuple(BadImage(key, reason) for key, reason in bad.items())
    if pixels is None:
        return DecodedPixels(kept, decoder, note), kept, left_out
    return pixels, kept, left_out


def stored_size(items: Sequence[Item], size: tuple[int, int], fit: Fit, margin: float = 1.15) -> tuple[int, int]:
    """(height, width) at which images are kept for a network that sees `size`, in the same shape as `fit` makes it.

    Images of one size that is no larger than size × margin keep all their pixels; others are brought to that.
    whole: the largest height and width there are, yet at most twice the median: smaller images are padded, what is
    larger is cut.
    """
    if fit == "native":
        known = [each for each in image_sizes(items) if each] or [size]
        height, width = (min(max(sides), 2 * sorted(sides)[len(sides) // 2]) for sides in zip(*known, strict=True))
        return height, width
    largest = round(size[0] * margin), round(size[1] * margin)
    sizes = filter(None, image_sizes(items))
    first = next(sizes, None)
    if first is None:
        return largest
    native = first
    if fit == "crop":  # what the centre crop in the shape of `size` leaves
        native = min(first[0], first[1] * size[0] // size[1]), min(first[1], first[0] * size[1] // size[0])
    fits = 0 < native[0] <= largest[0] and 0 < native[1] <= largest[1]
    return native if fits and all(other == first for other in sizes) else largest


def common_size(items: Sequence[Item], otherwise: tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width) of all images; `otherwise` if they differ, or none can be read."""
    sizes = {size for size in image_sizes(items) if size}
    return sizes.pop() if len(sizes) == 1 else otherwise


def _list_bad(bad: dict[str, str], total: int) -> str:
    lines = [f"  {key!r} {reason}" for key, reason in bad.items()][:NUM_LISTED]
    more = [f"  and {len(bad) - NUM_LISTED:,} more"] if len(bad) > NUM_LISTED else []
    start = (
        f"{len(bad):,} of {total:,} images cannot be read; repair or remove them, or skip them (--on-bad-image skip):"
    )
    return "\n".join([start, *lines, *more])


# -- the store's file -------------------------------------------------------------------------------------------------


def _open_store(items: Sequence[Item], decoder: Decoder, limit: int, progress: Progress | None) -> StoredPixels:
    """The store of exactly these rows, built if need be. Raises OSError if there is no room for it."""
    shapes = decoder.shapes(items)
    need = sum(map(math.prod, shapes))
    if need > limit:
        raise OSError(f"{need / 1e9:.1f} GB are over the limit of {limit / 1e9:.1f} GB (data.image_cache_gb)")
    folder = cache_folder() / "pixels"
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    settings = [STORE_FORMAT, PIL.__version__, len(items), *decoder.settings]
    path = folder / f"{_digest([decoder.path(item) for item in items], settings)}.npy"
    with suppress(FileNotFoundError, ValueError, EOFError):  # not built yet, or broken by the disk
        pixels = StoredPixels(path)
        bad = [items[index] for index, _ in pixels.bad]
        if len(check_images(bad, decoder.decode)) == len(
            bad
        ):  # else it was not the image's fault: too many open files, say
            return pixels
    _make_room(folder, need, limit)
    _build(path, items, shapes, decoder, progress)
    return StoredPixels(path)


def _digest(paths: Sequence[Path], settings: Sequence[object]) -> str:
    """Hash of the files' bytes, in order, and of what else decides the pixels."""

    def digest(path: Path) -> bytes:
        try:
            return blake2b(path.read_bytes(), digest_size=16).digest()
        except OSError:
            return bytes(16)  # decoding says what is wrong with it

    whole = blake2b(json.dumps(settings).encode(), digest_size=16)
    for part in map_in_threads(digest, paths):
        whole.update(part)
    return whole.hexdigest()


def _build(
    path: Path, items: Sequence[Item], shapes: Sequence[tuple[int, ...]], decoder: Decoder, progress: Progress | None
) -> None:
    """Writes the store under another name, then renames it: nobody ever sees half of it.

    Written in order and not through a memory map, where a full disk would kill the process.
    """

    def decode(item: Item) -> np.ndarray | str:
        try:
            return decoder.decode(item)
        except UnreadableImage as error:
            return error.reason

    bad: list[tuple[int, str]] = []
    alike = len(set(shapes)) <= 1
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".building", delete=False) as file:
        try:
            with suppress(OSError):
                _lock(file, exclusive=True)
            whole = (len(items), *shapes[0]) if alike else (sum(map(math.prod, shapes)),)
            header = {"descr": "|u1", "fortran_order": False, "shape": whole}
            np.lib.format.write_array_header_1_0(file, header)
            for index, image in enumerate(map_in_threads(decode, items)):
                if not isinstance(image, str) and image.shape != shapes[index]:
                    image = f"is not of the size that its header says, {shapes[index][0]}×{shapes[index][1]} pixels"
                if isinstance(image, str):
                    bad.append((index, image))
                    image = np.zeros(shapes[index], np.uint8)
                file.write(np.ascontiguousarray(image).data)
                if progress:
                    progress(1)
            file.write(json.dumps({"bad": bad, "shapes": [] if alike else shapes}).encode())
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # an open file cannot be renamed there
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _make_room(folder: Path, need: int, limit: int) -> None:
    """Deletes the least recently used stores until `need` more bytes fit into `limit`. Raises OSError otherwise."""
    stores = []
    for path in folder.glob("*.npy"):
        with suppress(FileNotFoundError):  # another run makes room, too
            stores.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = sum(size for _, size, _ in stores)
    for _, size, path in sorted(stores):
        if total + need > limit and _remove_unused(path):
            total -= size
    if total + need > limit:
        raise OSError(f"{total / 1e9:.1f} GB of stores are in use (limit {limit / 1e9:.1f} GB, data.image_cache_gb)")
    free = shutil.disk_usage(folder).free
    if need + SPARE_BYTES > free:
        raise OSError(f"{need / 1e9:.1f} GB are needed on a disk with {free / 1e9:.1f} GB free")


def _remove_leftovers(folder: Path) -> None:
    """Half-built stores whose builders have died; a living one holds its lock."""
    for path in folder.glob("*.building"):
        _remove_unused(path)


def _remove_unused(path: Path) -> bool:
    """Deletes a file unless a process has it in use."""
    try:
        with path.open("rb") as file:
            _lock(file, exclusive=True)
        path.unlink()
    except OSError:
        return False
    return True

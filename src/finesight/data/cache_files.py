"""Files of the decoded-image cache: found by what they hold, built, locked while in use, and removed to make room."""

import io
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
from typing import IO

import numpy as np
import PIL

from finesight.cache import cache_folder
from finesight.data.decoders import Decoder
from finesight.data.file_facts import find_facts
from finesight.data.images.image import Progress, UnreadableImage, check_images
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads

FORMAT = 2
SPARE_BYTES = 256 << 20  # of disk that a new file leaves to others

if sys.platform == "win32":

    def _lock(file: IO[bytes], exclusive: bool) -> None:
        """Windows itself refuses to delete an open file."""

else:
    import fcntl

    def _lock(file: IO[bytes], exclusive: bool) -> None:
        """Marks a file as in use until it is closed. Raises BlockingIOError if exclusive and in use elsewhere."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)


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
            os.utime(path)  # the least recently used file is the first to go
        rows = np.load(path, mmap_mode="r")
        file.seek(rows.offset + rows.nbytes)
        footer = json.load(file)
        self.bad = tuple((int(index), str(reason)) for index, reason in footer["bad"])
        self._rows = rows.view(np.ndarray)
        self._shapes = [tuple(shape) for shape in footer["shapes"]]
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


def open_stored(items: Sequence[Item], decoder: Decoder, limit: int, progress: Progress | None) -> StoredPixels:
    """The cache file of exactly these rows, built if it is missing. Raises OSError if there is no room for it."""
    shapes = decoder.shapes(items)
    need = sum(map(math.prod, shapes))
    if need > limit:
        raise OSError(f"{need / 1e9:.1f} GB are over the limit of {limit / 1e9:.1f} GB (data.image_cache_gb)")
    folder = cache_folder() / "pixels"
    folder.mkdir(parents=True, exist_ok=True)
    settings = [FORMAT, PIL.__version__, len(items), *decoder.settings]
    path = folder / f"{_digest(items, decoder, settings)}.npy"
    for leftover in folder.glob("*.building"):  # of builders that died; a living one holds its lock
        if leftover.stem != path.stem or path.exists():
            remove_unused(leftover)
    with suppress(FileNotFoundError, ValueError, EOFError):  # not built yet, or broken by the disk
        pixels = StoredPixels(path)
        bad = [items[index] for index, _ in pixels.bad]
        if len(check_images(bad, decoder.decode)) == len(bad):  # else another cause, such as too many open files
            return pixels
    _make_room(folder, need, limit)
    _build(path, items, shapes, decoder, progress)
    return StoredPixels(path)


def _digest(items: Sequence[Item], decoder: Decoder, settings: Sequence[object]) -> str:
    """Hash of the files' bytes, in order, and of what else decides the pixels. A file is read once, not at each start:
    see `file_facts`."""

    def digest(file: str) -> bytes | None:
        try:
            return blake2b(Path(file).read_bytes(), digest_size=16).digest()
        except OSError:
            return None  # decoding says what is wrong with it

    whole = blake2b(json.dumps(settings).encode(), digest_size=16)
    for part in find_facts("digest", 16, digest, items, [decoder.file(item) for item in items]):
        whole.update(part or bytes(16))
    return whole.hexdigest()


def _build(
    path: Path, items: Sequence[Item], shapes: Sequence[tuple[int, ...]], decoder: Decoder, progress: Progress | None
) -> None:
    """Writes the file under another name, then renames it: no process ever sees half of it.

    Written in order and not through a memory map, where a full disk would kill the process. What an interrupted build
    has written is kept, but for black rows: their images may be unreadable, or the machine went down before them.
    """

    def decode(item: Item) -> np.ndarray | str:
        try:
            return decoder.decode(item)
        except UnreadableImage as error:
            return error.reason

    bad: list[tuple[int, str]] = []
    head, starts = _lay_out(shapes)
    with _open_unfinished(path) as file:
        try:
            rows = _list_missing(file, head, starts)
            if progress:
                progress(len(items) - len(rows))
            for index, image in zip(rows, map_in_threads(decode, (items[index] for index in rows)), strict=True):
                if not isinstance(image, str) and image.shape != shapes[index]:
                    image = f"is not of the size that its header says, {shapes[index][0]}×{shapes[index][1]} pixels"
                if isinstance(image, str):
                    bad.append((index, image))
                    image = np.zeros(shapes[index], np.uint8)
                file.seek(starts[index])
                file.write(np.ascontiguousarray(image).data)
                if progress:
                    progress(1)
            file.seek(starts[-1])
            file.write(json.dumps({"bad": bad, "shapes": [] if len(set(shapes)) <= 1 else shapes}).encode())
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # an open file cannot be renamed there
            Path(file.name).replace(path)
        except OSError:  # the disk is full
            Path(file.name).unlink(missing_ok=True)
            raise


def _lay_out(shapes: Sequence[tuple[int, ...]]) -> tuple[bytes, list[int]]:
    """(the head of a `.npy` file; where each row begins, and where the last one ends)."""
    whole = (len(shapes), *shapes[0]) if len(set(shapes)) <= 1 else (sum(map(math.prod, shapes)),)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": whole})
    return head.getvalue(), (head.tell() + np.cumsum([0, *map(math.prod, shapes)])).tolist()


def _open_unfinished(path: Path) -> IO[bytes]:
    """The locked file of a build of `path`, with what an interrupted one wrote; of a second builder its own file."""
    if sys.platform != "win32":  # there is no lock that would tell
        unfinished = path.with_suffix(".building")
        unfinished.touch(0o600)
        file = unfinished.open("r+b")
        try:
            _lock(file, exclusive=True)
            if os.path.samestat(os.fstat(file.fileno()), unfinished.stat()):  # not finished or removed meanwhile
                return file
        except OSError:
            pass
        file.close()
    own = tempfile.NamedTemporaryFile(dir=path.parent, suffix=".building", delete=False)  # noqa: SIM115
    with suppress(OSError):
        _lock(own, exclusive=True)
    return own


def _list_missing(file: IO[bytes], head: bytes, starts: Sequence[int]) -> list[int]:
    """Indices of the rows to write. The file is left with the head and the rows that are whole."""
    file.seek(0)
    if file.read(len(head)) != head:
        file.seek(0)
        file.truncate()
        file.write(head)
        return list(range(len(starts) - 1))
    done = int(np.searchsorted(starts, file.seek(0, os.SEEK_END), side="right")) - 1
    file.truncate(starts[done])
    file.seek(starts[0])
    black = [index for index in range(done) if not any(file.read(starts[index + 1] - starts[index]))]
    return [*black, *range(done, len(starts) - 1)]


def _make_room(folder: Path, need: int, limit: int) -> None:
    """Deletes the least recently used files until `need` more bytes fit into `limit`. Raises OSError otherwise."""
    files = []
    for path in folder.glob("*.npy"):
        with suppress(FileNotFoundError):  # another run makes room, too
            files.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total + need > limit and remove_unused(path):
            total -= size
    if total + need > limit:
        raise OSError(
            f"{total / 1e9:.1f} GB of cached images are in use (limit {limit / 1e9:.1f} GB, data.image_cache_gb)"
        )
    free = shutil.disk_usage(folder).free
    if need + SPARE_BYTES > free:
        raise OSError(f"{need / 1e9:.1f} GB are needed on a disk with {free / 1e9:.1f} GB free")


def remove_unused(path: Path) -> bool:
    """Deletes a file unless a process has it in use."""
    try:
        with path.open("rb") as file:
            _lock(file, exclusive=True)
        path.unlink()
    except OSError:
        return False
    return True

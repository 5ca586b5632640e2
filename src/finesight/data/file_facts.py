"""What was found out about files before, so that the next start does not open them once more.

A file counts as unchanged while its path, size and times of change (mtime and ctime, in nanoseconds) are the same. One
that changed less than TICK_NS before it was looked at is not remembered: a clock may be so coarse that the next change
leaves no trace. What stays unseen is a file replaced by one of the same size whose times were set back, where the file
system keeps no ctime.

The facts of a data folder are one file a kind in the cache folder, which all ranks of a machine share.
"""

import io
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import numpy as np
import PIL

from finesight.cache import cache_folder
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.run.files import write_atomically

FORMAT = 1
TICK_NS = 2_000_000_000  # the coarsest clock: that of FAT
MOST_FILES = 200  # of facts; the least recently used go first
STAMP = struct.Struct("<qqq")  # bytes, mtime, ctime
FEW, MANY = 32, 512  # files that a thread is given at a time: of a data set of many, more


def find_facts(
    kind: str, width: int, find_out: Callable[[str], bytes | None], items: Sequence[Item], files: Sequence[str]
) -> Iterator[bytes | None]:
    """What `find_out` says of each file, asked only of those that are new or changed.

    kind: what it says, and whatever that depends on beside the file. width: bytes of an answer. items: those that the
    files belong to; they name the data folder. None, such as of a file that cannot be read, is never remembered.
    """
    if not items:
        return
    files = list(files)
    store = _locate(kind, items[0])
    known = _load(store, width)
    begin = known.names.index(files[0]) if files[0] in known.names else len(known.names)
    look = _stamp if _looked_at is None else _looked_at.__getitem__
    latest = time.time_ns() - TICK_NS
    learned: dict[str, tuple[bytes, bytes]] = {}

    def answer(file: str) -> bytes | None:
        row = known.rows.get(file)
        if row is not None and known.stamp(row) == look(file):
            return known.value(row)
        stamp = _stamp(file)  # before it is read, so that a change meanwhile is seen
        answer = find_out(file)
        if answer is not None and stamp and max(STAMP.unpack(stamp)[1:]) < latest:
            learned[file] = stamp, answer
        return answer

    def answer_some(start: int) -> list[bytes | None]:
        some, row = files[start : start + size], begin + start
        if known.has_unchanged(row, some, look):
            return [known.value(each) for each in range(row, row + len(some))]
        return list(map(answer, some))

    size = FEW if len(files) < FEW * MANY else MANY
    try:
        yield from chain.from_iterable(map_in_threads(answer_some, range(0, len(files), size), chunk=1))
    finally:  # also of an answer that was the last that anybody asked for
        if learned:
            known.save(store, {file: learned[file] for file in files if file in learned})  # threads learn in any order


@dataclass
class _Known:
    """What a store holds: names of files, and of each a stamp and an answer, one after the other."""

    names: list[str]
    stamps: bytes
    values: bytes
    width: int

    @cached_property
    def rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def stamp(self, row: int) -> bytes:
        return self.stamps[row * STAMP.size : (row + 1) * STAMP.size]

    def value(self, row: int) -> bytes:
        return self.values[row * self.width : (row + 1) * self.width]

    def has_unchanged(self, row: int, files: list[str], look: Callable[[str], bytes]) -> bool:
        """Whether these files stand from that row on, all as they were: usual, and quick to tell."""
        end = row + len(files)
        if self.names[row:end] != files:
            return False
        return self.stamps[row * STAMP.size : end * STAMP.size] == b"".join(map(look, files))

    def save(self, store: Path, learned: Mapping[str, tuple[bytes, bytes]]) -> None:
        kept = [row for name, row in self.rows.items() if name not in learned]
        names = [self.names[row] for row in kept] + list(learned)
        stamps = [self.stamp(row) for row in kept] + [stamp for stamp, _ in learned.values()]
        values = [self.value(row) for row in kept] + [value for _, value in learned.values()]
        blobs = "\0".join(names).encode(errors="surrogateescape"), b"".join(stamps), b"".join(values)
        file = io.BytesIO()
        arrays = (np.frombuffer(blob, np.uint8) for blob in blobs)
        np.savez(file, **dict(zip(("names", "stamps", "values"), arrays, strict=True)))  # type: ignore[arg-type]
        with suppress(OSError):  # a full disk, or one that is read-only: the next start asks again
            write_atomically(store, file.getvalue())
            others = sorted(store.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
            for path in others[:-MOST_FILES]:
                path.unlink(missing_ok=True)


class _Stamps(dict[str, bytes]):
    """By path of the file. Each is looked at when it is asked for first."""

    def __missing__(self, file: str) -> bytes:
        self[file] = stamp = _stamp(file)
        return stamp


_looked_at: _Stamps | None = None


@contextmanager
def looking_once() -> Iterator[None]:
    """Within the block, facts of several kinds are found by one look at each file: at a million, seconds a kind."""
    global _looked_at
    before, _looked_at = _looked_at, _Stamps()
    try:
        yield
    finally:
        _looked_at = before


def _stamp(file: str) -> bytes:
    """Nothing of a file that is not there."""
    try:
        found = os.stat(file)  # noqa: PTH116  twice as quick as Path's
    except (OSError, ValueError):
        return b""
    return STAMP.pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _locate(kind: str, item: Item) -> Path:
    root = item.path.parents[min(item.key.count("/"), len(item.path.parents) - 1)]
    digest = blake2b(f"{FORMAT}\0{PIL.__version__}\0{kind}\0{root}".encode(errors="surrogateescape"), digest_size=16)
    return cache_folder() / "files" / f"{digest.hexdigest()}.npz"


def _load(store: Path, width: int) -> _Known:
    """Nothing where there is no such file, or a broken one."""
    try:
        with store.open("rb") as file, np.load(file) as found:
            names, stamps, values = (found[name].tobytes() for name in ("names", "stamps", "values"))
        listed = names.decode(errors="surrogateescape").split("\0")
        if len(stamps) == len(listed) * STAMP.size and len(values) == len(listed) * width:
            with suppress(OSError):
                os.utime(store)
            return _Known(listed, stamps, values, width)
    except Exception:  # a broken archive can raise anything
        pass
    return _Known([], b"", b"", width)

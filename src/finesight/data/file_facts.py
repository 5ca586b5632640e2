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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
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
    store = _locate(kind, items[0])
    names, stamps, values = _load(store, width)
    rows = {name: row for row, name in enumerate(names)}
    latest = time.time_ns() - TICK_NS
    learned: dict[str, tuple[bytes, bytes]] = {}
    look = _stamp if _looked_at is None else _looked_at.__getitem__

    def answer(name: str) -> bytes | None:
        row = rows.get(name)
        if row is not None and stamps[row * STAMP.size : (row + 1) * STAMP.size] == look(name):
            return values[row * width : (row + 1) * width]
        stamp = _stamp(name)  # before it is read, so that a change meanwhile is seen
        answer = find_out(name)
        if answer is not None and stamp and max(STAMP.unpack(stamp)[1:]) < latest:
            learned[name] = stamp, answer
        return answer

    try:
        yield from map_in_threads(answer, files, chunk=MANY if len(files) > MANY**2 else FEW)
    finally:  # also of an answer that was the last that anybody asked for
        if learned:
            kept = [row for name, row in rows.items() if name not in learned]
            stamps = b"".join(stamps[row * STAMP.size : (row + 1) * STAMP.size] for row in kept)
            values = b"".join(values[row * width : (row + 1) * width] for row in kept)
            _save(
                store,
                "\0".join([names[row] for row in kept] + list(learned)),
                stamps + b"".join(stamp for stamp, _ in learned.values()),
                values + b"".join(value for _, value in learned.values()),
            )


class _Stamps(dict[str, bytes]):
    """By name of the file. Each is looked at when it is asked for first."""

    def __missing__(self, name: str) -> bytes:
        self[name] = stamp = _stamp(name)
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


def _stamp(name: str) -> bytes:
    """Nothing of a file that is not there."""
    try:
        found = os.stat(name)  # noqa: PTH116  twice as quick as Path's
    except (OSError, ValueError):
        return b""
    return STAMP.pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _locate(kind: str, item: Item) -> Path:
    root = item.path.parents[min(item.key.count("/"), len(item.path.parents) - 1)]
    digest = blake2b(f"{FORMAT}\0{PIL.__version__}\0{kind}\0{root}".encode(errors="surrogateescape"), digest_size=16)
    return cache_folder() / "files" / f"{digest.hexdigest()}.npz"


def _load(store: Path, width: int) -> tuple[list[str], bytes, bytes]:
    """(names, their stamps, their answers); nothing where there is no such file, or a broken one."""
    try:
        with store.open("rb") as file, np.load(file) as found:
            names, stamps, values = (found[name].tobytes() for name in ("names", "stamps", "values"))
        listed = names.decode(errors="surrogateescape").split("\0")
        if len(stamps) == len(listed) * STAMP.size and len(values) == len(listed) * width:
            with suppress(OSError):
                os.utime(store)
            return listed, stamps, values
    except Exception:  # a broken archive can raise anything
        pass
    return [], b"", b""


def _save(store: Path, names: str, stamps: bytes, values: bytes) -> None:
    blobs = {"names": names.encode(errors="surrogateescape"), "stamps": stamps, "values": values}
    file = io.BytesIO()
    np.savez(file, **{name: np.frombuffer(blob, np.uint8) for name, blob in blobs.items()})  # type: ignore[arg-type]
    with suppress(OSError):  # a full disk, or one that is read-only: the next start asks again
        write_atomically(store, file.getvalue())
        others = sorted(store.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
        for path in others[:-MOST_FILES]:
            path.unlink(missing_ok=True)

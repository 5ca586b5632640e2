"""Files that are the same as others, byte for byte, whatever they are called."""

import filecmp
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from finesight.data.sample import Item

START = 2**16  # bytes that are compared first


def find_copies(items: Iterable[Item], originals: Sequence[Path]) -> list[str]:
    """Keys of items whose file is one of `originals`, or holds the same bytes. Only files of one size are opened."""
    by_size = defaultdict(list)
    for path in originals:
        by_size[_size(path)].append(path)
    by_start: dict[int, dict[bytes, list[Path]]] = {}
    found = []
    for item in items:
        size = _size(item.path)
        if size < 0 or size not in by_size:
            continue
        if size not in by_start:
            by_start[size] = defaultdict(list)
            for path in by_size[size]:
                by_start[size][_start(path)].append(path)
        if any(_is_same(item.path, path) for path in by_start[size].get(_start(item.path), ())):
            found.append(item.key)
    return found


def _size(path: Path) -> int:
    """In bytes; -1 of a file that is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return blake2b(file.read(START), digest_size=16).digest()
    except OSError:
        return b""


def _is_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False

"""Cache: what the cache folder holds, and clearing it. All of it can be made again."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from finesight.cache import cache_folder
from finesight.data.cache_files import remove_unused
from finesight.errors import ConfigError, suggest
from finesight.run.files import walk_files
from finesight.run.inventory import Cached, CachedKind, Cleared

KINDS = {  # name in the cache folder → what it is
    "pixels": "decoded images",
    "masks": "masks drawn from annotation files",
    "files": "what was found out about image files",
    "weights": "pretrained weights",
    "openvino": "networks converted for OpenVINO",
    "compiled": "C++ code, compiled for this processor",
    "demo": "images of the demo",
    "engines.json": "which engine was faster, by model",
}
BUSY_S = 60  # a file that was changed so lately may still be written


def list_cache() -> Cached:
    """Every kind that is there, the largest first."""
    folder, now, kinds = cache_folder(), time.time(), []
    for kind in _list_kinds(folder):
        stats = [found for _, found in _list_files(folder / kind)]
        days = [(now - max(each.st_mtime, each.st_atime)) / 86400 for each in stats]
        meaning = KINDS.get(kind, "not of this version")
        size = sum(each.st_size for each in stats)
        if stats:
            kinds.append(CachedKind(kind, meaning, len(stats), size, round(min(days), 2), round(max(days), 2)))
    return Cached(folder, tuple(sorted(kinds, key=lambda each: -each.num_bytes)))


def clear_cache(kind: str = "") -> Cleared:
    """Deletes a kind of files, or all. What a process has in use stays, and is counted.

    Raises ConfigError for a kind that does not exist.
    """
    folder = cache_folder()
    if kind and kind not in KINDS:
        hint = suggest(kind, KINDS, f"There are: {', '.join(KINDS)}.")
        raise ConfigError(f"The cache has no kind {kind!r}. {hint}")
    count = size = in_use = 0
    for name in [kind] if kind else _list_kinds(folder):
        for path, found in list(_list_files(folder / name)):
            num_bytes = found.st_size
            if _is_being_written(path, found) or not remove_unused(path):
                in_use += 1
            else:
                count, size = count + 1, size + num_bytes
        _remove_empty_folders(folder / name)
    return Cleared(folder, count, size, in_use)


def _list_kinds(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _list_files(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    if place.is_file():
        yield place, place.stat()
    yield from ((path, found) for path, found in walk_files(place) if not stat.S_ISDIR(found.st_mode))


def _is_being_written(path: Path, found: os.stat_result) -> bool:
    is_half = path.suffix == ".building" or path.name.startswith(".")
    return is_half and time.time() - found.st_mtime < BUSY_S


def _remove_empty_folders(place: Path) -> None:
    for folder, _, _ in os.walk(place, topdown=False):
        with suppress(OSError):  # not empty
            Path(folder).rmdir()

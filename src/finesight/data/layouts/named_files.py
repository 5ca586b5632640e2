"""The files that a table's cells name: found as they are written, or nearly so."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import islice, takewhile
from pathlib import Path

from finesight.classes import compose
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.errors import DataError

MOST_SEARCHED = 200_000  # files below the table's folder, when a named one is missing


class NamedFiles:
    """folder: where relative paths begin. Listings of folders are kept, so that many names cost few of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.near: list[tuple[str, Path]] = []  # what was found nearly as it was written
        self._list = cache(_list_folder)

    def find(self, cell: str) -> Path | None:
        """The file a cell names; in another Unicode form, with backslashes or without its ending if need be.

        None where there is none. Raises DataError, the end of a sentence, where two files would do.
        """
        for written in dict.fromkeys((cell, cell.strip(), cell.strip().replace("\\", "/"))):
            if not written or "\0" in written:
                continue
            path = Path(os.path.normpath(self.folder / written))
            found = path if _is_file(path) else self._find_near(path)
            if found is not None:
                if found != path or written != cell:
                    self.near.append((cell, found))
                return found
        return None

    def _find_near(self, path: Path) -> Path | None:
        parent = self._resolve_folder(path.parent)
        if parent is None:
            return None
        names, stems = self._list(parent)
        if (same := names.get(compose(path.name))) and _is_file(parent / same):
            return parent / same
        found = stems.get(compose(path.name), ())
        if len(found) > 1:
            raise DataError(f"{path.name!r} could be {found[0]!r} or {found[1]!r}; name one with its ending.")
        return parent / found[0] if found else None

    def _resolve_folder(self, path: Path) -> Path | None:
        """The folder itself, or the one that differs in the Unicode form of its name."""
        try:
            if path.is_dir():
                return path
        except OSError:
            return None
        if path == path.parent or not path.is_relative_to(self.folder):
            return None
        parent = self._resolve_folder(path.parent)
        name = None if parent is None else self._list(parent)[0].get(compose(path.name))
        return None if parent is None or name is None or not (parent / name).is_dir() else parent / name

    def find_folder(self, cells: Sequence[str]) -> list[Path]:
        """Folders below in which every cell names a file."""
        if not cells or not (first := _split(cells[0])):
            return []
        candidates = []
        for path in self._index.get(compose(first[-1]), []):
            parts = path.relative_to(self.folder).parts
            if len(parts) > len(first) and parts[-len(first) : -1] == first[:-1]:
                candidates.append(self.folder.joinpath(*parts[: -len(first)]))
        return [folder for folder in dict.fromkeys(candidates) if all(map(NamedFiles(folder).find, cells))]

    def locate(self, cell: str) -> str:
        """Where below the folder a file of that name lies, such as `in/a.png`; ""."""
        parts = _split(cell)

        def count_same(path: Path) -> int:
            """Folders that both paths end in."""
            pairs = zip(path.parts[-2::-1], parts[-2::-1], strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        found = self._index.get(compose(parts[-1]), []) if parts else []
        return max(found, key=count_same).relative_to(self.folder).as_posix() if found else ""

    @cached_property
    def _index(self) -> dict[str, list[Path]]:
        """Files below the folder by composed name, images also by their name without its ending."""
        index: dict[str, list[Path]] = defaultdict(list)
        for path in islice(_walk_files(self.folder), MOST_SEARCHED):
            index[compose(path.name)].append(path)
            if path.suffix.lower() in IMAGE_SUFFIXES:
                index[compose(path.stem)].append(path)
        return index


def _split(cell: str) -> tuple[str, ...]:
    """Names of a relative path; () where it leads out."""
    parts = tuple(part for part in cell.replace("\\", "/").split("/") if part not in ("", "."))
    return parts if ".." not in parts else ()


def _walk_files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files))


def _list_folder(folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(name on disk by composed name, images on disk by composed name without ending)."""
    names: dict[str, str] = {}
    stems: dict[str, list[str]] = defaultdict(list)
    try:
        found = sorted(path.name for path in folder.iterdir())
    except OSError:
        found = []
    for name in found:
        names.setdefault(compose(name), name)
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
            stems[compose(name.rpartition(".")[0])].append(name)
    return names, stems


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # longer than a name can be
        return False

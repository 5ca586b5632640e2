"""What lies under a data root, walked once, and told in a sentence."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finesight.classes import natural_key
from finesight.data.pictures import PICTURE_SUFFIXES
from finesight.errors import DataError


@dataclass(frozen=True)
class Survey:
    """pictures: keys of all picture files, relative to root; tables: CSV files directly in root."""

    root: Path
    pictures: tuple[str, ...]
    tables: tuple[Path, ...]


def survey_folder(root: str | Path) -> Survey:
    """Walks a folder, or takes a CSV file for the manifest it should be. Hidden files and folders are passed over."""
    if not str(root):
        raise DataError("No data is given; name a folder or a CSV manifest with --data.")
    path = locate(root)
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise DataError(f"{str(path)!r} is a file; give a folder with pictures, or a CSV manifest.")
        return Survey(path.parent, (), (path,))
    if not path.is_dir():
        raise DataError(f"Folder {str(path)!r} does not exist; check the path.")
    keys = sorted(_walk(path))
    try:
        "\n".join(keys).encode()
    except UnicodeEncodeError as error:
        name = error.object[: error.end].rpartition("\n")[2]
        raise DataError(f"A file name in {str(path)!r} is not in UTF-8, {name!r}; rename it.") from None
    pictures = tuple(key for key in keys if PurePosixPath(key).suffix.lower() in PICTURE_SUFFIXES)
    return Survey(path, pictures, tuple(path / key for key in keys if "/" not in key and key.lower().endswith(".csv")))


def locate(path: str | Path) -> Path:
    """The absolute path, `~` resolved. Raises DataError for what no file can be called."""
    try:
        located = Path(os.path.normpath(Path(path).expanduser().absolute()))
        located.is_file()
    except (OSError, RuntimeError) as error:  # a name too long, the home of nobody
        raise DataError(f"{str(path)!r} cannot be opened: {error}.") from None
    return located


def _walk(root: Path) -> Iterator[str]:
    """Keys of all files; links to folders are followed, each folder is visited once."""

    def refuse(error: OSError) -> None:
        raise DataError(f"Folder {str(error.filename)!r} cannot be read: {error.strerror}.")

    visited = set()
    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(folder)) in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        yield from (name if below == "." else f"{below}/{name}" for name in files if not name.startswith("."))


def describe(survey: Survey) -> str:
    """One sentence on what was seen."""
    flat = [key for key in survey.pictures if "/" not in key]
    folders = sorted({key.rpartition("/")[0] for key in survey.pictures} - {""}, key=natural_key)
    parts = [f"{len(flat):,} pictures directly in it ({quote_some(flat, 2)})"] if flat else []
    parts += [f"{len(survey.pictures) - len(flat):,} pictures in folders ({quote_some(folders)})"] if folders else []
    parts += [f"CSV files ({quote_some([table.name for table in survey.tables])})"] if survey.tables else []
    return f"{str(survey.root)!r} holds {' and '.join(parts) or 'no pictures'}."


def quote_some(names: Sequence[str], count: int = 5) -> str:
    """`'a', 'b' and 3 more`."""
    shown = ", ".join(repr(name) for name in names[:count])
    return f"{shown} and {len(names) - count:,} more" if len(names) > count else shown

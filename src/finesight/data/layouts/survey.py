"""The files below a data folder, listed once, and described in a sentence."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Literal

from finesight.classes import natural_key
from finesight.data.annotations.label_studio_tables import is_label_studio_table
from finesight.data.images.content import UNREAD_CONTAINERS, article
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.table_rows import TABLE_SUFFIXES
from finesight.data.leftovers import Note, describe_files, describe_folders, never_data, quote_some
from finesight.data.sample import Item, Target
from finesight.errors import DataError

ANNOTATION_SUFFIXES = frozenset((".json", ".yaml", ".yml"))
Splits = dict[str, list[Item]]  # by train, val, test; all is train in a layout without splits


@dataclass(frozen=True)
class Survey:
    """images: keys of all image files, relative to root; tables: CSV files directly in root, but
    for those of annotation tools.

    is_named: the one table is the file that was named as the data; named: key of another file that was, of annotations.
    unannotated, classes: as in data.unannotated and data.classes. folders: keys of all folders, also of empty ones.
    others: keys of all other files. never_data: folders that were skipped. notes: what is passed over or guessed;
    whoever reads the survey adds to them.
    """

    root: Path
    images: tuple[str, ...]
    tables: tuple[Path, ...]
    is_named: bool = False
    folders: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    never_data: tuple[str, ...] = ()
    notes: list[Note] = field(default_factory=list, compare=False)
    named: str = ""
    unannotated: Literal["background", "ignore"] = "background"
    classes: str = ""


def survey_folder(root: str | Path) -> Survey:
    """Walks a folder, or takes a CSV file for the manifest it should be.

    Passed over are hidden files and folders, and folders that are never data: those of other programs, runs and what
    finesight wrote.
    """
    if not str(root):
        raise DataError("No data is given; name a folder or a CSV manifest with --data.")
    path = locate(root)
    if path.is_file():
        if path.suffix.lower() in UNREAD_CONTAINERS:
            noun, advice = UNREAD_CONTAINERS[path.suffix.lower()]
            raise DataError(f"{str(path)!r} is {article(noun)} {noun}: {advice}, and name the folder.")
        if path.suffix.lower() in ANNOTATION_SUFFIXES or is_label_studio_table(path):
            return _survey_around(path)
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(
                f"{str(path)!r} is a file; give a folder with images, a CSV manifest, COCO JSON or a data.yaml."
            )
        return Survey(path.parent, (), (path,), is_named=True)
    if not path.is_dir():
        raise DataError(f"Folder {str(path)!r} does not exist; check the path.")
    folders: list[str] = []
    passed_over: dict[str, str] = {}
    keys = sorted(_walk(path, folders, passed_over))
    try:
        "\n".join((*keys, *folders, *passed_over)).encode()
    except UnicodeEncodeError as error:
        name = error.object[: error.end].rpartition("\n")[2]
        raise DataError(f"A file name in {str(path)!r} is not in UTF-8, {name!r}; rename it.") from None
    images, tables, others = [], [], []
    for key in keys:
        if _is_image(key) and not (key.startswith(".") or "/." in key):
            images.append(key)
        elif "/" not in key and _is_table(path / key):
            tables.append(path / key)
        else:
            others.append(key)
    notes = [*describe_files(path, others), *describe_folders(passed_over)]
    forms = [table for table in tables if "submission" in table.name.lower()]
    if forms and len(forms) < len(tables):
        tables = [table for table in tables if table not in forms]
        text = f"Not used, as a form for predictions: {quote_some([table.name for table in forms])}."
        notes.append(Note(text, tuple(table.name for table in forms)))
    return Survey(
        path,
        tuple(images),
        tuple(tables),
        folders=tuple(sorted(folders)),
        others=tuple(others),
        never_data=tuple(passed_over),
        notes=notes,
    )


def _survey_around(path: Path) -> Survey:
    """The folder of an annotation file; that above it where no images lie beside it."""
    survey = survey_folder(path.parent)
    if not survey.images and path.parent != path.parent.parent:
        survey = survey_folder(path.parent.parent)
    return replace(survey, named=path.relative_to(survey.root).as_posix())


def locate(path: str | Path) -> Path:
    """The absolute path, `~` resolved. Raises DataError for what no file can be called."""
    try:
        located = Path(os.path.normpath(Path(path).expanduser().absolute()))
        located.is_file()
    except (OSError, RuntimeError) as error:  # a name too long, the home of nobody
        raise DataError(f"{str(path)!r} cannot be opened: {error}.") from None
    return located


def _walk(root: Path, visited_folders: list[str], passed_over: dict[str, str]) -> Iterator[str]:
    """Keys of all files; links to folders are followed, each folder is visited once.

    Hidden files and folders are reported only where they hold images. visited_folders: takes the folders;
    passed_over: takes those that are not looked into, with the reason.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"Folder {str(error.filename)!r} cannot be read: {error.strerror}.")

    visited = set()
    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        below = os.path.relpath(folder, root).replace(os.sep, "/") + "/"
        below = "" if below == "./" else below
        if below and (reason := never_data(Path(folder), files)):
            passed_over[below[:-1]] = reason
            folders.clear()
            continue
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        if below:
            visited_folders.append(below[:-1])
        for name in [name for name in folders if name.startswith(".")]:
            if _holds_images(Path(folder, name)):
                passed_over[f"{below}{name}"] = "hidden"
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (f"{below}{name}" for name in files if not name.startswith(".") or _is_image(name))


def _holds_images(folder: Path) -> bool:
    try:
        return any(_is_image(path.name) for path in folder.iterdir())
    except OSError:
        return False


def _is_image(key: str) -> bool:
    """Not by a Path: there may be a million."""
    dot = key.rfind(".")
    return dot > 0 and key[dot:].lower() in IMAGE_SUFFIXES and key[dot - 1] != "/"


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and not is_label_studio_table(path)


def list_items(root: Path, keys: Iterable[str], targets: Iterable[Target] = repeat(None)) -> Iterator[Item]:
    """Of images below a folder. Paths are joined as text, as there may be a million."""
    below = os.path.join(root, "")  # noqa: PTH118
    return (Item(key, below + key, target) for key, target in zip(keys, targets, strict=False))


def describe(survey: Survey) -> str:
    """One sentence on what was seen."""
    flat = [key for key in survey.images if "/" not in key]
    folders = sorted({key.rpartition("/")[0] for key in survey.images} - {""}, key=natural_key)
    parts = [f"{len(flat):,} images directly in it ({quote_some(flat, 2)})"] if flat else []
    parts += [f"{len(survey.images) - len(flat):,} images in folders ({quote_some(folders)})"] if folders else []
    parts += [f"CSV files ({quote_some([table.name for table in survey.tables])})"] if survey.tables else []
    passed_over = "" if survey.images else "".join(f" {note.text}" for note in survey.notes[:3])
    return f"{str(survey.root)!r} holds {' and '.join(parts) or 'no images'}.{passed_over}"

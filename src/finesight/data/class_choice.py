"""The class list that a user gives, or the one that lies with the data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from finesight.classes import ClassList, Colour, compose
from finesight.config import DataSettings
from finesight.data.class_files import load_classes
from finesight.data.dataset_card import FILE as CARD
from finesight.data.dataset_card import read_card
from finesight.data.label_maps import IGNORED, parse_label_map
from finesight.data.leftovers import Note, quote_some
from finesight.data.sample import Item
from finesight.data.targets import list_labels
from finesight.errors import DataError

FILE = "labelmap.txt"


def choose_classes(
    data: DataSettings, splits: Mapping[str, Iterable[Item]], root: Path, notes: list[Note]
) -> ClassList | None:
    """The class list of data.classes, of the label maps that lie above the masks, or of the dataset card that names
    numbered labels; None where none is there.

    Raises DataError where label maps contradict each other.
    """
    if data.classes:
        return load_classes(data.classes)
    folders = {item.target.parent for items in splits.values() for item in items if isinstance(item.target, Path)}
    files = {file for folder in folders if (file := _find_file(folder, root))}
    maps = {file: found for file in sorted(files) if (found := parse_label_map(_read(file)))}
    if not maps:
        return _name_numbers(splits, root, notes)
    classes = _merge(maps)
    where = quote_some([file.relative_to(root).as_posix() for file in maps], 3)
    ignored = "" if classes.ignore is None else f"; {classes.names[classes.ignore]!r} is ignored, as in VOC"
    notes.append(Note(f"Class names and colours are read from {where}{ignored}."))
    return classes


def _name_numbers(splits: Mapping[str, Iterable[Item]], root: Path, notes: list[Note]) -> ClassList | None:
    """Classes of the card in the data's folder, or in that above it, where all labels are numbers of it."""
    card = next((file for folder in (root, root.parent) if (file := folder / CARD).is_file()), None)
    names = read_card(card) if card else {}
    labels = {label for items in splits.values() for item in items for label in list_labels(item)} if names else set()
    if not card or not labels or not all(label.isdecimal() for label in labels):
        return None
    if strange := sorted(labels - names.keys(), key=int):
        notes.append(Note(f"Class names of {str(card)!r} are not used: it does not name {quote_some(strange, 3)}."))
        return None
    try:
        classes = ClassList(tuple(names), tuple(map(compose, names.values())))
    except DataError as error:
        notes.append(Note(f"Class names of {str(card)!r} are not used. {error}"))
        return None
    notes.append(Note(f"Class names are read from the dataset card {str(card)!r}."))
    return classes


def _find_file(folder: Path, root: Path) -> Path | None:
    """The nearest one at or above a folder of masks, within the data."""
    while folder.is_relative_to(root):
        if (folder / FILE).is_file():
            return folder / FILE
        if folder == root:
            return None
        folder = folder.parent
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Label map {str(file)!r} cannot be read: {error}.") from None


def _merge(maps: Mapping[Path, ClassList]) -> ClassList:
    """Labels of all maps, in the order of their first line. Raises DataError where a name has two colours."""
    colours: dict[str, tuple[Colour, Path]] = {}
    for file, classes in maps.items():
        for name, colour in zip(classes.names, classes.colours or (), strict=True):
            known, first = colours.setdefault(name, (colour, file))
            if known != colour:
                raise DataError(f"Label {name!r} has another colour in {str(file)!r} than in {str(first)!r}: use one.")
    names = tuple(colours)
    pairs = [(name, colour) for name, (colour, _) in colours.items()]
    ignore = pairs.index(IGNORED) if IGNORED in pairs else None
    return ClassList(names, names, tuple(colour for _, colour in pairs), ignore)

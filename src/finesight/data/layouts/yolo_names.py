"""Names of YOLO's classes where no data.yaml gives them: a file that a tool writes beside the labels, or --classes.

classes.txt and notes.json are of Label Studio and labelImg, obj.names is of darknet and CVAT.
"""

from collections.abc import Iterable, Iterator, Mapping

from finesight.classes import ClassList
from finesight.data.class_files import load_classes, read_class_file
from finesight.data.layouts.survey import Survey
from finesight.errors import DataError

FILES = ("classes.txt", "notes.json", "obj.names")


def find_names(survey: Survey, labels: Iterable[str]) -> tuple[Mapping[int, str], str]:
    """(name by number, where it is from). labels: keys of label files; the nearest file at or above them counts.

    Raises DataError where there is none, or where two of them differ.
    """
    nearest = {folder: _find_file(survey, folder) for folder in {key.rpartition("/")[0] for key in labels}}
    files = sorted(set(filter(None, nearest.values())))
    if files and all(nearest.values()):
        names = {key: number_names(read_class_file(survey.root / key), key) for key in files}
        if other := next((key for key in files if names[key] != names[files[0]]), ""):
            raise DataError(f"{files[0]!r} and {other!r} in {str(survey.root)!r} name other classes: make them agree.")
        return names[files[0]], files[0]
    if survey.classes:
        return number_names(load_classes(survey.classes), survey.classes), survey.classes
    raise DataError(
        f"Nothing names the numbered classes of the label files in {str(survey.root)!r}: add classes.txt with a name a "
        "line, in the order of the numbers, or a data.yaml, or name such a file with --classes."
    )


def _find_file(survey: Survey, folder: str) -> str:
    return next((key for key in _list_above(folder) if (survey.root / key).is_file()), "")


def _list_above(folder: str) -> Iterator[str]:
    """Keys that files of names could have, the nearest first."""
    parts = folder.split("/") if folder else []
    for count in range(len(parts), -1, -1):
        yield from ("/".join((*parts[:count], name)) for name in FILES)


def number_names(classes: ClassList, source: str) -> dict[int, str]:
    """By ids that are numbers, else by the order. What a class file merges or drops keeps its number as its name.

    Raises DataError where it merges other labels than numbers.
    """
    labels = [label for label, _ in classes.mapping] or classes.ids
    if all(label.isdecimal() for label in labels):
        names = labels if classes.mapping else classes.names
        return {int(label): name for label, name in zip(labels, names, strict=True)}
    if classes.mapping:
        raise DataError(f"{source!r} should merge numbers, as nothing else names the classes of the label files.")
    return dict(enumerate(classes.names))

"""Label Studio's exports beside their images: regions drawn into masks, or the choices made for whole images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from finesight.classes import natural_key
from finesight.data.annotations.drawn_masks import Annotated
from finesight.data.annotations.label_studio import Export, Task, is_label_studio, read_export, without_prefix
from finesight.data.annotations.label_studio_tables import SUFFIXES as TABLES
from finesight.data.layouts.annotated import Found, ImageFinder, list_files, make_splits, split_of
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item, Target
from finesight.errors import DataError


@dataclass(frozen=True)
class Placed:
    """A task whose image is there. key: of the image; split: of its file, or its folder."""

    task: Task
    key: str
    split: str


def fits_regions(survey: Survey) -> bool:
    """Polygons, brushes and ellipses; boxes alone are refused when they are read."""
    exports = _read_exports(survey).values()
    has_any = any(export.has_regions for export in exports)
    return has_any or (any(export.undrawn for export in exports) and not any(e.has_choices for e in exports))


def fits_choices(survey: Survey, several: bool) -> bool:
    exports = _read_exports(survey).values()
    if any(export.has_regions for export in exports) or not any(export.has_choices for export in exports):
        return False
    return several == any(len(labels) > 1 for export in exports for labels in _list_choices(export))


def read_regions(survey: Survey) -> Splits:
    """Items with drawn masks. Raises DataError where there are only boxes."""
    exports = _read_exports(survey)
    if not any(export.has_regions for export in exports.values()):
        kinds = _count_undrawn(exports)
        raise DataError(
            f"{quote_some(list(exports))} in {str(survey.root)!r} has no region that says which pixels are of a class "
            f"({kinds or 'nothing drawn'}): masks need polygons, brushes or ellipses."
        )
    found = Found()
    for each in _place(survey, exports, found.notes):
        if each.task.regions is None:
            continue
        found.images[each.split].append(Annotated(each.key, survey.root / each.key, each.task.regions, each.task.size))
    labels = {name for some in found.images.values() for each in some for name, _ in each.shapes if name}
    found.names += sorted(labels, key=natural_key)
    if kinds := _count_undrawn(exports):
        found.notes.append(Note(f"What says of no pixel whether it belongs to a class is passed over: {kinds}."))
    return make_splits(survey, found)


def read_choices(survey: Survey, several: bool) -> Splits:
    """Items with the choice of each image, or all of them. Raises DataError."""
    exports = _read_exports(survey)
    controls = {name for export in exports.values() for task in export.tasks for name in task.choices or ()}
    if len(controls) > 1:
        raise DataError(
            f"{quote_some(list(exports))} holds the choices of {quote_some(sorted(controls))}, of which each could be "
            "the class: delete all but one from the labelling interface, and export again."
        )
    splits: Splits = {}
    notes: list[Note] = []
    empty: list[str] = []
    for each in _place(survey, exports, notes):
        labels = next(iter((each.task.choices or {}).values()), ())
        if not labels:
            empty.append(each.key)
            continue
        if len(labels) > 1 and not several:
            raise DataError(f"{each.key!r} has the choices {quote_some(labels)}: give --format label_studio_choices.")
        target: Target = tuple(dict.fromkeys(labels)) if several else labels[0]
        splits.setdefault(each.split, []).append(Item(each.key, survey.root / each.key, target))
    if empty:
        text = f"Left out: {count_of(len(empty), 'image')} for which nothing was chosen ({quote_some(empty, 2)})."
        notes.append(Note(text, tuple(empty), hurts=True))
    listed = {item.key for items in splits.values() for item in items} | set(empty)
    if not survey.named and (left := tuple(key for key in survey.images if key not in listed)):
        text = f"Left out: {count_of(len(left), 'image')} in no answered task ({quote_some(left, 2)})."
        notes.append(Note(text, left))
    survey.notes.extend(notes)
    return splits


def _read_exports(survey: Survey) -> dict[str, Export]:
    """By key of their files."""
    keys = [key for key in list_files(survey, ".json", *TABLES) if is_label_studio(survey.root / key)]
    return {key: read_export(survey.root / key) for key in keys}


def _list_choices(export: Export) -> Iterator[tuple[str, ...]]:
    for task in export.tasks:
        yield from (task.choices or {}).values()


def _place(survey: Survey, exports: dict[str, Export], notes: list[Note]) -> Iterator[Placed]:
    """Tasks that somebody answered. What is left out is added to the notes. Raises DataError where two tasks have one
    image."""
    finder = ImageFinder(survey)
    missing: list[str] = []
    used: dict[str, str] = {}
    unanswered: list[str] = []
    cancelled = 0
    for file, export in exports.items():
        split = split_of(file)
        answered = [task for task in export.tasks if task.is_answered]
        unanswered += [task.image for task in export.tasks if not task.is_answered and not task.is_cancelled]
        cancelled += sum(task.is_cancelled for task in export.tasks)
        keys = _find_images(finder, answered, PurePosixPath(file).parent.as_posix(), split)
        for task in answered:
            key = keys.get(task.image)
            if key is None:
                missing.append(task.image)
                continue
            this = f"{task.number} of {file!r}"
            if (before := used.setdefault(key, this)) != this:
                raise DataError(f"Tasks {before} and {this} are both about {key!r}: delete one.")
            yield Placed(task, key, split or split_of(f"{key.rpartition('/')[0]}/") or "train")
    if unanswered:
        text = f"Left out: {count_of(len(unanswered), 'task')} that nobody answered yet ({quote_some(unanswered, 1)})."
        notes.append(Note(text, tuple(unanswered), hurts=True))
    if cancelled:
        notes.append(
            Note(f"Left out: {count_of(cancelled, 'task')} that {'was' if cancelled == 1 else 'were'} skipped.")
        )
    if missing:
        text = f"Left out: {count_of(len(missing), 'task')} whose image is not there ({quote_some(missing, 2)})."
        notes.append(Note(text, tuple(missing), hurts=True))


def _find_images(finder: ImageFinder, tasks: list[Task], home: str, split: str) -> dict[str, str]:
    """Key by the task's name of its image: as it was uploaded, or as it was called before."""
    home = "" if home == "." else home
    names = list(dict.fromkeys(task.image for task in tasks))
    found = finder.find(names, home, split)
    bare = {name: without_prefix(name) for name in names if name not in found}
    second = finder.find(list(dict.fromkeys(bare.values())), home, split)
    return found | {name: second[short] for name, short in bare.items() if short in second}


def _count_undrawn(exports: dict[str, Export]) -> str:
    kinds: dict[str, int] = {}
    for export in exports.values():
        for kind, number in export.undrawn.items():
            kinds[kind] = kinds.get(kind, 0) + number
    return ", ".join(count_of(number, kind) for kind, number in kinds.items() if number)

"""Label Studio's export of brushes as PNG, one for each label of a task: `task-12-annotation-3-by-1-tag-road-0.png`.

The files name tasks, not images: images are found where they are called by the number of their task.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from finesight.classes import natural_key
from finesight.data.annotations.brushes import BrushFile
from finesight.data.annotations.drawn_masks import Annotated
from finesight.data.annotations.shapes import Shape
from finesight.data.layouts.annotated import Found, make_splits, split_of
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.errors import DataError

NAME = re.compile(
    r"task-(?P<task>[0-9]+)-annotation-(?P<annotation>[0-9]+)-by-[^-]*-(?P<label>.+)-[0-9]+\.png", re.IGNORECASE
)


@dataclass(frozen=True)
class Brushed:
    """A file. label: of its control and its class, such as `tag-road`."""

    key: str
    task: str
    annotation: str
    label: str


def is_brush(key: str) -> bool:
    """Whether a file is called like a mask of a brush."""
    return bool(NAME.fullmatch(key.rpartition("/")[2]))


def fits_brush_files(survey: Survey) -> bool:
    """Several labels: those of one are read as masks of two values."""
    brushed = _list_files(survey)
    return len({each.label for each in brushed}) > 1 and bool(_find_images(survey, brushed))


def read_brush_files(survey: Survey) -> Splits:
    """Items with drawn masks. Raises DataError for two annotations of a task."""
    brushed = _list_files(survey)
    if not brushed:
        raise DataError(f"{str(survey.root)!r} holds no masks such as task-12-annotation-3-by-1-tag-road-0.png.")
    images = _find_images(survey, brushed)
    start = _find_control(brushed)
    found = Found(names=sorted({each.label[len(start) :] for each in brushed}, key=natural_key))
    by_task: dict[str, list[Brushed]] = defaultdict(list)
    for each in brushed:
        by_task[each.task].append(each)
    for task, files in by_task.items():
        if len({each.annotation for each in files}) > 1:
            raise DataError(f"Task {task} in {str(survey.root)!r} has masks of several annotations: keep those of one.")
        if (key := images.get(task)) is None:
            continue
        shapes: list[tuple[str, Shape]] = [
            (each.label[len(start) :], BrushFile(survey.root / each.key)) for each in files
        ]
        found.images[split_of(f"{key.rpartition('/')[0]}/") or "train"].append(
            Annotated(key, survey.root / key, tuple(shapes))
        )
    if left := sorted((task for task in by_task if task not in images), key=natural_key):
        text = (
            f"Left out: the masks of {count_of(len(left), 'task')} without an image called by its number, such as "
            f"{left[0]}.jpg. Label Studio's JSON says which image a task is about."
        )
        found.notes.append(Note(text, tuple(each.key for task in left for each in by_task[task]), hurts=True))
    control = start.rstrip("-")
    found.notes.append(Note(f"Masks of brushes by {control!r}: classes are {quote_some(found.names)}."))
    keys = {each.key for each in brushed}
    return make_splits(replace(survey, images=tuple(key for key in survey.images if key not in keys)), found)


def _list_files(survey: Survey) -> list[Brushed]:
    matches = ((key, NAME.fullmatch(key.rpartition("/")[2])) for key in survey.images)
    return [
        Brushed(key, match["task"], match["annotation"], match["label"])
        for key, match in sorted(matches, key=lambda pair: natural_key(pair[0]))
        if match
    ]


def _find_images(survey: Survey, brushed: list[Brushed]) -> dict[str, str]:
    """Key of the image by task."""
    tasks = {each.task for each in brushed}
    return {stem: key for key in survey.images if (stem := PurePosixPath(key).stem) in tasks}


def _find_control(brushed: list[Brushed]) -> str:
    """What all labels begin with: the name of the control, up to a hyphen."""
    labels = [each.label.split("-") for each in brushed]
    shared = 0
    while all(len(parts) > shared + 1 for parts in labels) and len({parts[shared] for parts in labels}) == 1:
        shared += 1
    return "".join(f"{part}-" for part in labels[0][:shared])

"""Layouts of annotation files: which files they are, the images they are about, and the items with drawn masks."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from finesight.classes import IGNORE_INDEX, ClassList, compose
from finesight.data.annotations.drawn_masks import Annotated, Drawn, ValueMask, convert_masks, draw_masks
from finesight.data.class_files import load_classes
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.layouts.table_items import UnusableRows
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item
from finesight.data.splits import SPLIT_WORDS, split_name
from finesight.errors import DataError, list_problems

IN_A_FOLDER = 20  # files; of more in one folder, each is about one image


@dataclass
class Found:
    """What annotation files say. images: by split. names: all classes. missing: images they list that are not there.

    winner: which of two shapes is seen where both cover a pixel.
    """

    images: dict[str, list[Annotated]] = field(default_factory=lambda: defaultdict(list))
    names: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    winner: str = "the later shape"


def list_files(survey: Survey, *endings: str) -> list[str]:
    """Keys of files that may be about many images; the one that --data names, if it names one."""
    if survey.named:
        return [survey.named] if survey.named.lower().endswith(endings) else []
    by_folder: dict[str, list[str]] = defaultdict(list)
    for key in survey.others:
        if key.lower().endswith(endings):
            by_folder[key.rpartition("/")[0]].append(key)
    return [key for keys in by_folder.values() if len(keys) <= IN_A_FOLDER for key in keys]


def split_of(key: str) -> str:
    """The split that the name of a file says, or else its folders; "" where none does."""
    folder, _, name = key.rpartition("/")
    words = re.findall("[a-z]+", name.rpartition(".")[0].lower())
    named = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    folders = [split for part in reversed(folder.split("/")) if (split := split_name(part))]
    return next(iter([*named, *folders]), "")


class ImageFinder:
    """Finds images by the names that an annotation file gives them, whatever folder these are relative to."""

    def __init__(self, survey: Survey) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for key in survey.images:
            self._by_name[compose(key.rpartition("/")[2])].append(key)

    def find(self, names: Sequence[str], home: str, split: str) -> dict[str, str]:
        """Key by name, without those that are not found.

        home: the annotation file's folder. split: of the file, which decides between folders that hold the same names.
        Raises DataError where two images would do as well.
        """
        candidates = {name: self._match(name) for name in names}
        counts: dict[str, int] = defaultdict(int)
        for found in candidates.values():
            for base in found:
                counts[base] += 1

        def rank(base: str) -> tuple[bool, bool, int]:
            return base != home, bool(split) and split_of(f"{base}/") != split, -counts[base]

        chosen: dict[str, str] = {}
        for name, found in candidates.items():
            bases = sorted(found, key=rank)
            if len(bases) > 1 and rank(bases[0]) == rank(bases[1]):
                raise DataError(
                    f"Image {name!r} could be {found[bases[0]]!r} or {found[bases[1]]!r}: write the folder in its "
                    "name, or put the annotation file beside its images."
                )
            if bases:
                chosen[name] = found[bases[0]]
        return chosen

    def _match(self, name: str) -> dict[str, str]:
        """Keys that end in the whole name, by what stands before it; else those that end in most of its parts."""
        parts = [compose(part) for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        keys = self._by_name.get(parts[-1], []) if parts else []
        lengths = {key: _count_same(compose(key).split("/"), parts) for key in keys}
        longest = max(lengths.values(), default=0)
        return {"/".join(key.split("/")[:-longest]): key for key, length in lengths.items() if length == longest}


def _count_same(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths share at their ends."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count


def key_of(path: Path, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def make_splits(survey: Survey, found: Found, note_others: bool = True) -> Splits:
    """Items with drawn masks by split. What is passed over is added to the notes. Raises UnusableRows, DataError."""
    if len(found.names) >= IGNORE_INDEX and survey.classes:
        _rename(found, load_classes(survey.classes))
    images = [image for some in found.images.values() for image in some]
    if not images:
        missing = f", such as {found.missing[0]!r}" if found.missing else ""
        raise DataError(
            f"No image that the annotations in {str(survey.root)!r} list is there{missing}: add the images."
        )
    if found.missing:
        text = (
            f"{count_of(len(found.missing), 'annotated image')} not there ({quote_some(found.missing, 1)}): left out."
        )
        found.notes.append(Note(text, tuple(found.missing), hurts=True))
    known = {image.key for image in images}
    others = [key for key in survey.images if key not in known] if note_others and not survey.named else []
    if others:
        text = f"In no annotation file: {count_of(len(others), 'image')} ({quote_some(others, 1)}), left out."
        found.notes.append(Note(text, tuple(others)))
    drawn = draw_masks(survey.root, images, found.names, survey.unannotated, found.winner)
    return _place_items(survey, drawn, found.notes, found.images)


def _rename(found: Found, classes: ClassList) -> None:
    """Shapes of the classes that a class file merges many into, as masks hold few. Raises DataError for a class that it
    lacks; shapes of one that it drops are left out of everything."""
    names = {name for some in found.images.values() for image in some for name, _ in image.shapes if name}
    ids = {name: None if classes.drops(name) else classes.ids[classes.index(name)] for name in names}
    found.names = list(classes.ids)
    for some in found.images.values():
        some[:] = [
            replace(image, shapes=tuple((name and ids[name], shape) for name, shape in image.shapes)) for image in some
        ]


def convert_splits(
    survey: Survey, images: Mapping[str, Sequence[ValueMask]], names: Sequence[str], notes: Iterable[Note]
) -> Splits:
    """Items with masks that name their classes. An image without a mask keeps the path that it should have."""
    there = [image for some in images.values() for image in some if image.mask.is_file() and image.path.is_file()]
    have = {image.key for image in there}
    drawn = convert_masks(survey.root, there, names)
    alone = [image for some in images.values() for image in some if image.key not in have]
    drawn.items.extend(Item(image.key, image.path, image.mask) for image in alone)
    return _place_items(survey, drawn, notes, images)


def _place_items(
    survey: Survey, drawn: Drawn, notes: Iterable[Note], images: Mapping[str, Sequence[Annotated | ValueMask]]
) -> Splits:
    survey.notes.extend([*notes, *drawn.notes])
    items = {item.key: item for item in drawn.items}
    splits = {split: [items[image.key] for image in some if image.key in items] for split, some in images.items()}
    if drawn.faults:
        total = len(drawn.items) + len(drawn.faults)
        start = f"{len(drawn.faults):,} of {total:,} annotated images cannot be used:"
        rest = {split: some for split, some in splits.items() if some}
        raise UnusableRows(list_problems(start, drawn.faults), drawn.faults, rest)
    return splits

"""Several labels per image: any number of classes, as ids or names, or none."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from finesight.classes import ClassList
from finesight.config import DataSettings
from finesight.data.class_files import match_classes
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.matching import find_class
from finesight.data.sample import Item
from finesight.data.targets import Rule, Splits, TargetKind, list_labels
from finesight.errors import DataError

SEPARATOR = ";"  # between the labels of an image, in splits.csv and predictions.csv


class LabelSets(TargetKind):
    unit = "images"
    fewest_classes = 1
    no_val = "No image is left to validate on; add images or give --val."

    def find_stratum(self, item: Item) -> str:
        return next(iter(list_labels(item)), "")

    def leave_out_dropped(self, splits: Splits, classes: ClassList | None) -> tuple[Splits, list[Note]]:
        """Labels are dropped, images stay."""
        if classes is None:
            return splits, []
        kept = {split: tuple(_keep(item, classes) for item in items) for split, items in splits.items()}
        dropped = Counter(
            label for items in splits.values() for item in items for label in list_labels(item) if classes.drops(label)
        )
        if not dropped:
            return kept, []
        names = quote_some([label for label, _ in dropped.most_common()])
        return kept, [Note(f"Left out: {count_of(dropped.total(), 'label')} that the class file drops: {names}.")]

    def read_classes(
        self, items: Sequence[Item], known: ClassList | None, data: DataSettings
    ) -> tuple[ClassList, Rule, tuple[str, ...]]:
        classes = match_classes({label for item in items for label in list_labels(item)}, known)
        if wrong := [name for name in classes.ids if SEPARATOR in name]:
            raise DataError(f"Class {wrong[0]!r} has {SEPARATOR!r} in its name, which separates labels; rename it.")
        without = sum(not list_labels(item) for item in items)
        return classes, None, (f"{count_of(without, 'image')} without any label.",) if without else ()

    def compare_splits(self, splits: Splits, classes: ClassList) -> Iterator[str]:
        present = {split: _find_present(items, classes) for split, items in splits.items()}
        names = {split: [classes.names[index] for index in sorted(found)] for split, found in present.items()}
        if not names["train"]:
            raise DataError("No training image has a label; there is nothing to train on.")
        if not splits["val"]:
            raise DataError(self.no_val)
        for split, found in present.items():
            if unknown := [classes.names[index] for index in sorted(found - present["train"])]:
                raise DataError(
                    f"Split {split!r} has images of {quote_some(unknown)}, but the training split has none."
                )
            if absent := [classes.names[index] for index in sorted(present["train"] - found)]:
                yield f"{'Classes' if len(absent) > 1 else 'Class'} without an image in {split}: {quote_some(absent)}."
        if unused := [name for index, name in enumerate(classes.names) if index not in present["train"]]:
            yield f"In the class list but without images: {quote_some(unused)}."

    def has_class(self, item: Item, classes: ClassList) -> bool:
        return any(find_class(label, classes) is not None for label in list_labels(item))

    def keep_known(self, splits: Splits, classes: ClassList, where: str) -> tuple[Splits, list[str]]:
        """With class ids as labels. Labels that the run lacks are taken out of their images."""
        labels = Counter(label for items in splits.values() for item in items for label in list_labels(item))
        index = {label: find_class(label, classes) for label in labels}
        unknown = {label: count for label, count in labels.items() if index[label] is None}
        if labels and len(unknown) == len(labels):
            raise DataError(
                f"No label of {where} is a class of the run: its labels are {quote_some(sorted(labels))}, the run's "
                f"classes {quote_some(classes.names)}. Rename the labels, or train on them."
            )
        notes = []
        if unknown:
            strange = quote_some(sorted(unknown))
            notes.append(
                f"Labels of {where} without a class in the run are ignored: "
                f"{count_of(sum(unknown.values()), 'label')} ({strange}). Their images stay."
            )
        if missing := [name for place, name in enumerate(classes.names) if place not in index.values()]:
            notes.append(f"Without an image in {where}: {quote_some(missing)}.")
        kept = {
            split: tuple(
                replace(item, target=tuple(classes.ids[place] for place in _find_indices(item, index)))
                for item in items
            )
            for split, items in splits.items()
        }
        return kept, notes

    def compare_recorded(self, items: Sequence[Item], recorded: Mapping[str, str]) -> Iterator[str]:
        changed = [
            item
            for item in items
            if item.key in recorded and set(filter(None, recorded[item.key].split(SEPARATOR))) != set(list_labels(item))
        ]
        if changed:
            first, verb = changed[0], "have" if len(changed) > 1 else "has"
            yield (
                f"{count_of(len(changed), 'image')} {verb} other labels than when the run was trained, such as "
                f"{first.key!r}: {recorded[first.key]!r} then, {SEPARATOR.join(list_labels(first))!r} now; the current "
                "labels are used."
            )


def _keep(item: Item, classes: ClassList) -> Item:
    return replace(item, target=tuple(label for label in list_labels(item) if not classes.drops(label)))


def _find_present(items: Sequence[Item], classes: ClassList) -> set[int]:
    return {classes.index(label) for item in items for label in list_labels(item)}


def _find_indices(item: Item, index: Mapping[str, int | None]) -> list[int]:
    return sorted({place for label in list_labels(item) if (place := index[label]) is not None})

"""Labels on disk: one class of an image, as an id or a name."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from finesight.classes import ClassList, list_twins
from finesight.config import DataSettings
from finesight.data.class_files import match_classes
from finesight.data.class_mapping import leave_out_dropped
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.matching import find_class
from finesight.data.sample import Item
from finesight.data.targets import Rule, Splits, TargetKind
from finesight.errors import DataError


class Labels(TargetKind):
    unit = "images"
    fewest_classes = 2
    no_val = "No class has two images, so no validation image is left; add images or give --val."

    def find_stratum(self, item: Item) -> str:
        return str(item.target)

    def leave_out_dropped(self, splits: Splits, classes: ClassList | None) -> tuple[Splits, list[Note]]:
        return leave_out_dropped(splits, classes)

    def read_classes(
        self, items: Sequence[Item], known: ClassList | None, data: DataSettings
    ) -> tuple[ClassList, Rule, tuple[str, ...]]:
        return match_classes(list_labels(items), known), None, ()

    def compare_splits(self, splits: Splits, classes: ClassList) -> Iterator[str]:
        present = {split: {classes.index(label) for label in list_labels(items)} for split, items in splits.items()}
        names = [classes.names[index] for index in sorted(present["train"])]
        if len(names) < 2:
            raise DataError(f"All training images are of one class, {quote_some(names)}; two at least are needed.")
        if not splits["val"]:
            raise DataError(self.no_val)
        for split, found in present.items():
            if unknown := [classes.names[index] for index in sorted(found - present["train"])]:
                near = [quote_some(twins) for twins in list_twins(classes.names) if set(twins) & set(unknown)]
                hint = f" Names that differ in little more than case: {near[0]}." if near else ""
                raise DataError(
                    f"Split {split!r} has images of {quote_some(unknown)}, but the training split has none.{hint}"
                )
            if absent := [classes.names[index] for index in sorted(present["train"] - found)]:
                yield f"{'Classes' if len(absent) > 1 else 'Class'} without an image in {split}: {quote_some(absent)}."
        for twins in list_twins(classes.ids):
            yield f"Classes of nearly the same name, read as different classes: {quote_some(twins)}."
        if unused := [name for index, name in enumerate(classes.names) if index not in present["train"]]:
            yield f"In the class list but without images: {quote_some(unused)}."

    def has_class(self, item: Item, classes: ClassList) -> bool:
        return isinstance(item.target, str) and find_class(item.target, classes) is not None

    def keep_known(self, splits: Splits, classes: ClassList, where: str) -> tuple[Splits, list[str]]:
        """With class ids as labels."""
        labels = Counter(str(item.target) for items in splits.values() for item in items)
        index = {label: find_class(label, classes) for label in labels}
        unknown = {label: count for label, count in labels.items() if index[label] is None}
        if labels and len(unknown) == len(labels):
            raise DataError(
                f"No image of {where} has a class of the run: its labels are {quote_some(sorted(labels))}, the run's "
                f"classes {quote_some(classes.names)}. Rename the labels, or train on them."
            )
        notes = []
        if unknown:
            strange = quote_some(sorted(unknown))
            total = sum(unknown.values())
            notes.append(f"Left out of {where}, as the run does not have class {strange}: {total:,} of its images.")
        if missing := [name for place, name in enumerate(classes.names) if place not in index.values()]:
            notes.append(f"Without an image in {where}: {quote_some(missing)}.")
        kept = {
            split: tuple(
                replace(item, target=classes.ids[found])
                for item in items
                if (found := index[str(item.target)]) is not None
            )
            for split, items in splits.items()
        }
        return kept, notes

    def compare_recorded(self, items: Sequence[Item], recorded: Mapping[str, str]) -> Iterator[str]:
        changed = [item for item in items if recorded.get(item.key, item.target) != item.target]
        if changed:
            first, some = changed[0], f"{count_of(len(changed), 'image')} {'have' if len(changed) > 1 else 'has'}"
            yield (
                f"{some} another label than when the run was trained, such as {first.key!r}: {recorded[first.key]!r} "
                f"then, {first.target!r} now; the current labels are used."
            )


def list_labels(items: Sequence[Item]) -> set[str]:
    return {item.target for item in items if isinstance(item.target, str)}

"""A data set looked at from all sides in one pass, whatever is wrong with it: what the checks of the doctor judge."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from finesight.classes import ClassList
from finesight.config import DataSettings, PixelScale
from finesight.data.adjacent_tiles import Seam, find_seams
from finesight.data.class_files import load_classes
from finesight.data.duplicates import Duplicates, match_fingerprints
from finesight.data.file_statistics import Portrait, take_portrait
from finesight.data.formats import FORMATS, read_splits
from finesight.data.images.scaling import ValueStats, choose_scale, measure_values
from finesight.data.leftovers import Note
from finesight.data.masks.looks import Look
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rule_choice import choose_rule
from finesight.data.masks.values import UnknownValues
from finesight.data.sample import Item
from finesight.data.splits import split_train_val
from finesight.data.targets import TargetKind
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.progress import progress_bar, track


@dataclass(frozen=True)
class Inspection:
    """splits: as they come, or, if split_is_made, as `train` would make them. portraits: by key, of every item.

    classes: None where none can be told. stats: of values that are not uint8, from the training part.
    rule: how masks are read; None of images without, or with rule_fault, the sentence that says why they cannot be;
    unknown_values: where the reason is values that are no class.
    faults: what is wrong with the layout, a sentence each. batch_size: that is asked for, 0 where it will be chosen.
    """

    format: str
    targets: TargetKind
    root: Path
    splits: Mapping[str, tuple[Item, ...]]
    split_is_made: bool
    settings: DataSettings
    stats: tuple[ValueStats, ...]
    classes: ClassList | None
    rule: MaskRule | None
    rule_fault: str
    faults: tuple[str, ...]
    portraits: Mapping[str, Portrait]
    duplicates: tuple[Duplicates, ...]
    seams: tuple[Seam, ...]
    notes: tuple[Note, ...] = ()
    batch_size: int = 0
    unknown_values: UnknownValues | None = None

    @property
    def task(self) -> str:
        return FORMATS[self.format].task

    @property
    def unit(self) -> str:
        """What `class_counts` count: `images` or `pixels`; empty where there are no targets."""
        return self.targets.unit

    def split_apart(self, seed: int) -> dict[str, tuple[Item, ...]]:
        """The splits once more, of which train and val share no scene and no image: neighbouring crops stay on one
        side, and so do copies and near copies. What is called test stays as it is. Raises DataError."""
        both = {item.key: item for name in ("train", "val") for item in self.splits.get(name, ())}
        links = [each.keys for each in self.duplicates] + [(seam.first, seam.second) for seam in self.seams]
        train, val = split_train_val(both.values(), self.settings.val_fraction, seed, self.targets.find_stratum, links)
        if not val:
            raise DataError(
                f"No image can be held out: the {len(both):,} that there are hang together as copies or as crops of "
                "one scene. Add images from elsewhere."
            )
        return {"train": train, "val": val} | {
            name: items for name, items in self.splits.items() if name not in ("train", "val")
        }

    @property
    def scale(self) -> PixelScale:
        """As training would choose it."""
        return choose_scale(self.stats, len(self.splits.get("train", self.items)))

    @cached_property
    def items(self) -> dict[str, Item]:
        return {item.key: item for items in self.splits.values() for item in items}

    @cached_property
    def splits_of(self) -> dict[str, tuple[str, ...]]:
        """The parts an image is in, by key; one, if all is well."""
        found: dict[str, tuple[str, ...]] = {}
        for split, items in self.splits.items():
            for item in items:
                found[item.key] = (*found.get(item.key, ()), split)
        return found

    @cached_property
    def looks(self) -> dict[str, Look]:
        """What the masks hold that can be read, by key of their images."""
        pairs = ((key, portrait.mask) for key, portrait in self.portraits.items())
        return {key: mask.look for key, mask in pairs if mask and mask.look}

    def labels_of(self, key: str) -> tuple[str, ...]:
        """The labels of an image as they stand on disk; none of one with a mask, or without labels."""
        target = self.items[key].target
        return (target,) if isinstance(target, str) else target if isinstance(target, tuple) else ()

    def mask_of(self, key: str) -> Path | None:
        target = self.items[key].target
        return target if isinstance(target, Path) else None

    def index_of(self, label: str) -> int | None:
        """Index of a label's class; None where it is not in the class list."""
        return self._indices.get(label)

    @cached_property
    def _indices(self) -> dict[str, int]:
        """By label; as ClassList.index finds them."""
        if self.classes is None:
            return {}
        indices = {label: i for labels in (self.classes.names, self.classes.ids) for i, label in enumerate(labels)}
        return indices | {label: self.classes.ids.index(target) for label, target in self.classes.mapping if target}

    @cached_property
    def class_counts(self) -> dict[str, Counter[int]]:
        """Images of each class, or, with masks, pixels, by part. IGNORE_INDEX counts pixels of no known class."""
        if self.unit == "images":
            return {
                split: Counter(
                    index
                    for item in items
                    for label in self.labels_of(item.key)
                    if (index := self.index_of(label)) is not None
                )
                for split, items in self.splits.items()
            }
        counts: dict[str, Counter[int]] = {split: Counter() for split in self.splits}
        if self.rule is None:
            return counts
        for key, look in self.looks.items():
            for split in self.splits_of[key]:
                counts[split].update(self.rule.count(look))
        return counts


def audit_data(
    settings: DataSettings, find_targets: Callable[[str], TargetKind], seed: int = 0, batch_size: int = 0
) -> Inspection:
    """Decodes every image and mask once. Raises DataError only where there is nothing to look at.

    find_targets: of a format. seed: of the split that is made where the data bring none. About 2 kB an image.
    """
    faults: list[str] = []
    notes: list[Note] = []
    name, root, splits = read_splits(settings.root, settings.val, settings.format, faults, notes, settings)
    targets = find_targets(name)
    known = load_classes(settings.classes) if settings.classes else None
    splits, left_out = targets.leave_out_dropped(splits, known)
    notes += left_out
    split_is_made = FORMATS[name].task != "none" and "train" in splits and "val" not in splits
    if split_is_made:
        train, val = split_train_val(splits["train"], settings.val_fraction, seed, targets.find_stratum)
        splits = {"train": train, "val": val} | {split: splits[split] for split in splits if split != "train"}
    items = list({item.key: item for items in splits.values() for item in items}.values())
    training = splits.get("train") or items
    stats = measure_values(training)
    taken = map_in_threads(partial(take_portrait, scale=choose_scale(stats, len(training))), items)
    portraits = {
        item.key: portrait
        for item, portrait in zip(items, track(taken, "Looking at files", len(items), "files"), strict=True)
    }
    inspection = Inspection(
        format=name,
        targets=targets,
        root=root,
        splits=splits,
        split_is_made=split_is_made,
        settings=settings,
        stats=stats,
        classes=known,
        rule=None,
        rule_fault="",
        faults=tuple(faults),
        portraits=portraits,
        duplicates=tuple(_match(portraits)),
        seams=tuple(_find_seams(portraits)),
        notes=tuple(notes),
        batch_size=batch_size,
    )
    return _read_masks(inspection) if inspection.unit == "pixels" else _read_labels(inspection)


def _read_labels(inspection: Inspection) -> Inspection:
    labels = {label for key in inspection.items for label in inspection.labels_of(key)}
    if inspection.classes is None and labels:
        return replace(inspection, classes=ClassList.from_labels(labels))
    return inspection


def _read_masks(inspection: Inspection) -> Inspection:
    """With the rule that training would choose, or the reason why it would stop."""
    looks = list(inspection.looks.values())
    if not looks:
        return replace(inspection, rule_fault="No mask can be read.")
    try:
        rule, classes, _ = choose_rule(looks, inspection.classes, inspection.settings)
    except DataError as error:
        unknown = error if isinstance(error, UnknownValues) else None
        return replace(inspection, rule_fault=str(error), unknown_values=unknown)
    return replace(inspection, rule=rule, classes=classes)


def _match(portraits: Mapping[str, Portrait]) -> Iterable[Duplicates]:
    with progress_bar("Comparing images", 1):
        return match_fingerprints({key: each.fingerprint for key, each in portraits.items() if each.fingerprint})


def _find_seams(portraits: Mapping[str, Portrait]) -> list[Seam]:
    """Among the images of the most common size."""
    sizes = Counter(portrait.size for portrait in portraits.values() if portrait.edges is not None)
    if not sizes:
        return []
    ((size, _),) = sizes.most_common(1)
    return find_seams(
        {key: each.edges for key, each in portraits.items() if each.edges is not None and each.size == size}
    )

"""A data set read in one pass, whatever is wrong with it: what the checks of data judge."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from finesight.classes import ClassList
from finesight.config import DataSettings, PixelScale
from finesight.data.adjacent_tiles import AdjacentTiles, find_adjacent
from finesight.data.class_choice import choose_classes
from finesight.data.duplicates import Duplicates, match_fingerprints
from finesight.data.file_statistics import FileStatistics, read_statistics
from finesight.data.formats import FORMATS, read_splits
from finesight.data.images.scaling import ValueStats, choose_scale, measure_values
from finesight.data.leftovers import Note
from finesight.data.masks.looks import Look
from finesight.data.matching import index_labels
from finesight.data.sample import Item
from finesight.data.splits import split_train_val
from finesight.data.targets import TargetAudit, TargetKind, list_labels
from finesight.data.threads import map_in_threads
from finesight.errors import DataError
from finesight.progress import progress_bar, track


@dataclass(frozen=True)
class Audit:
    """splits: as they come, or, if split_is_made, as `train` would make them. files: by key, of every item.

    stats: of values that are not uint8, from the training split. found: what the task finds in the targets.
    faults: what is wrong with the layout, a sentence each. batch_size: of the settings, 0 where it will be chosen.
    """

    format: str
    targets: TargetKind
    root: Path
    splits: Mapping[str, tuple[Item, ...]]
    split_is_made: bool
    settings: DataSettings
    stats: tuple[ValueStats, ...]
    found: TargetAudit
    faults: tuple[str, ...]
    files: Mapping[str, FileStatistics]
    duplicates: tuple[Duplicates, ...]
    adjacent: tuple[AdjacentTiles, ...]
    notes: tuple[Note, ...] = ()
    batch_size: int = 0

    @property
    def classes(self) -> ClassList | None:
        return self.found.classes

    @property
    def unit(self) -> str:
        """What `class_counts` count: `images` or `pixels`; empty where there are no targets."""
        return self.targets.unit

    def split_apart(self, seed: int) -> dict[str, tuple[Item, ...]]:
        """Splits of which train and val share no scene and no image: adjacent tiles, copies and near copies are in one
        of them. The test split stays as it is. Raises DataError."""
        both = {item.key: item for name in ("train", "val") for item in self.splits.get(name, ())}
        links = [each.keys for each in self.duplicates] + [(pair.first, pair.second) for pair in self.adjacent]
        train, val = split_train_val(both.values(), self.settings.val_fraction, seed, self.targets.find_stratum, links)
        if not val:
            raise DataError(
                f"No image can be held out: all {len(both):,} are linked as copies or tiles of one scene. "
                "Add images from elsewhere."
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
        """The splits an image is in, by key; one, if all is well."""
        found: dict[str, tuple[str, ...]] = {}
        for split, items in self.splits.items():
            for item in items:
                found[item.key] = (*found.get(item.key, ()), split)
        return found

    @cached_property
    def looks(self) -> dict[str, Look]:
        return list_looks(self.files)

    def labels_of(self, key: str) -> tuple[str, ...]:
        """The labels of an image as they stand on disk; none of one with a mask, or without labels."""
        return list_labels(self.items[key])

    def mask_of(self, key: str) -> Path | None:
        target = self.items[key].target
        return target if isinstance(target, Path) else None

    def index_of(self, label: str) -> int | None:
        """Index of a label's class; None where it is not in the class list."""
        return self._indices.get(label)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return index_labels(self.classes) if self.classes else {}

    @cached_property
    def class_counts(self) -> dict[str, Counter[int]]:
        """Images, or pixels, of each class by split. IGNORE_INDEX counts pixels of no known class."""
        total: dict[str, Counter[int]] = {split: Counter() for split in self.splits}
        for split, items in self.splits.items():
            for item in items:
                total[split].update(self.found.counts.get(item.key, {}))
        return total


def audit_files(
    settings: DataSettings, find_targets: Callable[[str], TargetKind], seed: int = 0, batch_size: int = 0
) -> Audit:
    """Decodes every image and mask once. Raises DataError only where there is nothing to look at.

    find_targets: of a format. seed: of the split that is made where the data bring none. About 2 kB an image.
    """
    faults: list[str] = []
    notes: list[Note] = []
    name, root, splits = read_splits(settings.root, settings.val, settings.format, faults, notes, settings)
    targets = find_targets(name)
    known = choose_classes(settings, splits, root, notes)
    splits, left_out = targets.leave_out_dropped(splits, known)
    notes += left_out
    split_is_made = FORMATS[name].task != "none" and "train" in splits and "val" not in splits
    if split_is_made:
        train, val = split_train_val(splits["train"], settings.val_fraction, seed, targets.find_stratum)
        splits = {"train": train, "val": val} | {split: splits[split] for split in splits if split != "train"}
    by_key = {item.key: item for some in splits.values() for item in some}
    items = list(by_key.values())
    training = splits.get("train") or items
    stats = measure_values(training)
    taken = map_in_threads(partial(read_statistics, scale=choose_scale(stats, len(training))), items)
    files = {
        item.key: file for item, file in zip(items, track(taken, "Looking at files", len(items), "files"), strict=True)
    }
    return Audit(
        format=name,
        targets=targets,
        root=root,
        splits=splits,
        split_is_made=split_is_made,
        settings=settings,
        stats=stats,
        found=targets.audit(by_key, list_looks(files), known, settings),
        faults=tuple(faults),
        files=files,
        duplicates=tuple(_match(files)),
        adjacent=tuple(_find_adjacent(files)),
        notes=tuple(notes),
        batch_size=batch_size,
    )


def list_looks(files: Mapping[str, FileStatistics]) -> dict[str, Look]:
    """What the masks hold that can be read, by key of their images."""
    masks = ((key, file.mask) for key, file in files.items())
    return {key: mask.look for key, mask in masks if mask and mask.look}


def _match(files: Mapping[str, FileStatistics]) -> Iterable[Duplicates]:
    with progress_bar("Comparing images", 1):
        return match_fingerprints({key: each.fingerprint for key, each in files.items() if each.fingerprint})


def _find_adjacent(files: Mapping[str, FileStatistics]) -> list[AdjacentTiles]:
    """Among the images of the most common size."""
    sizes = Counter(file.size for file in files.values() if file.edges is not None)
    if not sizes:
        return []
    ((size, _),) = sizes.most_common(1)
    return find_adjacent(
        {key: each.edges for key, each in files.items() if each.edges is not None and each.size == size}
    )

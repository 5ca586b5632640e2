"""Which images a command works on: a run's own splits as it recorded them, or other data of its classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from finesight.app.copies import find_copies
from finesight.app.datasets import open_split
from finesight.app.run_splits import Recorded, compare_keys, read_recorded, restore_keys
from finesight.config import DataSettings, Settings
from finesight.data.formats import FORMATS, read_other, read_splits
from finesight.data.layouts.survey import locate
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset
from finesight.data.sample import Item
from finesight.data.targets import Rule, Splits
from finesight.errors import DataError
from finesight.progress import say, say_notes
from finesight.run.folder import RunFolder
from finesight.tasks import find_task
from finesight.tasks.contract import Task


@dataclass(frozen=True)
class RunData:
    """The data of a run. Listed, checked and opened once, however often a command asks."""

    run: RunFolder
    settings: Settings
    task: Task
    _opened: dict[str, ImageDataset] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, run: "str | Path | RunData") -> "RunData":
        """That of a run folder. Raises RunError."""
        if isinstance(run, RunData):
            return run
        folder = RunFolder.open(run)
        return cls(folder, folder.read_settings(), find_task(folder))

    @cached_property
    def recorded(self) -> Recorded:
        return read_recorded(self.run)

    @cached_property
    def listing(self) -> Listing:
        """Every image of the run's splits that is still there; a split that the run lacks, such as test, as it is now.

        Labels are as they stand now. No image is opened. Raises DataError where the data are missing.
        """
        format, base, splits = self._read()
        everything = [item for items in splits.values() for item in items]
        found = {item.key: item for item in everything if all(map(Path.is_file, self.task.targets.list_files(item)))}
        known = {key for keys in self.recorded.values() for key in keys}
        own = {split: tuple(found[key] for key in keys if key in found) for split, keys in self.recorded.items()}
        others = {
            split: tuple(item for item in items if item.key not in known)
            for split, items in splits.items()
            if split not in own
        }
        notes = tuple(compare_keys(self.recorded, splits, self.settings.data.limit > 0))
        return Listing(format, base, own | others, self.run.read_classes(), notes)

    @cached_property
    def rule(self) -> Rule:
        """How targets are read; found once, before training."""
        return self.task.targets.rules.find(
            self.run,
            self.settings.data,
            lambda: [item for split in self.recorded for item in self.listing.splits[split]],
        )

    def find_items(self, split: str) -> dict[str, Item]:
        """Images of the training split and of this one by key; none of a split of other data, where the same key is
        another image. Raises DataError where the data are missing."""
        splits = self.listing.splits
        if split not in splits:
            return {}
        return {item.key: item for name in ("train", split) for item in splits.get(name, ())}

    def open_split(self, split: str) -> ImageDataset:
        """What is missing, new or changed is said. Raises DataError for a split of which nothing is left."""
        if split not in self._opened:
            self._opened[split] = self._open(self._list_split(split), split)
        return self._opened[split]

    def open_other(self, data: str | Path, split: str, reading: DataSettings) -> tuple[str, ImageDataset]:
        """(name, images) of a split of other data, whose targets are matched with the run's classes by id or name.

        reading: the run's, but for the images and masks of these data.
        split: which; `val` by default. Of data in a single split it is the name for the result, `test` by default. A
        name that is one of the run's own splits gets that of the data before it.
        """
        targets, classes = self.task.targets, self.run.read_classes()
        format, base, splits, notes = read_other(
            data, self.settings.data.format, reading, lambda item: targets.has_class(item, classes)
        )
        say_notes(note.text for note in notes)
        name = split or ("test" if len(splits) == 1 else "val")
        if len(splits) > 1 and name not in splits:
            raise DataError(f"{base} has no split {name!r}; there are: {', '.join(splits)}.")
        items = splits[name] if len(splits) > 1 else next(iter(splits.values()))
        if FORMATS[format].task != self.task.name:
            raise DataError(f"{self.run.path} is a run of {self.task.name}; {data} holds data in layout {format}.")
        if name in self.recorded:
            name = f"{locate(data).stem}_{name}"
            own = name.rpartition("_")[2]
            say(f"Note: results are saved as split {name!r}, as the run has its own split {own!r}.")
        kept = self._keep_known({name: items}, str(data))
        self._warn_of_trained(kept[name], data)
        self._apply_rule(kept[name], reading)
        return name, self._open(Listing(format, base, kept, classes, rule=self.rule), name)

    def _list_split(self, split: str) -> Listing:
        listing, before = self.listing, self.recorded.get(split, {})
        if split not in listing.splits:
            raise DataError(f"{listing.root} has no split {split!r}; there are: {', '.join(listing.splits)}.")
        items = listing.splits[split]
        self._describe_gone(items, split, before)
        say_notes(listing.notes)
        kept = self._keep_known({split: items}, f"Split {split!r}")
        if split not in self.recorded:
            self._warn_of_trained(kept[split], f"split {split!r}")
        say_notes(self.task.targets.compare_recorded(kept[split], before))
        self._apply_rule(kept[split], self.settings.data)
        say(f"Data: {listing.format}, {len(listing.classes)} classes, {len(kept[split])} {split}.")
        return replace(listing, splits=kept, rule=self.rule)

    def _describe_gone(self, items: Sequence[Item], split: str, before: Mapping[str, str]) -> None:
        present, root = {item.key for item in items}, self.listing.root
        missing = [key for key in before if key not in present]
        if missing and not items:
            raise DataError(
                f"All {len(before):,} images of split {split!r} of {self.run.path} are missing under {root}, "
                f"such as {missing[0]!r}: restore them, or score other images with --data PATH."
            )
        if not items:
            raise DataError(f"The run was trained on every image of split {split!r} of {root}; none is left to score.")
        if missing:
            gone = f"{len(missing):,} of the {len(before):,} images of split {split!r}"
            say(f"Note: missing since training: {gone}, such as {missing[0]!r}; the other {len(items):,} are used.")

    def _keep_known(self, splits: Splits, where: str) -> Splits:
        """The images of classes that the run has, its classes' ids as labels. What is left out is said."""
        targets, classes = self.task.targets, self.run.read_classes()
        splits, notes = targets.leave_out_dropped(splits, classes)
        say_notes(note.text for note in notes)
        if not splits:
            raise DataError(f"The run's class file drops every image of {where}.")
        splits, texts = targets.keep_known(splits, classes, where)
        say_notes(texts)
        return splits

    def _apply_rule(self, items: Sequence[Item], reading: DataSettings) -> None:
        say_notes(self.task.targets.rules.apply(items, self.rule, self.run.read_classes(), reading))

    def _open(self, listing: Listing, split: str) -> ImageDataset:
        return open_split(listing, split, self.settings, self.run.read_model().preprocessing, self.task)

    def _read(self) -> tuple[str, Path, Splits]:
        """As `read_splits`, with the run's keys. Rows of a CSV that are wrong count as images that are missing."""
        data = self.settings.data
        try:
            format, base, splits = read_splits(data.root, data.val, data.format, faults=[], masks=data)
            return format, *restore_keys(base, splits, self.recorded)
        except DataError as error:
            raise DataError(
                f"The data {self.run.path} was trained on cannot be read: {error} If they were moved, set data.root in "
                "its config.toml."
            ) from None

    def _warn_of_trained(self, items: Sequence[Item], data: str | Path) -> None:
        """Says loudly where other data hold images of the run: the same files or copies of them.

        Where the run's own data are missing, images of the same key are taken for them.
        """
        try:
            base: Path | None = self.listing.root
        except DataError:
            base = None
        for split, keys in self.recorded.items():
            same = find_copies(items, [base / key for key in keys]) if base else [i.key for i in items if i.key in keys]
            if same:
                what = "trained on" if split == "train" else "validated on, by which its best epoch was chosen"
                say(
                    f"Warning: {len(same):,} of the {len(items):,} images of {data} are those the run was {what}, such "
                    f"as {same[0]!r}: their score does not show how the model performs on new images."
                )

"""Masks on disk, and the rule by which a run reads them: found before training, kept in masks.json, used ever after."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings, Preprocessing
from finesight.data.class_mapping import describe_merged
from finesight.data.decoders import Masks, common_size, row_sizes
from finesight.data.images.image import Fit, UnreadableImage
from finesight.data.leftovers import Note
from finesight.data.masks.looks import Look, look_at_masks
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rule_choice import apply_rule, choose_rule
from finesight.data.masks.values import UnknownValues
from finesight.data.sample import Item
from finesight.data.sufficiency import Amount, compare_classes
from finesight.data.targets import Rule, RunRules, Size, Splits, TargetAudit, TargetKind
from finesight.errors import DataError, RunError
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder


class MaskRules(RunRules):
    """In masks.json."""

    def write(self, run: RunFolder, rule: Rule) -> None:
        run.write_json(schema.MASK_RULE, rule.to_dict())

    def find(self, run: RunFolder, data: DataSettings, trained: Callable[[], Sequence[Item]]) -> MaskRule:
        rule = read_mask_rule(run)
        if rule is None:
            how = "how its masks are read is inferred again from its training data"
            say(f"Note: {run.path} has no {schema.MASK_RULE}: {how}.")
            rule, _, _ = choose_rule(look_at_masks(trained()), run.read_classes(), data)
        return rule

    def refuse_other(self, run: RunFolder, rule: Rule) -> None:
        if read_mask_rule(run) not in (None, rule):
            raise RunError(
                f"The masks hold other colours or values than when {run.path} was begun, so that masks.json no longer "
                "applies; continuing would mix two runs. Restore them, or start a new run with another --out."
            )

    def apply(self, items: Sequence[Item], rule: Rule, classes: ClassList, data: DataSettings) -> tuple[str, ...]:
        """Pixels that the rule does not name, and classes without a pixel."""
        return apply_rule(look_at_masks(items), rule, classes, data)


class MaskFiles(TargetKind):
    unit = "pixels"
    rules = MaskRules()
    no_val = "A single pair leaves no validation image; add pairs or give --val."
    no_class = (
        "No pixel of the {split} masks is of a class that counts, as all are ignored: check data.ignore and the class "
        "list, or give masks with a known class."
    )

    def list_files(self, item: Item) -> tuple[Path, ...]:
        return (item.path, item.target) if isinstance(item.target, Path) else (item.path,)

    def leave_out_dropped(self, splits: Splits, classes: ClassList | None) -> tuple[Splits, list[Note]]:
        """All: pixels of classes that are dropped count nowhere."""
        return splits, [Note(note) for note in describe_merged(classes)] if classes else []

    def read_classes(
        self, items: Sequence[Item], known: ClassList | None, data: DataSettings
    ) -> tuple[ClassList, MaskRule, tuple[str, ...]]:
        """Looks at every mask of every split, so that one rule reads them all."""
        rule, classes, notes = choose_rule(look_at_masks(items), known, data)
        return classes, rule, notes

    def compare_splits(self, splits: Splits, classes: ClassList) -> Iterator[str]:
        if not splits["val"]:
            raise DataError(self.no_val)
        yield from ()

    def read_mask(self, item: Item, size: Size, fit: Fit, rule: Rule) -> np.ndarray | None:
        if rule is None or item.target is None:
            return None
        try:
            return Masks(size, fit, rule).decode(item)
        except UnreadableImage:
            return None

    def choose_size(self, items: Sequence[Item], preprocessing: Preprocessing, to_train: bool) -> Size | None:
        """To train, whole images and their masks are cut or padded to one size.

        Else they keep their own sizes, and so do the masks of stretched images: an evaluation counts the pixels that
        `predict` writes.
        """
        stored = preprocessing.decoded_size(to_train)
        if to_train and preprocessing.fit != "stretch":
            return stored
        return common_size(items, stored if to_train else None)

    def list_sizes(self, items: Sequence[Item], size: Size | None) -> list[Size]:
        return row_sizes(size, items)

    def list_scored(self, classes: ClassList) -> list[int]:
        return [index for index in range(len(classes)) if index != classes.ignore]

    def audit(
        self, items: Mapping[str, Item], looks: Mapping[str, Look], known: ClassList | None, data: DataSettings
    ) -> TargetAudit:
        if not looks:
            return TargetAudit(known, {}, rule_fault="No mask can be read.")
        try:
            rule, classes, _ = choose_rule(list(looks.values()), known, data)
        except DataError as error:
            unknown = error if isinstance(error, UnknownValues) else None
            return TargetAudit(known, {}, rule_fault=str(error), unknown_values=unknown)
        return TargetAudit(classes, {key: Counter(rule.count(look)) for key, look in looks.items()}, rule)

    def compare_amounts(self, train: Amount, val: Amount, names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        return compare_classes(train, val, names, "mask")


def read_mask_rule(run: RunFolder) -> MaskRule | None:
    """None of a run that an older version trained. Raises RunError."""
    if not run.has(schema.MASK_RULE):
        return None
    try:
        rule = MaskRule.from_dict(run.read_json(schema.MASK_RULE))
    except ValueError as error:
        raise RunError(f"{run.path / schema.MASK_RULE} is damaged: {error}.") from None
    count = len(run.read_classes())
    if any(count <= index < IGNORE_INDEX for _, index in (*rule.colours, *rule.values, *rule.named)):
        raise RunError(f"{run.path / schema.MASK_RULE} is damaged: it names more classes than the {count} of the run.")
    return rule

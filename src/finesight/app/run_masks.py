"""How a run's masks are read: a rule that is found once, before training, kept in masks.json, and used ever after."""

from collections.abc import Sequence
from dataclasses import replace

from finesight.config import Settings
from finesight.data.listing import Listing
from finesight.data.masks.looks import look_at_masks
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rules import apply_rule, choose_rule
from finesight.data.sample import Item
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation.mask_targets import read_mask_rule


def write_mask_rule(run: RunFolder, rule: MaskRule | None) -> None:
    """None: of a run without masks."""
    if rule is not None:
        run.write_json(schema.MASK_RULE, rule.to_dict())


def find_mask_rule(run: RunFolder, settings: Settings, items: Sequence[Item]) -> MaskRule:
    """The run's rule. items: its training data, which are looked at only for a run that has no masks.json.

    Raises DataError where such a run's masks are gone.
    """
    rule = read_mask_rule(run)
    if rule is None:
        how = "how its masks are read is inferred once more from its training data"
        say(f"Note: {run.path} has no {schema.MASK_RULE}: {how}.")
        rule, _, _ = choose_rule(look_at_masks(items), run.read_classes(), settings.data)
    return rule


def read_by_rule(listing: Listing, rule: MaskRule, settings: Settings) -> Listing:
    """The listing with the rule. Pixels it does not name and classes without a pixel are said.

    Raises DataError where it does not name more than data.unmapped_fraction of them.
    """
    items = [item for items in listing.splits.values() for item in items]
    for note in apply_rule(look_at_masks(items), rule, listing.classes, settings.data):
        for line in f"Note: {note}".splitlines():
            say(line)
    return replace(listing, masks=rule)

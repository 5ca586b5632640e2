"""The rule by which a run reads its masks: found before training, kept in masks.json, used ever after."""

from finesight.classes import IGNORE_INDEX
from finesight.data.masks.rule import MaskRule
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.folder import RunFolder


def read_mask_rule(run: RunFolder) -> MaskRule | None:
    """None of a run without masks, and of one that an older version trained. Raises RunError."""
    if not run.has(schema.MASK_RULE):
        return None
    try:
        rule = MaskRule.from_dict(run.read_json(schema.MASK_RULE))
    except ValueError as error:
        raise RunError(f"{run.path / schema.MASK_RULE} is damaged: {error}.") from None
    count = len(run.read_classes())
    if any(count <= index < IGNORE_INDEX for _, index in (*rule.colours, *rule.values)):
        raise RunError(f"{run.path / schema.MASK_RULE} is damaged: it names more classes than the {count} of the run.")
    return rule

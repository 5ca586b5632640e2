from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import present_classes
from finesight.data.audit import Audit
from finesight.data.sufficiency import Amount, find_shortage


@check("D307", "Too little to train or to validate on", "error")
def too_little_data(audit: Audit) -> Explanation | None:
    """Where `train` would stop before its first epoch, by the same rule."""
    if not audit.unit or audit.classes is None:
        return None
    if "train" not in audit.splits:
        return Explanation(f"There is no training split, only {', '.join(audit.splits)}.")
    if audit.found.rule_fault:
        return None  # another check says why
    present, limit = present_classes(audit), audit.settings.limit
    train, val = (
        Amount(min(len(items), limit or len(items)), frozenset(present.get(split, set())))
        for split in ("train", "val")
        for items in [audit.splits.get(split, ())]
    )
    reason = find_shortage(train, val, audit.batch_size, audit.targets.no_val, audit.targets.no_class)
    return Explanation(reason) if reason else None

from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import name_classes, present_classes
from finesight.data.audit import Audit


@check("D303", "Training classes that a held-out split lacks", "warning")
def unvalidated_classes(audit: Audit) -> Explanation | None:
    present = present_classes(audit)
    lines = [
        f"{split} has no {name_classes(audit, missing)}"
        for split, found in present.items()
        if split != "train" and found and (missing := present.get("train", set()) - found)
    ]
    return Explanation(f"{'; '.join(lines)}: these classes get no score there.") if lines else None
